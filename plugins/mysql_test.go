package plugins

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	driverof "github.com/go-sql-driver/mysql"
)

// mysqlPacket is a packet with its length and number.
func mysqlPacket(number byte, body string) string {
	return string([]byte{byte(len(body)), byte(len(body) >> 8), byte(len(body) >> 16), number}) + body
}

// mysqlGreeting is what a server says first, without TLS.
func mysqlGreeting(version string) string { return mysqlGreetingFor(version, "mysql_native_password") }

// mysqlGreetingFor is the greeting of a server that wants a login of this kind.
func mysqlGreetingFor(version, plugin string) string {
	return mysqlPacket(0, "\x0a"+version+"\x00"+"\x01\x00\x00\x00"+"12345678\x00"+"\xff\xf7"+"\x21"+"\x02\x00"+"\x0f\x80"+"\x15"+
		strings.Repeat("\x00", 10)+"123456789012\x00"+plugin+"\x00")
}

func mysqlErr(number byte, code uint16, text string) string {
	return mysqlPacket(number, "\xff"+string(binary.LittleEndian.AppendUint16(nil, code))+"#HY000"+text)
}

// mysqlAnswers greets, and answers the login with this.
func mysqlAnswers(answer string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.WriteString(c, mysqlGreeting("11.4.2-MariaDB"))
		heard(c)
		_, _ = io.WriteString(c, answer)
		silent(c)
	}
}

const mysqlOK = "\x00\x00\x00\x02\x00\x00\x00"

func TestMySQL(t *testing.T) {
	t.Parallel()
	strangers(t, "check_mysql", "MySQL", true)
	withLogin := []string{"--login-file", loginFile(t, "watch:secret", 0o600)}
	full := mysqlPacket(0, "\xff\x10\x04Too many connections") // before the greeting there is no state in it
	cases := []struct {
		rule string
		talk func(net.Conn)
		args []string
		exit int
		want string
	}{
		{"who refuses a stranger is up", mysqlAnswers(mysqlErr(2, 1045, "Access denied")), nil, exitOK, `mysql "11.4.2-MariaDB" takes clients, and refuses who has no login: "Access denied" (1045), in `},
		{"who lets everybody in, too", mysqlAnswers(mysqlPacket(2, mysqlOK)), nil, exitOK, `lets dmonitor in`},
		{"who is full is not", says(full), nil, exitFail, `mysql says "Too many connections" (1040)`},
		{"nor who says so later", mysqlAnswers(mysqlErr(2, 1040, "Too many connections")), nil, exitFail, `mysql says "Too many connections" (1040)`},
		{"who has blocked this node may serve others", says(mysqlErr(0, 1129, "Host is blocked")), nil, exitUnknown, "has blocked this node"},
		{"who doesn't serve this node is up", says(mysqlErr(0, 1130, "Host is not allowed")), nil, exitOK, "refuses who has no login"},
		{"the login of this node", mysqlAnswers(mysqlErr(2, 1045, "Access denied")), withLogin, exitUnknown, "mysql is up, but refuses the login of this node"},
		{"who shuts down", mysqlAnswers(mysqlErr(2, 1053, "Server shutdown in progress")), nil, exitFail, `"Server shutdown in progress" (1053)`},
		{"a greeting and nothing more", mysqlAnswers(""), []string{"-t", "2"}, exitFail, "before it said whether it takes clients: silence for 2.0 s"},
		{"half a greeting", says(mysqlGreeting("8.0.36")[:20]), []string{"-t", "2"}, exitFail, "silence for 2.0 s"},
		{"a greeting and a farewell", quits(mysqlGreeting("8.0.36")), nil, exitFail, "before it said whether it takes clients"},
		{"a greeting of nothing", says("\x01\x00\x00\x00\x0a"), []string{"-t", "2"}, exitFail, "MySQL"},
		{"an old protocol", says(mysqlPacket(0, "\x093.23\x00")), nil, exitFail, "is not MySQL"},
		{"TLS where there is none", says(mysqlGreeting("8.0.36")), []string{"--tls"}, exitFail, "has no TLS"},
		{"a way to log in that isn't known", mysqlAnswers(mysqlPacket(2, "\xfeauth_gssapi_client\x00x")), nil, exitOK, "it asks for a login"},
		{"nor with a login", mysqlAnswers(mysqlPacket(2, "\xfeauth_gssapi_client\x00x")), withLogin, exitUnknown, "a way to log in"},
		{"an error can't paint the terminal", says(mysqlErr(0, 1, "\x1b[31m|\n"+strings.Repeat("long ", 100))), nil, exitFail, `\x1b[31m\x7c\n`},
		{"packets without end", func(c net.Conn) {
			_, _ = io.WriteString(c, mysqlGreeting("8.0.36"))
			endless(mysqlPacket(2, strings.Repeat("\xfe", 200)))(c)
		}, withLogin, exitFail, "broke the rules of MySQL"},
		{"a query needs a login", silent, []string{"-q", "SELECT 1"}, exitUnknown, "a query needs --login-file"},
		{"so does a lag", silent, []string{"--lag-warning", "5"}, exitUnknown, "need --login-file"},
		{"an authority that can't be read", silent, []string{"--tls", "--ca-file", "/nowhere"}, exitUnknown, "certificate authorities"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			exit, out := try(t, nil, "check_mysql", append([]string{"127.0.0.1", "-p", serve(t, c.talk)}, c.args...)...)
			expect(t, exit, out, c.exit, c.want)
			if strings.Contains(out, "secret") {
				t.Errorf("the password is shown: %s", out)
			}
		})
	}
}

// The driver is told before it begins whether the password may go in the clear, since it takes a copy of what it is told.
func TestMySQLTellsNoPasswordInTheClear(t *testing.T) {
	far := fakeAddr{addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 3306}}
	for _, c := range []struct{ cleartext, want bool }{{false, false}, {true, true}} {
		m := &mysql{call: &call{host: "192.0.2.7"}, port: 3306, login: login{cleartext: c.cleartext}}
		conf, err := m.config(far)
		if err != nil || conf.AllowCleartextPasswords != c.want {
			t.Errorf("with --cleartext %v: may be told %v, %v", c.cleartext, conf.AllowCleartextPasswords, err)
		}
	}
}

// Without TLS, the password isn't encrypted with whatever key the other side sends, unless it may be told. Who asks for one
// gets at most the scrambled hash, or the wish for a key.
func TestMySQLTellsNoPasswordToAnyKey(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sent := "\x01" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	const scramble = "12345678123456789012"
	// reads returns the password in what the client wrote, if it can be read with the key.
	reads := func(packet string) string {
		plain, err := rsa.DecryptOAEP(sha1.New(), nil, key, []byte(packet), nil)
		if err != nil {
			return ""
		}
		for i := range plain {
			plain[i] ^= scramble[i%len(scramble)]
		}
		return strings.TrimRight(string(plain), "\x00")
	}
	cases := []struct {
		rule, plugin string
		after        string // what the server says after the login, before it sends the key
		cleartext    bool
	}{
		{"caching_sha2_password", "caching_sha2_password", "\x01\x04", false},
		{"sha256_password, which is asked for again", "sha256_password", "\xfesha256_password\x00" + scramble + "\x00", false},
		{"a change to the one", "mysql_native_password", "\xfecaching_sha2_password\x00" + scramble + "\x00", false},
		{"a change to the other", "mysql_native_password", "\xfesha256_password\x00" + scramble + "\x00", false},
		{"told that it may be read", "caching_sha2_password", "\x01\x04", true},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			ours, theirs := net.Pipe()
			told := make(chan string, 1)
			go func() {
				defer theirs.Close()
				said := ""
				defer func() { told <- said }()
				read := func() string {
					head := make([]byte, 4)
					if _, err := io.ReadFull(theirs, head); err != nil {
						return ""
					}
					body := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
					if _, err := io.ReadFull(theirs, body); err != nil {
						return ""
					}
					said += reads(string(body))
					return string(body)
				}
				number := byte(0)
				write := func(body string) { _, _ = io.WriteString(theirs, mysqlPacket(number, body)); number += 2 }
				write(mysqlGreetingFor("8.0.36", c.plugin)[4:])
				read()
				write(c.after)
				if body := read(); len(body) == 32 { // the hash after a change of the plugin
					write("\x01\x04")
					read()
				}
				write(sent)
				read()
			}()
			far := &talk{Conn: fakeAddr{ours, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 3306}}}
			m := &mysql{call: &call{host: "192.0.2.7", budget: time.Minute, start: time.Now()}, port: 3306, conn: far}
			m.login = login{file: "login", user: "watch", password: "s3cret", cleartext: c.cleartext}
			conf, err := m.config(far)
			if err != nil {
				t.Fatal(err)
			}
			connector, err := driverof.NewConnector(conf)
			if err != nil {
				t.Fatal(err)
			}
			_, err = connect(t.Context(), connector)
			if err == nil {
				t.Fatal("it is in")
			}
			o := m.refused(t.Context(), "before it said whether it takes clients", err)
			ours.Close()
			switch said := <-told; {
			case c.cleartext && said != "s3cret":
				t.Errorf("the password isn't told although it may be: %q, %v", said, err)
			case !c.cleartext && said != "":
				t.Errorf("the password is told to a key of anybody's: %q", said)
			case !c.cleartext && (o.exit != exitUnknown || !strings.Contains(o.text, "a key that anybody on the way could have sent: use --tls")):
				t.Errorf("%d %s", o.exit, o.text)
			}
		})
	}
}

// The version is a part of the greeting, whatever comes.
func FuzzMySQLVersion(f *testing.F) {
	f.Add([]byte(mysqlGreeting("8.0.36")))
	f.Add([]byte("\x00\x00\x00\x00\x0a5.5.5-10.11.2"))
	f.Fuzz(func(t *testing.T, first []byte) {
		if v := mysqlVersion(first); !strings.Contains(string(first), v) || strings.Contains(v, "\x00") {
			t.Errorf("mysqlVersion(%q) = %q", first, v)
		}
	})
}

// What a server says before and during the login ends in an outcome, not in a panic.
func FuzzMySQL(f *testing.F) {
	f.Add([]byte(mysqlGreeting("8.0.36") + mysqlErr(2, 1045, "Access denied")))
	f.Add([]byte(mysqlGreeting("8.0.36") + mysqlPacket(2, mysqlOK)))
	f.Add([]byte(mysqlGreeting("8.0.36") + mysqlPacket(2, "\xfecaching_sha2_password\x00x")))
	f.Add([]byte(mysqlErr(0, 1129, "")))
	fuzzServer(f, "check_mysql")
}

// fuzzServer lets a server say what comes, and then close.
func fuzzServer(f *testing.F, name string, args ...string) {
	f.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	f.Fuzz(func(t *testing.T, said []byte) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(said)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}()
		_, out := try(t, nil, name, append([]string{"127.0.0.1", "-p", port, "-t", "20"}, args...)...)
		<-done
		if strings.Contains(out, "itself broke") || strings.Contains(out, "silence") {
			t.Errorf("%q: %s", said, out)
		}
	})
}
