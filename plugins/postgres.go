package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	postgresPort = 5432
	// anonymous is the user that is asked for where there is no login file; servers name it in their logs.
	anonymous = "dmonitor"
)

// postgres is what check_postgres was asked.
type postgres struct {
	call     *call
	slow     *slow
	port     uint16
	database string
	tls      encryption
	login    login
	query    query
	role     oneOf
	lag      lag
	used     share
}

func openPostgres(c *call) func(context.Context) outcome {
	p := &postgres{call: c, slow: slowness(c), role: oneOf{words: [2]string{"primary", "standby"}}}
	c.flags.Uint16VarP(&p.port, "port", "p", postgresPort, "TCP port")
	c.flags.StringVarP(&p.database, "database", "d", "postgres", "database to connect to")
	p.tls.asks(c, false, "use TLS, and fail where the server doesn't")
	p.login.asks(c)
	p.login.asksCleartext(c)
	p.query.asks(c)
	c.flags.Var(&p.role, "role", "fail if the server isn't this: primary or standby; needs --login-file")
	p.lag.asks(c, "a standby is behind by")
	p.used.asks(c, "connections", "the connections")
	return p.look
}

// look gets as far with the server as there is a login for.
func (p *postgres) look(ctx context.Context) outcome {
	if err := p.check(); err != nil {
		return p.call.misused(err)
	}
	if err := p.login.load(); err != nil {
		return broken(err)
	}
	conn, err := p.call.hear(ctx, p.port)
	if err != nil {
		return broken(err)
	}
	defer bound(ctx, conn)()
	if p.tls.asked() {
		var o outcome
		if conn, o = p.call.upgrade(ctx, conn, &p.tls, "PostgreSQL", startPostgres); conn == nil {
			return o
		}
	}
	s := newPostgresTalk(conn)
	o, in := p.enter(ctx, s)
	if in {
		o = p.ask(ctx, s, o)
		s.leave()
	}
	return p.call.answered(p.slow, &p.tls, o)
}

func (p *postgres) check() error {
	if !p.login.given() && (p.role.value != "" || p.lag.asked() || p.used.asked()) {
		return errors.New("--role, --lag-… and --connections-… need --login-file")
	}
	return p.query.check(p.call, &p.login)
}

// enter says who we are and waits until the server lets us in, which is true, or has said enough for an outcome.
func (p *postgres) enter(ctx context.Context, s *postgresTalk) (o outcome, in bool) {
	user := p.login.user
	if !p.login.given() {
		user = anonymous
	}
	const when = "before it said whether it takes clients"
	if err := s.startUp(user, p.database); err != nil {
		return p.call.lost(ctx, s.conn, "PostgreSQL", when, err), false
	}
	for accepted := false; ; {
		m, err := s.receive()
		if err != nil {
			return p.refused(ctx, s, when, err), false
		}
		switch m := m.(type) {
		case *pgproto3.AuthenticationOk:
			accepted, err = true, s.trusted()
		case *pgproto3.AuthenticationSASLContinue:
			err = s.prove(m)
		case *pgproto3.AuthenticationSASLFinal:
			err = s.finish(m)
		case pgproto3.AuthenticationResponseMessage:
			if !p.login.given() {
				return good("postgres takes clients: it asks user %s for %s", anonymous, wanted(m)), false
			}
			err = s.authenticate(m, &p.login)
		case *pgproto3.NegotiateProtocolVersion, *pgproto3.NoticeResponse:
		case *pgproto3.ReadyForQuery:
			if accepted {
				return good("postgres %s lets %s in", quote(s.version), user), true
			}
			err = errOrder
		default:
			if !accepted {
				err = errOrder
			}
		}
		if err != nil {
			return p.refused(ctx, s, when, err), false
		}
		s.conn.understand()
	}
}

// wanted is what a server asks a client for.
func wanted(m pgproto3.AuthenticationResponseMessage) string {
	switch m := m.(type) {
	case *pgproto3.AuthenticationCleartextPassword:
		return "a password (in the clear)"
	case *pgproto3.AuthenticationMD5Password:
		return "a password (md5)"
	case *pgproto3.AuthenticationSASL:
		return "a password (" + quote(strings.Join(m.AuthMechanisms, ", ")) + ")"
	}
	return "a ticket (GSSAPI)"
}

// refused is the outcome of an error the server sent, or of a talk that broke off.
func (p *postgres) refused(ctx context.Context, s *postgresTalk, when string, err error) outcome {
	refusal, ok := errors.AsType[*postgresError](err)
	if !ok {
		return p.call.lost(ctx, s.conn, "PostgreSQL", when, err)
	}
	code := refusal.code
	switch {
	case strings.HasPrefix(code, "28") && !p.login.given(): // invalid_authorization_specification
		return good("postgres answers, and refuses who has no login: %s", refusal)
	case code == "3D000" && !p.login.given(): // invalid_catalog_name
		return good("postgres answers: %s", refusal)
	case strings.HasPrefix(code, "28"):
		return unknown("postgres is up, but refuses the login of this node: %s", refusal)
	case slices.Contains([]string{"42501", "42601", "25006"}, code):
		// insufficient_privilege, syntax_error, read_only_sql_transaction
		return unknown("postgres is up, but it doesn't do what this node asks for: %s", refusal)
	case code == "57014": // query_canceled
		return fail("postgres had no answer to the query within %s: %s", span(p.call.budget), refusal)
	}
	return fail("postgres says %s", refusal)
}

// What is asked once inside. A standby that has replayed everything its receiver has got isn't behind, however long ago
// that was; one without a receiver can't know. Columns of others' sessions are hidden from who isn't in pg_monitor, but
// not their databases.
const (
	postgresState = `SELECT pg_is_in_recovery(),
 EXISTS (SELECT FROM pg_stat_wal_receiver),
 CASE WHEN NOT pg_is_in_recovery() THEN NULL
  WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
  ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END`
	postgresUsed = `SELECT count(*), current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
 FROM pg_stat_activity WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'`
)

// ask puts the questions that need a login.
func (p *postgres) ask(ctx context.Context, s *postgresTalk, o outcome) outcome {
	if !p.login.given() {
		o.text += " without a password"
		return o
	}
	limit := queryLimit(p.call)
	// Within a transaction, so that nothing stays behind in a server that a connection pool stands for.
	err := s.begin(fmt.Sprintf("BEGIN READ ONLY; SET LOCAL statement_timeout = %d", limit.Milliseconds()))
	if err == nil {
		o, err = p.state(s, o)
	}
	if err == nil && p.used.asked() {
		var row []postgresValue
		if row, _, err = s.first(postgresUsed, 2); err == nil {
			o = p.used.judge(o, "connections", row[0].number(), row[1].number())
		}
	}
	if err == nil && p.query.sql != "" {
		var row []postgresValue
		var some bool
		if row, some, err = s.first(p.query.sql, 1); err == nil {
			o = p.query.judge(o, row[0].text, row[0].null, !some)
		}
	}
	if err != nil {
		return p.refused(ctx, s, "before it answered a query", err)
	}
	return o
}

// state finds out whether the server is a primary or a standby, and how far behind.
func (p *postgres) state(s *postgresTalk, o outcome) (outcome, error) {
	row, _, err := s.first(postgresState, 3)
	if err != nil {
		return o, err
	}
	role, streaming := "primary", row[1].text == "t"
	if row[0].text == "t" {
		role = "standby"
	}
	o.text += " and is a " + role
	if want := p.role.value; want != "" && want != role {
		o.exit = exitFail
		o.text += ", not a " + want
	}
	if role == "primary" || !p.lag.asked() {
		return o, nil
	}
	if !streaming {
		o.text += " that receives nothing (no WAL receiver)"
	}
	if row[2].null {
		o.exit = exitFail
		o.text += " and has replayed nothing since it started: how far behind it is can't be told"
		return o, nil
	}
	return p.lag.judge(o, max(0, row[2].number())), nil
}

// postgresValue is one value of a row, as text.
type postgresValue struct {
	text string
	null bool
}

func (v postgresValue) number() float64 {
	n, err := strconv.ParseFloat(v.text, 64)
	if err != nil {
		return 0
	}
	return n
}
