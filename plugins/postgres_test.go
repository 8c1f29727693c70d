package plugins

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// loginFile writes a login file with these permissions.
func loginFile(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "login")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// strangers are servers that don't speak the protocol a plugin is for: none of them is up, and none hangs it. In some
// protocols it is the server that speaks first.
func strangers(t *testing.T, name, protocol string, serverFirst bool) {
	t.Helper()
	leaves, resets := heard, heardReset
	if serverFirst {
		leaves, resets = closing, reset
	}
	cases := []struct {
		rule string
		talk func(net.Conn)
		want string
	}{
		{"silence is a fail", silent, "silence for 2.0 s"},
		{"silence after a question is a fail", func(c net.Conn) { heard(c); silent(c) }, "silence for 2.0 s"},
		{"hanging up is a fail", closing, ""}, // a reset where we were quicker
		{"hanging up after a question is a fail", leaves, "it closed the connection"},
		{"a reset is a fail", resets, "connection reset by peer"},
		{"another protocol is told by what it says", says("HTTP/1.1 400 Bad Request\r\n\r\n"), `is not ` + protocol + `: it said "HTTP/1.1 400 Bad Request"`},
		{"a mail server", says("220 mail.example.com ESMTP\r\n"), `"220 mail.example.com ESMTP"`},
		{"a flood of text", endless("lorem ipsum "), `lorem ipsum`},
		{"a flood of nothing", endless(strings.Repeat("\x00", 512)), `"\x00\x00`},
		{"what it says can't paint the terminal", says("\x1b[31m|\u202e\xff\r\n\r\n"), `\x1b[31m\x7c\u202e\xff`},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			budget := "30"
			if strings.Contains(c.want, "silence") || strings.Contains(c.rule, "mail") || strings.Contains(c.rule, "paint") {
				budget = "2"
			}
			exit, out := try(t, nil, name, "127.0.0.1", "-p", serve(t, c.talk), "-t", budget)
			expect(t, exit, out, exitFail, c.want)
		})
	}
	t.Run("a closed port is a fail", func(t *testing.T) {
		t.Parallel()
		exit, out := try(t, nil, name, "127.0.0.1", "-p", closedPort(t))
		expect(t, exit, out, exitFail, "connection refused")
	})
}

// A login file is read before anything is said on the network, and its faults are this node's.
func TestLoginFile(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxSecret) + ":y"
	cases := []struct {
		rule, text string
		mode       os.FileMode
		want       string
	}{
		{"others must not read it", "a:b\n", 0o644, "everybody on this node can get at it (mode 0644)"},
		{"nor write it", "a:b\n", 0o602, "everybody on this node can get at it (mode 0602)"},
		{"it has a colon", "secret\n", 0o600, "want user:password"},
		{"it isn't empty", "", 0o600, "is empty"},
		{"it isn't long", long, 0o640, "bytes"},
		{"it is text", "a:b\x00c", 0o600, "want user:password"},
	}
	for _, name := range []string{"check_postgres", "check_mysql", "check_redis", "check_ldap", "check_ldaps"} {
		for _, c := range cases {
			exit, out := try(t, nil, name, "127.0.0.1", "-p", closedPort(t), "--login-file", loginFile(t, c.text, c.mode))
			expect(t, exit, out, exitUnknown, c.want)
			if strings.Contains(out, "secret") || strings.Contains(out, "xxx") {
				t.Errorf("%s shows what is in the file: %s", name, out)
			}
		}
		exit, out := try(t, nil, name, "127.0.0.1", "--login-file", t.TempDir())
		expect(t, exit, out, exitUnknown, "in a regular file")
		exit, out = try(t, nil, name, "127.0.0.1", "--login-file", "/nowhere/login")
		expect(t, exit, out, exitUnknown, "no such file")
	}
}

// Who comes from Nagios' plugins learns where a password belongs, and it isn't shown.
func TestLoginAmongArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check_mysql", "-u", "watch", "-p", "secret"},
		{"check_mysql", "-psecret"},
		{"check_mysql", "--password=secret"},
		{"check_mysql", "-P", "1", "-p", "secret"},
		{"check_ldap", "-D", "cn=watch", "-P", "secret"},
		{"check_ldap", "--pass", "secret"},
	} {
		exit, out := try(t, nil, args[0], append([]string{"-H", "127.0.0.1"}, args[1:]...)...)
		expect(t, exit, out, exitUnknown, "put it into a file and name that with --login-file")
		if strings.Contains(out, "secret") {
			t.Errorf("%v: the password is shown: %s", args, out)
		}
	}
	exit, out := try(t, nil, "check_mysql", "-H", "127.0.0.1", "-P", closedPort(t))
	expect(t, exit, out, exitFail, "connection refused")
	exit, out = try(t, nil, "check_mysql", "127.0.0.1", "-p"+closedPort(t))
	expect(t, exit, out, exitFail, "connection refused")
}

// A password may have colons and blanks, and either part may be empty.
func TestLoginParts(t *testing.T) {
	for text, want := range map[string][2]string{
		"a:b\n": {"a", "b"}, "a:b:c": {"a", "b:c"}, ":p\r\n": {"", "p"}, "u:\n": {"u", ""}, "a: b \n": {"a", " b "}, "a:b\nmore\n": {"a", "b"},
		"cn=x,dc=y:pässword\n": {"cn=x,dc=y", "pässword"},
	} {
		l := login{file: loginFile(t, text, 0o640)}
		if err := l.load(); err != nil || l.user != want[0] || l.password != want[1] {
			t.Errorf("%q: %q, %q, %v; want %q", text, l.user, l.password, err, want)
		}
	}
}

// A password isn't sent in the clear to another machine unless that was said.
func TestMayTell(t *testing.T) {
	far := fakeAddr{addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 1}}
	near := fakeAddr{addr: &net.TCPAddr{IP: net.IPv6loopback, Port: 1}}
	if err := (&login{}).mayTell(far, false); err == nil || !isOwn(err) {
		t.Errorf("in the clear to another machine: %v", err)
	}
	for _, err := range []error{
		(&login{}).mayTell(far, true), (&login{}).mayTell(near, false), (&login{cleartext: true}).mayTell(far, false),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}

type fakeAddr struct {
	net.Conn
	addr net.Addr
}

func (f fakeAddr) RemoteAddr() net.Addr { return f.addr }

// postgresSays answers every startup with these messages.
func postgresSays(messages ...pgproto3.BackendMessage) func(net.Conn) {
	return func(c net.Conn) {
		b := pgproto3.NewBackend(c, c)
		if _, err := b.ReceiveStartupMessage(); err != nil {
			return
		}
		for _, m := range messages {
			b.Send(m)
		}
		_ = b.Flush()
		silent(c)
	}
}

func postgresRefuses(code, message string) func(net.Conn) {
	return postgresSays(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: message})
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	strangers(t, "check_postgres", "PostgreSQL", false)
	withLogin := []string{"--login-file", loginFile(t, "watch:secret", 0o600)}
	ok, ready := &pgproto3.AuthenticationOk{}, &pgproto3.ReadyForQuery{TxStatus: 'I'}
	cases := []struct {
		rule string
		talk func(net.Conn)
		args []string
		exit int
		want string
	}{
		{"who asks for a password is up", postgresSays(&pgproto3.AuthenticationMD5Password{}), nil, exitOK, "postgres takes clients: it asks user dmonitor for a password (md5), in "},
		{"who lets everybody in, too", postgresSays(ok, &pgproto3.ParameterStatus{Name: "server_version", Value: "17.1"}, ready), nil, exitOK, `postgres "17.1" lets dmonitor in without a password`},
		{"who starts up is not", postgresRefuses("57P03", "the database system is starting up"), nil, exitFail, `postgres says FATAL "the database system is starting up" (57P03)`},
		{"who is full is not", postgresRefuses("53300", "sorry, too many clients already"), nil, exitFail, `too many clients`},
		{"who knows no such user is up", postgresRefuses("28000", "role does not exist"), nil, exitOK, "refuses who has no login"},
		{"but not the login of this node", postgresRefuses("28P01", "password authentication failed"), withLogin, exitUnknown, "postgres is up, but refuses the login of this node"},
		{"an error can't paint the terminal", postgresRefuses("XX000", "\x1b[31m|\n"+strings.Repeat("long ", 100)), nil, exitFail, `\x1b[31m\x7c\n`},
		{"an error without words is none", postgresRefuses("", ""), nil, exitFail, "is not PostgreSQL"},
		{"to be ready comes after the login", postgresSays(ready), nil, exitFail, "is not PostgreSQL"},
		{"a row comes after a question", postgresSays(&pgproto3.DataRow{}), nil, exitFail, "is not PostgreSQL"},
		{"a challenge nobody asked for", postgresSays(&pgproto3.AuthenticationSASLContinue{Data: []byte("x")}), withLogin, exitFail, "is not PostgreSQL"},
		{"a proof nobody asked for", postgresSays(&pgproto3.AuthenticationSASLFinal{Data: []byte("x")}), withLogin, exitFail, "is not PostgreSQL"},
		{"a ticket is no password", postgresSays(&pgproto3.AuthenticationGSS{}), withLogin, exitUnknown, "GSSAPI"},
		{"what can't be done is said", postgresSays(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{"OAUTHBEARER"}}), withLogin, exitUnknown, `"OAUTHBEARER"`},
		{"who lets in without a proof is somebody else", postgresSays(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{scramSHA256}}, ok, ready), withLogin, exitFail, "doesn't show that it knows it"},
		{"nonsense for a challenge", postgresSays(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{scramSHA256}}, &pgproto3.AuthenticationSASLContinue{Data: []byte("r=x,s=y,i=1")}), withLogin, exitFail, "broke the rules of PostgreSQL"},
		{"a challenge that takes for ever", postgresSays(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{scramSHA256}}, &pgproto3.AuthenticationSASLContinue{Data: []byte("r=x,s=eHh4eA==,i=2000000000")}), withLogin, exitFail, "2000000000 iterations"},
		{"a greeting without end", func(c net.Conn) {
			postgresSays(ok)(c)
		}, []string{"-t", "2"}, exitFail, "silence for 2.0 s"},
		{"notices without end", func(c net.Conn) {
			heard(c)
			endless(string(frame('N', "SNOTICE\x00VNOTICE\x00C00000\x00Mhello\x00\x00")))(c)
		}, nil, exitFail, "more than 1024 KiB came"},
		{"a query needs a login", silent, []string{"-q", "SELECT 1"}, exitUnknown, "a query needs --login-file"},
		{"an expectation needs a query", silent, append(withLogin, "-e", "1"), exitUnknown, "no --query"},
		{"the role needs a login", silent, []string{"--role", "standby"}, exitUnknown, "need --login-file"},
		{"a role there isn't", silent, []string{"--role", "slave"}, exitUnknown, "want primary or standby"},
		{"TLS where there is none", func(c net.Conn) { heard(c); says("N")(c) }, []string{"--tls"}, exitFail, "has no TLS"},
		{"TLS where there is something else", func(c net.Conn) { heard(c); says("SSH-2.0-x\r\n")(c) }, []string{"--tls"}, exitFail, "TLS"},
		{"no answer about TLS", silent, []string{"--tls", "-t", "2"}, exitFail, "before it said whether it has TLS: silence for 2.0 s"},
		{"no TLS after all", func(c net.Conn) { heard(c); says("S")(c) }, []string{"--tls", "-t", "2"}, exitFail, "before the TLS handshake was over: silence for 2.0 s"},
		{"an authority that can't be read", func(c net.Conn) { heard(c); says("S")(c) }, []string{"--tls", "--ca-file", "/nowhere"}, exitUnknown, "certificate authorities"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			exit, out := try(t, nil, "check_postgres", append([]string{"127.0.0.1", "-p", serve(t, c.talk)}, c.args...)...)
			expect(t, exit, out, c.exit, c.want)
			if strings.Contains(out, "secret") {
				t.Errorf("the password is shown: %s", out)
			}
		})
	}
}

// A password in the clear doesn't leave this machine without TLS; to the machine itself it may go.
func TestPostgresCleartext(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	port := serve(t, func(c net.Conn) {
		b := pgproto3.NewBackend(c, c)
		if _, err := b.ReceiveStartupMessage(); err != nil {
			return
		}
		b.Send(&pgproto3.AuthenticationCleartextPassword{})
		_ = b.Flush()
		if m, err := b.Receive(); err == nil {
			got <- m.(*pgproto3.PasswordMessage).Password
		}
	})
	exit, out := try(t, nil, "check_postgres", "127.0.0.1", "-p", port, "--login-file", loginFile(t, "watch:sec:ret\n", 0o600))
	expect(t, exit, out, exitFail, "it closed the connection")
	if p := <-got; p != "sec:ret" {
		t.Errorf("the server got %q", p)
	}
}

// frame is a message of PostgreSQL's protocol.
func frame(kind byte, body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}
