package plugins

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// clerk is a server that greets, and answers each line it hears.
type clerk struct {
	hello   string
	answers []string // pairs: how a line begins, and the answer; "TLS" at an answer's end: TLS follows; "BYE": it hangs up
	tls     *tls.Config
	wrapped bool // TLS from the first byte on
	deaf    bool // after STARTTLS it hangs up at the first command
	heard   chan<- string
}

func (k clerk) talk(c net.Conn) {
	if k.wrapped {
		c = tls.Server(c, k.tls)
	}
	if _, err := io.WriteString(c, k.hello); err != nil {
		return
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		if k.heard != nil {
			k.heard <- lines.Text()
		}
		i := 0
		for i < len(k.answers) && !strings.HasPrefix(lines.Text(), k.answers[i]) {
			i += 2
		}
		if i >= len(k.answers) {
			return
		}
		said, encrypt := strings.CutSuffix(k.answers[i+1], "TLS")
		said, leave := strings.CutSuffix(said, "BYE")
		if _, err := io.WriteString(c, said); err != nil || leave {
			return
		}
		if encrypt {
			c = tls.Server(c, k.tls)
			lines = bufio.NewScanner(c)
			if k.deaf {
				lines.Scan()
				return
			}
		}
	}
}

// certificate is what a server needs to have TLS: a certificate for the names, good for so long from now.
func (a *authority) certificate(t *testing.T, until time.Duration, names ...string) *tls.Config {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-100 * time.Hour), NotAfter: time.Now().Add(until)}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	cert := sign(t, template, a.cert, key, a.key)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
}

// talkCase is one call of a plugin that greets.
type talkCase struct {
	rule string
	talk func(net.Conn)
	args string
	exit int
	want string
}

func tryTalks(t *testing.T, name string, cases []talkCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			budget := "30"
			if strings.Contains(c.want, " within ") && !strings.Contains(c.want, "KiB") {
				budget = "1"
			}
			args := append([]string{"127.0.0.1", "-p", serve(t, c.talk), "-t", budget}, strings.Fields(c.args)...)
			exit, out := try(t, nil, name, args...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
}

// What each of these plugins says of a server that is none of its kind.
func TestNobodyGreets(t *testing.T) {
	t.Parallel()
	for name, proto := range map[string]string{"check_smtp": "SMTP", "check_imap": "IMAP", "check_pop3": "POP3", "check_ftp": "FTP", "check_rsync": "rsync"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			limit := "64 KiB"
			if proto == "rsync" {
				limit = "1024 KiB"
			}
			tryTalks(t, name, []talkCase{
				{"one that says nothing", silent, "-t 300ms", exitFail, "connected, but no sign of a greeting within 300 ms"},
				{"one that hangs up", closing, "", exitFail, "closed the connection instead of a greeting"},
				{"one that hangs up in the middle of a line", quits("22"), "", exitFail, `closed the connection instead of a greeting, after "22"`},
				{"one that resets", reset, "", exitFail, "connection reset by peer"},
				{"one that stops in the middle of a line", says("2"), "-t 300ms", exitFail, `connected, but no end of a greeting within 300 ms, after "2"`},
				{"a line that never ends", endless("x|\x1b[2J"), "", exitFail, `no end of a greeting within ` + limit + `, after "x\x7c\x1b[2J`},
				{"another protocol", says("SSH-2.0-OpenSSH_9.2p1\r\n"), "", exitFail, " is not " + proto + ` but SSH: it said "SSH-2.0-OpenSSH_9.2p1"`},
				{"another protocol without a line's end", says("RFB 003.008"), "-t 300ms", exitFail, " is not " + proto + ` but VNC: it said "RFB 003.008"`},
				{"one that nobody knows", says("ahoy\x00\r\n"), "", exitFail, " is not " + proto + `: it said "ahoy\x00"`},
			})
			t.Run("a closed port", func(t *testing.T) {
				t.Parallel()
				exit, out := try(t, nil, name, "127.0.0.1", "-p", closedPort(t))
				expect(t, exit, out, exitFail, "connection refused")
			})
		})
	}
}

// TLS from the first byte on, and what there is instead of it.
func TestWrapped(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	mine := "--ca-file " + ca.file
	good := ca.certificate(t, 49*time.Hour, "127.0.0.1", "mail.example")
	pop := clerk{hello: "+OK hi\r\n", answers: []string{"CAPA", "-ERR what?\r\n", "QUIT", "+OK\r\nBYE"}, tls: good, wrapped: true}
	with := func(conf *tls.Config) func(net.Conn) {
		other := pop
		other.tls = conf
		return other.talk
	}
	tryTalks(t, "check_pop3s", []talkCase{
		{"a good certificate", pop.talk, mine, exitOK, `pop3 answered "+OK hi" in `},
		{"the version is told", pop.talk, mine, exitOK, ", TLS 1.3"},
		{"the days left are kept", pop.talk, mine, exitOK, " cert_days=2.0;"},
		{"few days left are a warning if asked for", pop.talk, mine + " -D 14", exitWarning, "its certificate expires in 2 days"},
		{"and a fail if that is asked for, too", pop.talk, mine + " -D 30,14", exitFail, "its certificate expires in 2 days ("},
		{"for the name asked for", pop.talk, mine + " --sni mail.example", exitOK, "TLS 1.3"},
		{"and for no other", pop.talk, mine + " --sni pop.example", exitFail, `certificate is not for pop.example but for "mail.example, 127.0.0.1"`},
		{"signed by somebody else", pop.talk, "", exitFail, "signed by an authority unknown here"},
		{"expired", with(ca.certificate(t, -50*time.Hour, "127.0.0.1")), mine, exitFail, "certificate of 127.0.0.1 expired 2 days ago"},
		{"all that is wrong is told", with(ca.certificate(t, -50*time.Hour, "127.0.0.1")), "--sni a.example", exitFail, `not for a.example but for "127.0.0.1"; certificate of a.example is signed by an authority unknown here ("CN=Test Authority"); certificate of a.example expired 2 days ago`},
		{"--insecure takes it anyway", pop.talk, "--insecure", exitOK, "TLS 1.3"},
		{"even an expired one, unless that is asked about", with(ca.certificate(t, -50*time.Hour, "127.0.0.1")), "--insecure -D 1", exitFail, "its certificate expired 2 days ago"},
		{"an old TLS is a warning", with(&tls.Config{Certificates: good.Certificates, MaxVersion: tls.VersionTLS10, MinVersion: tls.VersionTLS10}), mine, exitWarning, ", TLS 1.0, but TLS 1.0 is obsolete (RFC 8996)"},
		{"TLS that wants a certificate of us", with(&tls.Config{Certificates: good.Certificates, ClientAuth: tls.RequireAnyClientCert}), mine, exitFail, "certificate required"},
		{"no certificate at all", with(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}), mine, exitFail, "the TLS handshake failed: "},
		{"no TLS", says("+OK hi\r\nand more\r\n"), mine, exitFail, `does not speak TLS but POP3: it said "+OK hi"`},
		{"nothing of a kind", says("howdy, neighbour\r\n"), mine, exitFail, `does not speak TLS: it said "howdy, neighbour"`},
		{"silence", silent, mine, exitFail, "no sign of the TLS handshake within 1.0 s"},
		{"hanging up", heardAny, mine, exitFail, "closed the connection instead of the TLS handshake"},
		{"silence after the handshake", clerk{tls: good, wrapped: true}.talk, mine, exitFail, "no sign of a greeting within 1.0 s"},
		{"another protocol in it", clerk{hello: "* OK IMAP4\r\n", tls: good, wrapped: true}.talk, mine, exitFail, "is not POP3 but IMAP"},
		{"authorities that can't be read", pop.talk, "--ca-file /nonexistent", exitUnknown, "this node can't tell: read certificate authorities"},
		{"--starttls makes no sense with it", pop.talk, "--starttls", exitUnknown, "only one of them, please"},
		{"--ssl=false does without", pop.talk, "--ssl=false", exitFail, "no sign of a greeting within 1.0 s"},
	})
	tryTalks(t, "check_pop3", []talkCase{{"--ssl is the same", pop.talk, mine + " -S", exitOK, "TLS 1.3"}, {"by its other name", pop.talk, mine + " --tls", exitOK, "TLS 1.3"}})
}

// A certificate that has something in it that this node doesn't know how to judge is not taken for a good one.
func TestUnknownExtension(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	key := newKey(t)
	cert := sign(t, &x509.Certificate{
		DNSNames: []string{"mail.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: []int{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}},
	}, ca.cert, key, ca.key)
	e := tlsWish{name: "mail.example", trust: trust{caFile: ca.file}}
	roots, err := e.trust.roots()
	if err != nil {
		t.Fatal(err)
	}
	f, now := inspect([]*x509.Certificate{cert}, e.name, roots, time.Now())
	wrong, err := e.wrong(f, now, clockSynced)
	if err != nil || len(wrong) != 1 || !strings.Contains(wrong[0], "unhandled critical extension") {
		t.Errorf("%q, %v", wrong, err)
	}
}

// Without any authority every certificate looks bad: that is this node's fault, also where a bad one is only a warning.
func TestNoAuthoritiesForMail(t *testing.T) {
	e := tlsWish{name: "mail.example"}
	f := findings{trust: x509.SystemRootsError{}, begins: time.Now().Add(-time.Hour), ends: time.Now().Add(time.Hour)}
	if wrong, err := e.wrong(f, time.Now(), clockSynced); !isOwn(err) {
		t.Errorf("%q, %v", wrong, err)
	}
}

// Who interrupts a run learns nothing about the server, wherever the conversation was.
func TestInterruptedTalk(t *testing.T) {
	t.Parallel()
	for name, hello := range map[string]string{"check_smtp": "220 hi\r\n", "check_imaps": "", "check_pop3": "", "check_ftp": "220 hi\r\n", "check_rsync": "@RSYNCD: 31.0\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			port := serve(t, func(c net.Conn) {
				_, _ = io.WriteString(c, hello)
				if hello != "" {
					_, _ = c.Read(make([]byte, 100))
				}
				cancel()
				silent(c)
			})
			o := run(ctx, name, []string{"127.0.0.1", "-p", port}, func(string) string { return "" }, net.DefaultResolver)
			expect(t, o.exit, o.String(), exitUnknown, "interrupted while ")
		})
	}
}

// heardAny reads something and hangs up.
func heardAny(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }

// Silence on a port where TLS usually comes first may have that reason.
func TestSilenceMayBeTLS(t *testing.T) {
	t.Parallel()
	c := newCall(plugin{name: "check_imap"}, func(string) string { return "" }, nil)
	g := newGreeter(c, "IMAP", imapPort, "")
	g.encrypted(false, imapsPort, "S", "")
	if err := c.parse([]string{"127.0.0.1", "-p", "993"}); err != nil {
		t.Fatal(err)
	}
	d := &dialogue{call: c, proto: "IMAP", limit: maxTalk, enc: &g.enc}
	d.on(script{r: iotestTimeout{}})
	if err := g.converse(d, new(mailbox).talk); err == nil || !strings.Contains(err.Error(), "as with --ssl") {
		t.Errorf("%v, want a hint at --ssl", err)
	}
}

type iotestTimeout struct{}

func (iotestTimeout) Read([]byte) (int, error) { return 0, errTimeout }

// errTimeout is how a read ends at a connection's deadline.
var errTimeout = &net.OpError{Op: "read", Err: timeoutError{}}

type timeoutError struct{}

func (timeoutError) Error() string     { return "i/o timeout" }
func (timeoutError) Timeout() bool     { return true }
func (timeoutError) Is(err error) bool { return err.Error() == "i/o timeout" }

// Addresses of both families, and one that nobody is at.
func TestGreetingsOverBothFamilies(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatalf("no IPv6 on loopback: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	heard := make(chan string, 9)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				clerk{hello: "220 six\r\n", answers: []string{"EHLO", "250 hi\r\n", "QUIT", "221\r\nBYE"}, heard: heard}.talk(c)
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	o := run(t.Context(), "check_smtp", []string{"both.test", "-p", port}, func(string) string { return "" }, nameServer(t))
	expect(t, o.exit, o.String(), exitOK, `smtp answered "220 six"`)
	if got := <-heard; got != "EHLO [IPv6:::1]" {
		t.Errorf("it said %q", got)
	}
}

func TestSpeaks(t *testing.T) {
	for said, want := range map[string]string{
		"SSH-2.0-x": "SSH", "220 mail ESMTP": "SMTP", "220 (vsFTPd 3.0.5)": "FTP", "220-FileZilla Server": "FTP", "220 hello": "", "220 smtp1.example.com FTP server": "",
		"+OK": "POP3", "* OK x": "IMAP", "* BYE": "IMAP", "@RSYNCD: 31.0": "rsync", "HTTP/1.1 400 Bad Request": "HTTP", "<html>": "HTTP",
		"RFB 003.008\n": "VNC", "\x15\x03\x01\x00\x02": "TLS", "J\x00\x00\x00\x0a8.0.36\x00": "MySQL", "": "", "hi\n220 SMTP": "",
	} {
		if got := speaks(said); got != want {
			t.Errorf("speaks(%q) = %q, want %q", said, got, want)
		}
	}
}

// script is a connection on which everything the other side says is there from the start.
type script struct{ r io.Reader }

func (s script) Read(p []byte) (int, error) { return s.r.Read(p) }

func (script) Write(p []byte) (int, error) { return len(p), nil }
func (script) Close() error                { return nil }
func (script) LocalAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (script) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 25} }
func (script) SetDeadline(time.Time) error      { return nil }
func (script) SetReadDeadline(time.Time) error  { return nil }
func (script) SetWriteDeadline(time.Time) error { return nil }

// Whatever a server says, the conversation ends, and what comes of it can be printed; a good end needs at least the
// greeting's line.
func FuzzTalk(f *testing.F) {
	talks := []struct {
		proto string
		talk  func(*dialogue) error
	}{
		{"SMTP", (&mailServer{rcpt: "a@example.com"}).talk},
		{"IMAP", func(d *dialogue) error { return new(mailbox).talk(d) }},
		{"POP3", pop3Talk},
		{"FTP", ftpTalk},
		{"rsync", func(d *dialogue) error { return rsyncTalk(d, "") }},
		{"rsync", func(d *dialogue) error { return rsyncTalk(d, "pub") }},
	}
	for i, s := range []string{
		"220-a\r\n220 b\r\n250-hi\r\n250 SIZE\r\n250 ok\r\n250 ok\r\n",
		"* OK hi\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\nc1 OK\r\nc2 OK\r\n",
		"+OK hi\r\n+OK\r\nSTLS\r\n.\r\n+OK\r\n",
		"220 hi\r\n211-Features:\r\n AUTH TLS\r\n211 End\r\n234 go\r\n",
		"@RSYNCD: 31.0\nhello\none\tthe first\n@RSYNCD: EXIT\n",
		"@RSYNCD: 31.0\n@RSYNCD: OK\n",
	} {
		f.Add(byte(i), []byte(s))
	}
	f.Add(byte(1), []byte("* OK\nc1 \xff\n"))
	f.Fuzz(func(t *testing.T, which byte, said []byte) {
		if bytes.ContainsRune(said, '\ufffd') {
			return // it can be printed; that it stands for bytes that can't is what is looked for here
		}
		k := talks[int(which)%len(talks)]
		c := newCall(plugin{name: "check_x"}, func(string) string { return "" }, nil)
		g := newGreeter(c, k.proto, 25, "")
		g.enc.name = "mail.example"
		d := &dialogue{call: c, proto: k.proto, limit: maxTalk, enc: &g.enc}
		d.on(script{r: bytes.NewReader(said)})
		err := g.converse(d, k.talk)
		o := good("%s", quote(d.said))
		if err != nil {
			o = broken(err)
		}
		o = g.judge(d, time.Second, o)
		checkForm(t, o.exit, o.String())
		if o.exit == exitUnknown {
			t.Errorf("%q made this node abstain: %s", said, o.text)
		}
		if o.exit == exitOK && (d.said == "" || !bytes.Contains(said, []byte("\n"))) {
			t.Errorf("%q is ok: %s", said, o.text)
		}
	})
}
