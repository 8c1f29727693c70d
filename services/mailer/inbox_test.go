package mailer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// patience is how long tests wait for what should come at once; the machine may be busy.
const patience = time.Minute

// received is one mail that an inbox took.
type received struct {
	from string
	to   []string
	tls  bool
	helo string
	data []byte
}

// inbox is a mail server on loopback. Its hooks are set before it is used.
type inbox struct {
	addr     string
	user     string // login wanted, if not empty
	password string
	cert     *tls.Certificate // for STARTTLS, or from the start
	implicit bool
	onRcpt   func(to string) error
	onData   func(nth int) error // after the content, counted from 1 over all mails, taken or not

	onContent func(to string, data []byte) error // likewise
	dropAfter int                                // so many mails are taken, and then the connection dropped instead of saying so

	mu    sync.Mutex
	mails []received
	datas int
	conns int
	auths int
	wake  chan struct{}
	srv   *smtp.Server
}

// serve starts the inbox.
func (in *inbox) serve(t testing.TB) *inbox {
	t.Helper()
	in.wake = make(chan struct{}, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in.addr = l.Addr().String()
	in.srv = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.conns++
		s := &inboxSession{in: in, conn: c}
		if in.user == "" {
			return s, nil
		}
		return &loginSession{s}, nil
	}))
	in.srv.Domain = "inbox.example.com"
	in.srv.AllowInsecureAuth = true
	in.srv.ErrorLog = log.New(io.Discard, "", 0)
	if in.cert != nil {
		in.srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*in.cert}}
	}
	if in.implicit {
		l = tls.NewListener(l, in.srv.TLSConfig)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = in.srv.Serve(l) }()
	// Close knows of the listener only once Serve has begun.
	t.Cleanup(func() { in.srv.Close(); l.Close(); <-done })
	return in
}

// wait waits until n mails are there, and returns them.
func (in *inbox) wait(t testing.TB, n int) []received {
	t.Helper()
	deadline := time.After(patience)
	for {
		if got := in.all(); len(got) >= n {
			return got
		}
		select {
		case <-in.wake:
		case <-deadline:
			t.Fatalf("%d mails came, want %d", len(in.all()), n)
		}
	}
}

func (in *inbox) all() []received {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append([]received(nil), in.mails...)
}

func (in *inbox) count(what *int) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return *what
}

type inboxSession struct {
	in   *inbox
	conn *smtp.Conn
	got  received
}

func (s *inboxSession) Reset()        { s.got = received{} }
func (s *inboxSession) Logout() error { return nil }

func (s *inboxSession) Mail(from string, _ *smtp.MailOptions) error {
	s.got.from = from
	return nil
}

func (s *inboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.in.onRcpt != nil {
		if err := s.in.onRcpt(to); err != nil {
			return err
		}
	}
	s.got.to = append(s.got.to, to)
	return nil
}

func (s *inboxSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.in.mu.Lock()
	s.in.datas++
	n := s.in.datas
	s.in.mu.Unlock()
	if s.in.onData != nil {
		if err := s.in.onData(n); err != nil {
			return err
		}
	}
	if s.in.onContent != nil {
		if err := s.in.onContent(s.got.to[0], data); err != nil {
			return err
		}
	}
	if n <= s.in.dropAfter {
		defer s.conn.Close()
	}
	s.got.data = data
	_, s.got.tls = s.conn.TLSConnectionState()
	s.got.helo = s.conn.Hostname()
	s.in.mu.Lock()
	s.in.mails = append(s.in.mails, s.got)
	s.in.mu.Unlock()
	select {
	case s.in.wake <- struct{}{}:
	default:
	}
	return nil
}

// loginSession is a session that wants a login.
type loginSession struct{ *inboxSession }

func (s *loginSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *loginSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.in.mu.Lock()
		defer s.in.mu.Unlock()
		s.in.auths++
		if user != s.in.user || password != s.in.password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no such login: " + user + " " + password}
		}
		return nil
	}), nil
}

// says is a server's answer.
func says(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: text}
}

// script is a mail server that follows a script, for what a good one doesn't do. Say sends a line, hear reads one.
func script(t testing.TB, play func(say func(string), hear func() string, conn net.Conn)) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				stop := context.AfterFunc(t.Context(), func() { conn.Close() })
				defer stop()
				var one [1]byte
				say := func(s string) { _, _ = io.WriteString(conn, s+"\r\n") }
				hear := func() string {
					var b strings.Builder
					for !strings.HasSuffix(b.String(), "\n") {
						if _, err := io.ReadFull(conn, one[:]); err != nil {
							return ""
						}
						b.WriteByte(one[0])
					}
					return strings.TrimRight(b.String(), "\r\n")
				}
				play(say, hear, conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// identity makes a self-signed certificate for a name, and the pool that trusts it.
func identity(t testing.TB, name string) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// transportTo makes a transport as DMONITOR_SMTP_URL says, whose connections go to addr whatever the URL's host is.
func transportTo(t testing.TB, url, addr string) *transport {
	t.Helper()
	srv, err := parseServer(url, "")
	if err != nil {
		t.Fatal(err)
	}
	tr := newTransport(srv, "mailer-1.example.com")
	tr.limits = limits{connect: patience, step: patience, end: patience, idle: patience}
	tr.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}
	t.Cleanup(tr.close)
	return tr
}

// parsed is a mail taken apart.
type parsed struct {
	header     mail.Header
	text, html string
}

func (p parsed) get(t testing.TB, name string) string {
	t.Helper()
	v, err := new(mime.WordDecoder).DecodeHeader(p.header.Get(name))
	if err != nil {
		t.Errorf("header %s: %v", name, err)
	}
	return v
}

// parse takes a mail apart, and fails the test if it isn't one text and one HTML alternative.
func parse(t testing.TB, data []byte) parsed {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("read the mail: %v\n%s", err, data)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("content type %q: %v", kind, err)
	}
	p := parsed{header: m.Header}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(body), "\r\n", "\n")
		switch part.Header.Get("Content-Type") {
		case "text/plain; charset=UTF-8":
			p.text = text
		case "text/html; charset=UTF-8":
			p.html = text
		default:
			t.Errorf("part of type %q", part.Header.Get("Content-Type"))
		}
	}
}

// failureAnswer is an answer whose enhanced status code is part of the text.
type failureAnswer struct {
	code int
	text string
}

func (f *failureAnswer) Error() string { return f.text }

func unwrapAnswer(err error) error {
	if f, ok := errors.AsType[*failureAnswer](err); ok {
		return &smtp.SMTPError{Code: f.code, EnhancedCode: smtp.NoEnhancedCode, Message: f.text}
	}
	return err
}
