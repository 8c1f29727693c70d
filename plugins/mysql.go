package plugins

import (
	"bytes"
	"context"
	"crypto/rsa"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"

	driverof "github.com/go-sql-driver/mysql"
)

const mysqlPort = 3306

// Errors of MySQL and MariaDB that mean something of their own here.
const (
	mysqlHostBlocked   = 1129 // ER_HOST_IS_BLOCKED
	mysqlHostRefused   = 1130 // ER_HOST_NOT_PRIVILEGED
	mysqlDBDenied      = 1044 // ER_DBACCESS_DENIED_ERROR
	mysqlDenied        = 1045 // ER_ACCESS_DENIED_ERROR
	mysqlSyntax        = 1064 // ER_PARSE_ERROR
	mysqlTableDenied   = 1142 // ER_TABLEACCESS_DENIED_ERROR
	mysqlColumnDenied  = 1143 // ER_COLUMNACCESS_DENIED_ERROR
	mysqlNeedsRight    = 1227 // ER_SPECIFIC_ACCESS_DENIED_ERROR
	mysqlReadOnly      = 1792 // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
	mysqlNoPassword    = 1698 // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
	mysqlNotEncrypted  = 3159 // ER_SECURE_TRANSPORT_REQUIRED
	mysqlLateMariaDB   = 1969 // ER_STATEMENT_TIMEOUT
	mysqlLateMySQL     = 3024 // ER_QUERY_TIMEOUT
	mysqlAccountLocked = 3118 // ER_ACCOUNT_HAS_BEEN_LOCKED
	mysqlExpired       = 1862 // ER_MUST_CHANGE_PASSWORD_LOGIN
)

// mysql is what check_mysql was asked.
type mysql struct {
	call     *call
	slow     *slow
	port     uint16
	database string
	tls      encryption
	login    login
	query    query
	lag      lag
	used     share

	conn *talk
}

func openMySQL(c *call) func(context.Context) outcome {
	m := &mysql{call: c, slow: slowness(c)}
	c.flags.Uint16VarP(&m.port, "port", "p", mysqlPort, "TCP port")
	c.flags.StringVarP(&m.database, "database", "d", "", "database to connect to (none)")
	m.tls.asks(c, false, "use TLS, and fail where the server doesn't")
	m.login.asks(c)
	m.login.asksCleartext(c)
	m.login.asksNagios(c, "username", "u", "password", "")
	c.rewrite = rewriteMySQL
	m.query.asks(c)
	m.lag.asks(c, "a replica is behind by")
	m.used.asks(c, "connections", "the connections")
	return m.look
}

// look gets as far with the server as there is a login for. Without one a login is tried all the same, and refused: a
// server counts who leaves after its greeting, and in the end blocks the whole node (max_connect_errors).
func (m *mysql) look(ctx context.Context) outcome {
	if err := m.check(); err != nil {
		return m.call.misused(err)
	}
	if err := m.login.load(); err != nil {
		return broken(err)
	}
	conn, err := m.call.hear(ctx, m.port)
	if err != nil {
		return broken(err)
	}
	conn.looks = func(first []byte) bool { return len(first) < 4 || first[3] == 0 } // the first packet has number 0
	m.conn = conn
	defer bound(ctx, conn)()
	conf, err := m.config(conn)
	if err != nil {
		return broken(err)
	}
	connector, err := driverof.NewConnector(conf)
	if err != nil {
		return m.call.misused(err)
	}
	db, err := connect(ctx, connector)
	if err != nil {
		return m.call.answered(m.slow, &m.tls, m.refused(ctx, "before it said whether it takes clients", err))
	}
	defer db.Close()
	o := good("mysql %s lets %s in", quote(mysqlVersion(m.conn.start())), conf.User)
	if m.login.given() {
		o = m.ask(ctx, db, o)
	}
	return m.call.answered(m.slow, &m.tls, o)
}

func (m *mysql) check() error {
	if !m.login.given() && (m.lag.asked() || m.used.asked()) {
		return errors.New("--lag-… and --connections-… need --login-file")
	}
	return errors.Join(m.login.check(), m.query.check(m.call, &m.login))
}

// rewriteMySQL makes -P and -p of Nagios' check_mysql, a port and a password, ours; -p with a number is a port here as
// everywhere.
func rewriteMySQL(args []string) []string {
	args = slices.Clone(args)
	for i, a := range args {
		value, attached := strings.CutPrefix(a, "-p")
		if !attached || value == "" && i+1 == len(args) {
			if port, ok := strings.CutPrefix(a, "-P"); ok && port != "" {
				args[i] = "--port=" + port
			} else if ok {
				args[i] = "--port"
			}
			continue
		}
		if value == "" {
			value = args[i+1]
		}
		if _, err := strconv.ParseUint(value, 10, 64); err == nil {
			continue
		}
		args[i] = strings.Replace(a, "-p", "--password=", 1)
		if a == "-p" {
			args[i] = "--password"
		}
	}
	return args
}

// config is what the driver is to do on a connection. The driver takes a copy of it before it dials, so whether the
// password may go in the clear has to be known by then: hence the connection comes first.
func (m *mysql) config(conn net.Conn) (*driverof.Config, error) {
	conf := driverof.NewConfig()
	conf.User, conf.Passwd, conf.DBName = anonymous, "", m.database
	if m.login.given() {
		conf.User, conf.Passwd = m.login.user, m.login.password
	}
	conf.Net, conf.Addr = "tcp", net.JoinHostPort(m.call.host, strconv.Itoa(int(m.port)))
	conf.Logger = &driverof.NopLogger{}
	conf.AllowCleartextPasswords = m.login.mayTell(conn, m.tls.asked()) == nil
	if m.guarded(conn) {
		driverof.RegisterServerPubKey(noKey, &rsa.PublicKey{N: big.NewInt(1), E: 65537})
		conf.ServerPubKey = noKey
	}
	conf.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		if end, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(end) // fails only on a closed connection, and then the next read says so
		}
		return conn, nil
	}
	if m.tls.asked() {
		var err error
		if conf.TLS, err = m.tls.config(m.call.host); err != nil {
			return nil, err
		}
	}
	return conf, nil
}

// noKey names a key that nothing can be encrypted with. Without TLS, caching_sha2_password and sha256_password have the
// password encrypted with a key of the server's, which the driver takes from whoever is at the other end of the connection:
// somebody in between could send one, and read the password. So the driver is told that it knows the server's key, and to
// encrypt with that one ends in an error.
const noKey = "none"

// guarded tells whether there is a password that others on the way must not get at.
func (m *mysql) guarded(conn net.Conn) bool {
	return m.login.given() && m.login.mayTell(conn, m.tls.asked()) != nil
}

func connect(ctx context.Context, connector driver.Connector) (conn driver.Conn, err error) {
	defer rescue(&err)
	return connector.Connect(ctx)
}

// refused is the outcome of an error the server sent, or of a talk that broke off.
func (m *mysql) refused(ctx context.Context, when string, err error) outcome {
	version := mysqlVersion(m.conn.start())
	said, ok := errors.AsType[*driverof.MySQLError](err)
	if !ok {
		return m.broke(ctx, when, version, err)
	}
	refusal := fmt.Sprintf("%s (%d)", sentence(said.Message), said.Number)
	switch said.Number {
	case mysqlHostBlocked:
		return unknown("mysql has blocked this node, as too many of its connections broke off: %s", refusal)
	case mysqlDenied, mysqlDBDenied, mysqlNoPassword, mysqlHostRefused, mysqlNotEncrypted, mysqlAccountLocked, mysqlExpired:
		if !m.login.given() {
			return good("mysql %s takes clients, and refuses who has no login: %s", quote(version), refusal)
		}
		return unknown("mysql is up, but refuses the login of this node: %s", refusal)
	case mysqlSyntax, mysqlTableDenied, mysqlColumnDenied, mysqlNeedsRight, mysqlReadOnly:
		return unknown("mysql is up, but it doesn't do what this node asks for: %s", refusal)
	case mysqlLateMariaDB, mysqlLateMySQL:
		return fail("mysql had no answer to the query within %s: %s", span(m.call.budget), refusal)
	}
	return fail("mysql says %s", refusal)
}

// broke is the outcome of an error that isn't the server's own word.
func (m *mysql) broke(ctx context.Context, when, version string, err error) outcome {
	switch {
	case version == "":
	case errors.Is(err, driverof.ErrNoTLS):
		return fail("%s has no TLS", portOf(m.conn))
	case errors.Is(err, driverof.ErrCleartextPassword):
		return unknown("mysql is up, but wants the password in the clear: use --tls, or --cleartext if nobody else is on the way")
	case m.guarded(m.conn) && strings.HasPrefix(err.Error(), "crypto/rsa: "): // see noKey
		return unknown("mysql is up, but wants the password encrypted with a key that anybody on the way could have sent: use --tls, or --cleartext if nobody else is on the way")
	case errors.Is(err, driverof.ErrUnknownPlugin), errors.Is(err, driverof.ErrOldPassword), errors.Is(err, driverof.ErrNativePassword):
		if !m.login.given() {
			return good("mysql %s takes clients: it asks for a login", quote(version))
		}
		return unknown("mysql is up, but wants a way to log in that this plugin doesn't have: %v", err)
	case m.tls.asked() && !errors.Is(err, driverof.ErrInvalidConn):
		return m.call.insecure(ctx, m.conn, &m.tls, err)
	}
	if version != "" {
		m.conn.understand()
	}
	return m.call.lost(ctx, m.conn, "MySQL", when, err)
}

// ask puts the questions that need a login.
func (m *mysql) ask(ctx context.Context, db driver.Conn, o outcome) outcome {
	q := &mysqlTalk{ctx, db}
	err := q.prepare(strings.Contains(mysqlVersion(m.conn.start()), "MariaDB"), queryLimit(m.call))
	if err == nil && m.lag.asked() {
		o, err = m.replication(q, o)
	}
	if err == nil && m.used.asked() {
		var used, limit mysqlRow
		if used, err = q.first("SHOW GLOBAL STATUS LIKE 'Threads_connected'"); err == nil {
			limit, err = q.first("SELECT @@max_connections")
		}
		if err == nil {
			o = m.used.judge(o, "connections", used.number(1), limit.number(0))
		}
	}
	if err == nil && m.query.sql != "" {
		var row mysqlRow
		if row, err = q.first(m.query.sql); err == nil {
			value, some := row.at(0)
			o = m.query.judge(o, value, !some, len(row.values) == 0)
		}
	}
	if err != nil {
		return m.refused(ctx, "before it answered a query", err)
	}
	return o
}

// mysqlVersion is the version in a greeting: after the packet's length and number, and the protocol's number, 10, up to
// a zero. It is empty if this is no greeting. MariaDB's has "5.5.5-" in front, for old replicas, which isn't its version.
func mysqlVersion(first []byte) string {
	if len(first) < 6 || first[3] != 0 || first[4] != 10 {
		return ""
	}
	version, _, _ := bytes.Cut(first[5:], []byte{0})
	return strings.TrimPrefix(string(version), "5.5.5-")
}
