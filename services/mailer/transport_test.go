package mailer

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var hello = message{from: "<dmonitor@example.com>", to: "<ops@example.com>", data: []byte("Subject: x\r\n\r\n.dots\r\n")}

func TestSendPlain(t *testing.T) {
	t.Parallel()
	in := (&inbox{}).serve(t)
	answer, f := transportTo(t, "smtp://localhost", in.addr).send(t.Context(), hello)
	if f != nil {
		t.Fatal(f)
	}
	got := in.wait(t, 1)[0]
	if got.from != "dmonitor@example.com" || got.to[0] != "ops@example.com" || string(got.data) != string(hello.data) || got.tls {
		t.Errorf("got %+v", got)
	}
	if got.helo != "mailer-1.example.com" {
		t.Errorf("said EHLO %s", got.helo)
	}
	if !strings.HasPrefix(answer, "250 ") {
		t.Errorf("answer %q", answer)
	}
}

// TestTLS: how the connection is encrypted, and whose certificate is believed.
func TestTLS(t *testing.T) {
	t.Parallel()
	good, roots := identity(t, "mail.example.com")
	other, _ := identity(t, "mail.example.com")
	wrongName, wrongRoots := identity(t, "other.example.com")
	for _, c := range []struct {
		name string
		url  string
		in   *inbox
		want string // in the failure; empty: sent
		tls  bool
	}{
		{"STARTTLS is used if offered", "smtp://mail.example.com", &inbox{cert: good}, "", true},
		{"and not if not", "smtp://mail.example.com", &inbox{}, "", false},
		{"unless it is required", "smtp://mail.example.com?tls=required", &inbox{}, "TLS: the server offers no STARTTLS", false},
		{"off is off", "smtp://mail.example.com?tls=off", &inbox{cert: good}, "", false},
		{"smtps", "smtps://mail.example.com", &inbox{cert: good, implicit: true}, "", true},
		{"a stranger's certificate", "smtp://mail.example.com", &inbox{cert: other}, "TLS: tls: failed to verify certificate", false},
		{"a stranger's certificate, smtps", "smtps://mail.example.com", &inbox{cert: other, implicit: true}, "TLS: tls: failed to verify certificate", false},
		{"another name", "smtps://mail.example.com", &inbox{cert: wrongName, implicit: true}, "TLS: tls: failed to verify certificate", false},
		{"any certificate, if told so", "smtp://mail.example.com?verify=no", &inbox{cert: other}, "", true},
		{"any certificate on this host", "smtp://localhost", &inbox{cert: other}, "", true},
		{"smtps to a plain server", "smtps://mail.example.com", &inbox{}, "TLS: tls: first record does not look like a TLS handshake", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := c.in.serve(t)
			tr := transportTo(t, c.url, in.addr)
			tr.roots = roots
			if c.in.cert == wrongName {
				tr.roots = wrongRoots
			}
			_, f := tr.send(t.Context(), hello)
			if c.want == "" {
				if f != nil {
					t.Fatal(f)
				}
				if got := in.wait(t, 1)[0]; got.tls != c.tls {
					t.Errorf("encrypted: %v, want %v", got.tls, c.tls)
				}
				return
			}
			if f == nil || !strings.Contains(f.Error(), c.want) {
				t.Fatalf("got %v, want %q", f, c.want)
			}
			if f.verdict() != misconfigured {
				t.Errorf("verdict %v", f.verdict())
			}
			if n := len(in.all()); n != 0 {
				t.Errorf("%d mails came nevertheless", n)
			}
		})
	}
}

// TestLogin: the password goes over TLS or to this host only.
func TestLogin(t *testing.T) {
	t.Parallel()
	cert, roots := identity(t, "mail.example.com")
	with := func(in *inbox) *inbox { in.user, in.password = "ops", "s3cret"; return in }
	for _, c := range []struct {
		name, url string
		in        *inbox
		want      string
		auths     int
	}{
		{"over STARTTLS", "smtp://ops:s3cret@mail.example.com", with(&inbox{cert: cert}), "", 1},
		{"over smtps", "smtps://ops:s3cret@mail.example.com", with(&inbox{cert: cert, implicit: true}), "", 1},
		{"on this host in the clear", "smtp://ops:s3cret@localhost", with(&inbox{}), "", 1},
		{"never in the clear elsewhere", "smtp://ops:s3cret@mail.example.com", with(&inbox{}), "AUTH: the server offers no STARTTLS", 0},
		{"a wrong password", "smtp://ops:wr0ng@mail.example.com", with(&inbox{cert: cert}), "AUTH: 535", 1},
		{"no login wanted", "smtp://ops:s3cret@localhost", &inbox{}, "AUTH: the server offers none of", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := c.in.serve(t)
			tr := transportTo(t, c.url, in.addr)
			tr.roots = roots
			_, f := tr.send(t.Context(), hello)
			if (f == nil) != (c.want == "") || f != nil && !strings.Contains(f.Error(), c.want) {
				t.Fatalf("got %v, want %q", f, c.want)
			}
			if f != nil && f.verdict() != misconfigured {
				t.Errorf("verdict %v", f.verdict())
			}
			if f != nil && (strings.Contains(f.Error(), "s3cret") || strings.Contains(f.Error(), "wr0ng")) {
				t.Errorf("the failure tells the password: %v", f)
			}
			if n := in.count(&in.auths); n != c.auths {
				t.Errorf("%d logins, want %d", n, c.auths)
			}
		})
	}
}

// TestPasswordIsHidden: a server that repeats what it was sent doesn't get the password into an error.
func TestPasswordIsHidden(t *testing.T) {
	t.Parallel()
	var mechanism atomic.Value
	addr := script(t, func(say func(string), hear func() string, _ net.Conn) {
		say("220 hi")
		hear()
		say("250-hi")
		say("250 AUTH " + mechanism.Load().(string))
		line := hear()
		for range 2 {
			if strings.HasPrefix(line, "AUTH LOGIN") || mechanism.Load() == "LOGIN" {
				say("334 " + b64("?"))
				line += " " + hear()
			}
		}
		say("535 5.7.8 I don't like " + line + " that is s3cret")
		hear()
	})
	for _, m := range []string{"PLAIN", "LOGIN"} {
		mechanism.Store(m)
		_, f := transportTo(t, "smtp://ops:s3cret@localhost", addr).send(t.Context(), hello)
		if f == nil || f.code != 535 || !strings.Contains(f.Error(), "[hidden]") {
			t.Fatalf("%s: got %v", m, f)
		}
		for _, secret := range []string{"s3cret", b64("s3cret"), b64("\x00ops\x00s3cret")} {
			if strings.Contains(f.Error(), secret) {
				t.Errorf("%s: the failure tells the password: %v", m, f)
			}
		}
	}
}

// TestMisbehaviour: what a server may do to us, and what becomes of the notice.
func TestMisbehaviour(t *testing.T) {
	t.Parallel()
	upTo := func(say func(string), hear func() string, last string) {
		say("220 hi")
		for {
			switch line := hear(); {
			case line == "", strings.HasPrefix(line, last):
				return
			case line == "DATA":
				say("354 go")
			case strings.Contains(line, ":") || strings.HasPrefix(line, "EHLO"):
				say("250 fine")
			}
		}
	}
	for _, c := range []struct {
		name string
		play func(say func(string), hear func() string, conn net.Conn)
		want string
		verd verdict
	}{
		{"greets with 554", func(say func(string), _ func() string, _ net.Conn) { say("554 5.7.1 go away") }, "greeting: 554 5.7.1 go away", misconfigured},
		{"greets with 421", func(say func(string), _ func() string, _ net.Conn) { say("421 busy") }, "greeting: 421 busy", again},
		{"closes at once", func(func(string), func() string, net.Conn) {}, "greeting: EOF", again},
		{"talks rubbish", func(say func(string), _ func() string, _ net.Conn) { say("rubbish") }, "greeting: ", again},
		{"never stops talking", func(say func(string), hear func() string, conn net.Conn) {
			junk := []byte(strings.Repeat("220-and another thing\r\n", 1000))
			for {
				if _, err := conn.Write(junk); err != nil {
					return
				}
			}
		}, "greeting: the mail server said more than", again},
		{"drops the connection at RCPT TO", func(say func(string), hear func() string, _ net.Conn) { upTo(say, hear, "RCPT") }, "RCPT TO: EOF", again},
		{"drops it after the mail's content", func(say func(string), hear func() string, _ net.Conn) { upTo(say, hear, ".") }, "end of DATA: EOF", again},
		{"answers 451 to the content", func(say func(string), hear func() string, _ net.Conn) {
			upTo(say, hear, ".")
			say("451 4.3.0 disk")
			hear()
		}, "end of DATA: 451 4.3.0 disk", again},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, f := transportTo(t, "smtp://localhost", script(t, c.play)).send(t.Context(), message{from: "<a@b.c>", to: "<d@e.f>", data: []byte("x\r\n")})
			if f == nil || !strings.HasPrefix(f.Error(), c.want) || f.verdict() != c.verd {
				t.Errorf("got %v, want %q and %v", f, c.want, c.verd)
			}
		})
	}
}

// TestSentEvenIfDroppedAfterwards: a 250 is a 250, whatever happens to the connection then.
func TestSentEvenIfDroppedAfterwards(t *testing.T) {
	t.Parallel()
	addr := script(t, func(say func(string), hear func() string, conn net.Conn) {
		say("220 hi")
		for {
			switch line := hear(); {
			case line == "DATA":
				say("354 go")
			case line == ".":
				say("250 queued as 42")
				return
			case strings.Contains(line, ":") || strings.HasPrefix(line, "EHLO"):
				say("250 fine")
			}
		}
	})
	tr := transportTo(t, "smtp://localhost", addr)
	for range 3 { // The kept connection is dead each time.
		answer, f := tr.send(t.Context(), message{from: "<a@b.c>", to: "<d@e.f>", data: []byte("x\r\n")})
		if f != nil || answer != "250 queued as 42" {
			t.Fatalf("got %q, %v", answer, f)
		}
	}
}

// TestStalls: every step has its time.
func TestStalls(t *testing.T) {
	t.Parallel()
	addr := script(t, func(_ func(string), hear func() string, _ net.Conn) { hear() })
	tr := transportTo(t, "smtp://localhost", addr)
	tr.limits.step = 10 * time.Millisecond
	_, f := tr.send(t.Context(), hello)
	if f == nil || f.step != stepGreeting || !strings.Contains(f.text, "timeout") || f.verdict() != again {
		t.Errorf("got %v", f)
	}
}

// TestStopWhileStalled: the end of the context ends a step that hangs.
func TestStopWhileStalled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	addr := script(t, func(say func(string), hear func() string, _ net.Conn) {
		say("220 hi")
		hear()
		cancel()
		hear()
	})
	if _, f := transportTo(t, "smtp://localhost", addr).send(ctx, hello); f == nil || f.step != stepHello {
		t.Errorf("got %v", f)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	if _, f := transportTo(t, "smtp://localhost", addr).send(t.Context(), hello); f == nil || f.step != stepConnect || f.verdict() != again {
		t.Errorf("got %v", f)
	}
}

// TestConnectionIsKept: mails in a row share a connection, and it ends when it was idle or had its share.
func TestConnectionIsKept(t *testing.T) {
	t.Parallel()
	in := (&inbox{}).serve(t)
	tr := transportTo(t, "smtp://localhost", in.addr)
	send := func(n int) {
		t.Helper()
		for range n {
			if _, f := tr.send(t.Context(), hello); f != nil {
				t.Fatal(f)
			}
		}
	}
	send(maxMails)
	if n := in.count(&in.conns); n != 1 {
		t.Errorf("%d mails took %d connections", maxMails, n)
	}
	send(1)
	if n := in.count(&in.conns); n != 2 {
		t.Errorf("%d connections after one mail more", n)
	}
	tr.limits.idle = time.Nanosecond
	send(1)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		tr.mu.Lock()
		n := len(tr.idle)
		tr.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an idle connection is kept for ever")
		}
	}
	send(1)
	if n := in.count(&in.conns); n != 3 {
		t.Errorf("%d connections after an idle one ended", n)
	}
}

// TestRejection: the server's word on one recipient.
func TestRejection(t *testing.T) {
	t.Parallel()
	in := (&inbox{onRcpt: func(to string) error {
		if to == "gone@example.com" {
			return says(550, "no such user")
		}
		return nil
	}}).serve(t)
	tr := transportTo(t, "smtp://localhost", in.addr)
	gone := hello
	gone.to = "<gone@example.com>"
	for range 2 {
		if _, f := tr.send(t.Context(), gone); f == nil || f.Error() != "RCPT TO: 550 no such user" || f.verdict() != refused {
			t.Fatalf("got %v", f)
		}
		if _, f := tr.send(t.Context(), hello); f != nil {
			t.Fatalf("the next mail: %v", f)
		}
	}
}

// TestLeave: a server that says no, on a new connection or a kept one, hears QUIT; one that hangs up doesn't hold us up.
func TestLeave(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, url, no, want string // want is what the server hears last
		to                  string
	}{
		{"no such recipient", "smtp://localhost", "RCPT", "QUIT", "<gone@example.com>"},
		{"no such sender", "smtp://localhost", "MAIL", "QUIT", "<gone@example.com>"},
		{"not the content", "smtp://localhost", ".", "QUIT", "<gone@example.com>"},
		{"no STARTTLS", "smtp://localhost?tls=required", "", "QUIT", "<gone@example.com>"},
		{"no way to log in", "smtp://ops:s3cret@localhost", "", "QUIT", "<gone@example.com>"},
		{"no SMTPUTF8", "smtp://localhost", "", "QUIT", "<jürgen@example.com>"},
		{"shutting down", "smtp://localhost", "421", "", "<gone@example.com>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			last := make(chan string, 10)
			addr := script(t, func(say func(string), hear func() string, _ net.Conn) {
				say("220 hi")
				for {
					switch line := hear(); {
					case c.no == "421" && strings.HasPrefix(line, "RCPT"):
						say("421 4.3.2 shutting down")
						last <- hear()
						return
					case c.no != "" && strings.HasPrefix(line, c.no):
						say("550 no")
						last <- hear()
						return
					case line == "QUIT", line == "":
						last <- line
						return
					case line == "DATA":
						say("354 go")
					case strings.Contains(line, ":") || strings.HasPrefix(line, "EHLO"):
						say("250 fine")
					}
				}
			})
			tr := transportTo(t, c.url, addr)
			tr.limits.idle = patience
			m := hello
			m.to, m.data = c.to, []byte("x\r\n")
			if _, f := tr.send(t.Context(), m); f == nil {
				t.Fatal("it was sent")
			}
			if got := <-last; got != c.want {
				t.Errorf("the last the server heard is %q, want %q", got, c.want)
			}
		})
	}
}

// TestAddressesBeyondASCII: a server that can't take such an address won't ever.
func TestAddressesBeyondASCII(t *testing.T) {
	t.Parallel()
	in := (&inbox{}).serve(t)
	m := hello
	m.to = "<jürgen@example.com>"
	if _, f := transportTo(t, "smtp://localhost", in.addr).send(t.Context(), m); f == nil || f.verdict() != refused {
		t.Errorf("got %v", f)
	}
	in.srv.EnableSMTPUTF8 = true
	if _, f := transportTo(t, "smtp://localhost", in.addr).send(t.Context(), m); f != nil {
		t.Errorf("with SMTPUTF8: %v", f)
	}
}

func TestHeloName(t *testing.T) {
	v4, v6 := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7)}, &net.TCPAddr{IP: net.ParseIP("2001:db8::7")}
	for _, c := range []struct {
		host string
		addr net.Addr
		want string
	}{
		{"mon1.example.com", v4, "mon1.example.com"},
		{"mon1", v4, "[192.0.2.7]"},
		{"mon1", v6, "[IPv6:2001:db8::7]"},
		{"bad name.example.com", v4, "[192.0.2.7]"},
		{"a.b\r\nMAIL", v4, "[192.0.2.7]"},
		{"mon1", &net.UnixAddr{}, "localhost"},
	} {
		if got := heloName(c.host, c.addr); got != c.want {
			t.Errorf("%q at %v: %s, want %s", c.host, c.addr, got, c.want)
		}
	}
}

// TestPasswordFileGone: a password's file that is missing for a while loses nothing.
func TestPasswordFileGone(t *testing.T) {
	t.Parallel()
	tr := transportTo(t, "smtp://localhost", "127.0.0.1:1")
	tr.server.user, tr.server.passwordFile = "ops", "/nonexistent/password"
	_, f := tr.send(t.Context(), hello)
	if f == nil || f.verdict() != misconfigured || !strings.Contains(f.Error(), "DMONITOR_SMTP_PASSWORD_FILE") {
		t.Errorf("got %v", f)
	}
}
