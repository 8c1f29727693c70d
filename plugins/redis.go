package plugins

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

const redisPort = 6379

// redis is what check_redis was asked.
type redis struct {
	call   *call
	slow   *slow
	port   uint16
	tls    encryption
	login  login
	role   oneOf
	lag    lag
	memory share
}

func openRedis(c *call) func(context.Context) outcome {
	r := &redis{call: c, slow: slowness(c), role: oneOf{words: [2]string{"master", "replica"}}}
	c.flags.Uint16VarP(&r.port, "port", "p", redisPort, "TCP port")
	r.tls.asks(c, false, "use TLS")
	r.login.asks(c)
	r.login.asksCleartext(c)
	c.flags.Var(&r.role, "role", "fail if the server isn't this: master or replica")
	r.lag.asks(c, "a replica hasn't heard from its master for")
	r.memory.asks(c, "memory", "maxmemory")
	return r.look
}

// look gets as far with the server as it lets us.
func (r *redis) look(ctx context.Context) outcome {
	if err := r.login.load(); err != nil {
		return broken(err)
	}
	conn, err := r.call.hear(ctx, r.port)
	if err != nil {
		return broken(err)
	}
	defer bound(ctx, conn)()
	if r.tls.asked() {
		var o outcome
		if conn, o = r.call.secure(ctx, conn, &r.tls); conn == nil {
			return o
		}
	}
	return r.call.answered(r.slow, &r.tls, r.talk(ctx, conn))
}

func (r *redis) talk(ctx context.Context, conn *talk) outcome {
	t := newRedisTalk(conn)
	if r.login.given() {
		if err := r.login.mayTell(conn, conn.encrypted); err != nil {
			return broken(err)
		}
		words := []string{"AUTH", r.login.user, r.login.password}
		if r.login.user == "" { // Redis before 6 knows no users
			words = []string{"AUTH", r.login.password}
		}
		if _, err := t.do(words...); err != nil {
			return r.refused(ctx, conn, "before it answered AUTH", err)
		}
		conn.understand()
	}
	pong, err := t.do("PING")
	if err != nil {
		return r.refused(ctx, conn, "before it answered PING", err)
	}
	if pong != "PONG" {
		return fail("%s is not Redis: it answered PING with %s", portOf(conn), quote(pong))
	}
	conn.understand()
	o := good("redis answered PING")
	if r.role.value != "" || r.lag.asked() || r.login.given() {
		text, err := t.do("INFO", "replication")
		if err != nil {
			return r.refused(ctx, conn, "before it answered INFO", err)
		}
		o = r.replication(o, redisInfo(text))
	}
	if r.memory.asked() {
		text, err := t.do("INFO", "memory")
		if err != nil {
			return r.refused(ctx, conn, "before it answered INFO", err)
		}
		info := redisInfo(text)
		used, err := strconv.ParseFloat(info["used_memory"], 64)
		limit, err2 := strconv.ParseFloat(info["maxmemory"], 64)
		if err != nil || err2 != nil {
			return unknown("redis doesn't say how much memory it uses, or may use")
		}
		o = r.memory.judge(o, "memory", used, limit)
	}
	return o
}

// refused is the outcome of an error the server sent, or of a talk that broke off.
func (r *redis) refused(ctx context.Context, conn *talk, when string, err error) outcome {
	said, ok := errors.AsType[redisError](err)
	if !ok {
		return r.call.lost(ctx, conn, "Redis", when, err)
	}
	asked := r.login.given() || r.role.value != "" || r.lag.asked() || r.memory.asked()
	switch {
	case said.is("NOAUTH", "NOPERM") && !asked:
		return good("redis takes clients, and refuses who has no login: %v", said)
	case said.is("NOAUTH") && !r.login.given():
		return unknown("redis is up, but doesn't tell that without --login-file: %v", said)
	case said.is("NOPERM"):
		return unknown("redis is up, but this node's login lacks the right: %v", said)
	case said.is("WRONGPASS", "NOAUTH"), when == "before it answered AUTH" && said.is("ERR"):
		return unknown("redis is up, but refuses the login of this node: %v", said)
	}
	return fail("redis says %v", said)
}

// replication is what the server's part in replication means.
func (r *redis) replication(o outcome, info map[string]string) outcome {
	role := info["role"]
	if role == "slave" {
		role = "replica"
	}
	o.text += fmt.Sprintf(" and is a %s", clean(role, 20))
	if want := r.role.value; want != "" && want != role {
		o.exit = exitFail
		o.text += ", not a " + want
		return o
	}
	if role != "replica" {
		return o
	}
	if info["master_link_status"] != "up" {
		o.exit = exitFail
		o.text += " without a link to its master " + quote(info["master_host"]) + downFor(info["master_link_down_since_seconds"])
		return o
	}
	if heard, err := strconv.ParseFloat(info["master_last_io_seconds_ago"], 64); err == nil && r.lag.asked() {
		o = r.lag.judge(o, max(0, heard))
	}
	return o
}

func downFor(seconds string) string {
	if n, err := strconv.Atoi(seconds); err == nil && n >= 0 {
		return fmt.Sprintf(", for %d s", n)
	}
	return ""
}
