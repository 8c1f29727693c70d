package plugins

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// redisAnswers answers commands in turn.
func redisAnswers(replies ...string) func(net.Conn) {
	return func(c net.Conn) {
		r := bufio.NewReader(c)
		for _, reply := range replies {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			for range 2 * int(line[1]-'0') {
				if _, err := r.ReadString('\n'); err != nil {
					return
				}
			}
			_, _ = io.WriteString(c, reply)
		}
		silent(c)
	}
}

func bulk(lines ...string) string {
	text := strings.Join(lines, "\r\n")
	return "$" + number(float64(len(text))) + "\r\n" + text + "\r\n"
}

func TestRedis(t *testing.T) {
	t.Parallel()
	strangers(t, "check_redis", "Redis", false)
	withLogin := []string{"--login-file", loginFile(t, "watch:secret", 0o600)}
	const pong = "+PONG\r\n"
	up := bulk("# Replication", "role:slave", "master_host:10.0.0.1", "master_link_status:up", "master_last_io_seconds_ago:7")
	down := bulk("role:slave", "master_host:10.0.0.1", "master_link_status:down", "master_link_down_since_seconds:42")
	cases := []struct {
		rule string
		talk func(net.Conn)
		args []string
		exit int
		want string
	}{
		{"a pong is up", redisAnswers(pong), nil, exitOK, "redis answered PING, in "},
		{"who wants a password is up", redisAnswers("-NOAUTH Authentication required.\r\n"), nil, exitOK, `refuses who has no login: "NOAUTH Authentication required."`},
		{"who wants rights, too", redisAnswers("-NOPERM this user has no permissions\r\n"), nil, exitOK, `refuses who has no login`},
		{"who loads is not", redisAnswers("-LOADING Redis is loading the dataset in memory\r\n"), nil, exitFail, `redis says "LOADING Redis is loading`},
		{"nor who has lost its master", redisAnswers("-MASTERDOWN Link with MASTER is down\r\n"), nil, exitFail, `redis says "MASTERDOWN`},
		{"nor who can't write", redisAnswers("-MISCONF Redis is configured to save RDB snapshots\r\n"), nil, exitFail, `redis says "MISCONF`},
		{"nor who is full and doesn't wait", quits("-ERR max number of clients reached\r\n"), nil, exitFail, `redis says "ERR max number of clients reached"`},
		{"nor who serves itself alone", quits("-DENIED Redis is running in protected mode\r\n"), nil, exitFail, `redis says "DENIED`},
		{"another answer is none", redisAnswers("+QUEUED\r\n"), nil, exitFail, `is not Redis: it answered PING with "QUEUED"`},
		{"a wrong password", redisAnswers("-WRONGPASS invalid\r\n"), withLogin, exitUnknown, "redis is up, but refuses the login of this node"},
		{"a password where there is none", redisAnswers("-ERR AUTH called without any password configured\r\n"), withLogin, exitUnknown, "refuses the login"},
		{"a login", redisAnswers("+OK\r\n", pong, bulk("role:master")), withLogin, exitOK, "is a master, in "},
		{"a login that may not ask", redisAnswers("+OK\r\n", pong, "-NOPERM no\r\n"), withLogin, exitUnknown, "lacks the right"},
		{"nothing is told to strangers", redisAnswers("-NOAUTH Authentication required.\r\n"), []string{"--role", "master"}, exitUnknown, "--login-file"},
		{"a replica", redisAnswers(pong, up), []string{"--role", "replica"}, exitOK, "is a replica"},
		{"which should be a master", redisAnswers(pong, up), []string{"--role", "master"}, exitFail, "is a replica, not a master"},
		{"one that hears nothing", redisAnswers(pong, up), []string{"--lag-warning", "5"}, exitWarning, "replication lag 7.0 s, more than 5s"},
		{"for long", redisAnswers(pong, up), []string{"--lag-warning", "5", "--lag-critical", "6500ms"}, exitFail, "more than 6.5s | lag=7.000s;5;6.5;0"},
		{"one that is cut off", redisAnswers(pong, down), []string{"--role", "replica"}, exitFail, `is a replica without a link to its master "10.0.0.1", for 42 s`},
		{"memory", redisAnswers(pong, bulk("used_memory:50", "maxmemory:100")), []string{"--memory-warning", "40"}, exitWarning, "memory 50% used, more than 40%"},
		{"memory without limit", redisAnswers(pong, bulk("used_memory:50", "maxmemory:0")), []string{"--memory-warning", "40"}, exitOK, "memory without limit"},
		{"memory nobody tells of", redisAnswers(pong, bulk("x:y")), []string{"--memory-warning", "40"}, exitUnknown, "doesn't say how much memory"},
		{"an answer that isn't finished", redisAnswers(pong, "$100\r\nrole:"), []string{"--role", "master", "-t", "2"}, exitFail, "before it answered INFO: silence for 2.0 s"},
		{"one that is too long", redisAnswers(pong, "$999999999999\r\n"), []string{"--role", "master"}, exitFail, "broke the rules of Redis before it answered INFO"},
		{"even if there would be room for it", redisAnswers(pong, "$300000\r\nrole:master\r\n"), []string{"--role", "master"}, exitFail, "broke the rules of Redis before it answered INFO"},
		{"one that is nothing", redisAnswers(pong, "$-1\r\n"), []string{"--role", "master"}, exitFail, "broke the rules of Redis"},
		{"an error can't paint the terminal", redisAnswers("-ERR \x1b[31m|\u202e\r\n"), nil, exitFail, `\x1b[31m\x7c\u202e`},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			exit, out := try(t, nil, "check_redis", append([]string{"127.0.0.1", "-p", serve(t, c.talk)}, c.args...)...)
			expect(t, exit, out, c.exit, c.want)
			if strings.Contains(out, "secret") {
				t.Errorf("the password is shown: %s", out)
			}
		})
	}
}

// A name without a password is the default user's, as it was before there were names.
func TestRedisLogin(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"watch:se:cret": "*3\r\n$4\r\nAUTH\r\n$5\r\nwatch\r\n$7\r\nse:cret\r\n",
		":secret":       "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n",
	} {
		got := make(chan string, 1)
		port := serve(t, func(c net.Conn) {
			buf := make([]byte, len(want))
			_, _ = io.ReadFull(c, buf)
			got <- string(buf)
		})
		try(t, nil, "check_redis", "127.0.0.1", "-p", port, "--login-file", loginFile(t, text, 0o600))
		if heard := <-got; heard != want {
			t.Errorf("%s: the server heard %q, want %q", text, heard, want)
		}
	}
}

// hungUp is a connection that takes nothing any more, and from which this can still be read.
type hungUp struct{ io.Reader }

func (hungUp) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A server that is full says so and hangs up, perhaps before we have said anything.
func TestRedisLastWords(t *testing.T) {
	_, err := newRedisTalk(hungUp{strings.NewReader("-ERR max number of clients reached\r\n")}).do("PING")
	if _, ok := errors.AsType[redisError](err); !ok {
		t.Errorf("%v, want what the server said", err)
	}
	if _, err := newRedisTalk(hungUp{strings.NewReader("")}).do("PING"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v, want why nothing could be said", err)
	}
}

// A reply is a part of what came, an error of the server's or one of reading; and it isn't long.
func FuzzRedisReply(f *testing.F) {
	for _, s := range []string{"+PONG\r\n", "-ERR x\r\n", ":1\r\n", "$3\r\nabc\r\n", "$-1\r\n", "*2\r\n", "\n", "$99999999999999999999\r\n", "$3\r\nabcde"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := (&redisTalk{r: bufio.NewReaderSize(strings.NewReader(s), maxRedisLine)}).reply()
		if said, ok := errors.AsType[redisError](err); ok {
			text = string(said)
		}
		if !strings.Contains(s, text) || len(text) > maxRedisBulk || err == nil && !strings.HasSuffix(s[:strings.LastIndex(s, "\r\n")+2], "\r\n") {
			t.Errorf("reply of %q = %q, %v", s, text, err)
		}
		for name, value := range redisInfo(s) {
			if !strings.Contains(s, name+":"+value) {
				t.Errorf("redisInfo(%q): %q is %q", s, name, value)
			}
		}
	})
}
