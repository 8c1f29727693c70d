package mailer

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// maxRead bounds what a mail server may say in one connection, in bytes.
const maxRead = 1 << 20

// session is one SMTP connection, past its login.
type session struct {
	conn  net.Conn
	smtp  *smtp.Client
	step  time.Duration // how long one step may take
	end   time.Duration // how long the server may take over a mail's content
	hide  func(string) string
	mails int
	timer *time.Timer // ends an idle connection
}

// open connects, encrypts and logs in.
func (t *transport) open(ctx context.Context) (*session, *failure) {
	password, err := t.server.secret()
	if err != nil {
		return nil, &failure{step: stepLogin, self: misconfigured, text: err.Error()}
	}
	s := &session{step: t.limits.step, end: t.limits.end, hide: hider(t.server.user, password)}
	dialCtx, cancel := context.WithTimeout(ctx, t.limits.connect)
	defer cancel()
	raw, err := t.dial(dialCtx, "tcp", t.server.addr())
	if err != nil {
		return nil, s.fail(stepConnect, err)
	}
	s.conn = &bounded{Conn: raw, left: maxRead}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	if f := s.start(t, password, raw); f != nil {
		s.leave(f)
		return nil, f
	}
	return s, nil
}

// start goes through the dialogue up to the login.
func (s *session) start(t *transport, password string, raw net.Conn) *failure {
	config := t.tlsConfig(raw)
	conn := s.conn
	if t.server.implicit {
		s.patience(s.step)
		c := tls.Client(conn, config)
		if err := c.Handshake(); err != nil {
			return s.fail(stepTLS, err)
		}
		conn = c
	}
	s.patience(s.step)
	var err error
	if s.smtp, err = smtp.NewClient(conn, t.server.host); err != nil {
		return s.fail(stepGreeting, err)
	}
	s.patience(s.step)
	if err := s.smtp.Hello(heloName(t.hostname, raw.LocalAddr())); err != nil {
		return s.fail(stepHello, err)
	}
	encrypted := t.server.implicit
	if !encrypted && t.server.tls != tlsOff {
		offered, _ := s.smtp.Extension("STARTTLS")
		if !offered && t.server.tls == tlsRequired {
			return &failure{step: stepTLS, self: misconfigured, text: "the server offers no STARTTLS, and tls=required"}
		}
		if offered {
			s.patience(s.step)
			if err := s.smtp.StartTLS(config); err != nil {
				return s.fail(stepTLS, err)
			}
			encrypted = true
		}
	}
	if t.server.user == "" {
		return nil
	}
	if !encrypted && !t.local(raw) {
		return &failure{step: stepLogin, self: misconfigured, text: "the server offers no STARTTLS, and the password is not sent in the clear"}
	}
	return s.login(t.server.user, password, t.server.host)
}

// login logs in by the first of our mechanisms that the server has. That nothing goes in the clear was seen to before.
func (s *session) login(user, password, host string) *failure {
	_, offered := s.smtp.Extension("AUTH")
	names := strings.Fields(strings.ToUpper(offered))
	mechanisms := []struct {
		name string
		auth smtp.Auth
	}{
		{"SCRAM-SHA-256", smtp.ScramSHA256Auth(user, password)},
		{"SCRAM-SHA-1", smtp.ScramSHA1Auth(user, password)},
		{"PLAIN", smtp.PlainAuth("", user, password, host, true)},
		{"LOGIN", smtp.LoginAuth(user, password, host, true)},
		{"CRAM-MD5", smtp.CRAMMD5Auth(user, password)},
	}
	for _, m := range mechanisms {
		if !slices.Contains(names, m.name) {
			continue
		}
		s.patience(s.step)
		if err := s.smtp.Auth(m.auth); err != nil {
			f := s.fail(stepLogin, err)
			if f.code == 0 && f.self == again && !isNetwork(err) {
				f.self = misconfigured // The mechanism itself said no: a wrong answer to its challenge.
			}
			return f
		}
		return nil
	}
	return &failure{step: stepLogin, self: misconfigured, text: "the server offers none of SCRAM, PLAIN, LOGIN, CRAM-MD5 to log in by"}
}

// deliver sends one mail, and returns the words of the server's 250.
func (s *session) deliver(ctx context.Context, m message) (string, *failure) {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	s.mails++
	plain := isASCII(m.from + m.to)
	if utf8, _ := s.smtp.Extension("SMTPUTF8"); !utf8 && !plain {
		return "", &failure{step: stepTo, self: refused, text: "the address is not ASCII, and the server doesn't take such (it has no SMTPUTF8)"}
	}
	s.smtp.SkipSMTPUTF8(plain) // A mail that doesn't need the extension must not be bounced by a later server without it.
	s.patience(s.step)
	if err := s.smtp.Mail(m.from); err != nil {
		return "", s.fail(stepFrom, err)
	}
	s.patience(s.step)
	if err := s.smtp.Rcpt(m.to); err != nil {
		return "", s.fail(stepTo, err)
	}
	s.patience(s.step)
	w, err := s.smtp.Data()
	if err != nil {
		return "", s.fail(stepData, err)
	}
	s.patience(s.end)
	if _, err := w.Write(m.data); err != nil {
		return "", s.fail(stepEnd, err)
	}
	if m.still != nil && !m.still() { // Without the end of the content the server doesn't take it.
		return "", &failure{step: stepEnd, self: again, text: "broken off, as the notice is not this mailer's any more"}
	}
	if err := w.Close(); err != nil {
		return "", s.fail(stepEnd, err)
	}
	answer := "250"
	if d, ok := w.(*smtp.DataCloser); ok {
		answer += " " + d.ServerResponse()
	}
	return brief(s.hide(answer), maxAnswer), nil
}

// patience sets how long the next step may take. An error shows in the step itself.
func (s *session) patience(d time.Duration) { _ = s.conn.SetDeadline(time.Now().Add(d)) }

func (s *session) fail(at step, err error) *failure { return newFailure(at, err, s.hide) }

// quit takes leave, briefly, and closes the connection.
func (s *session) quit() {
	s.patience(min(s.step, 2*time.Second))
	_ = s.smtp.Quit()
	s.conn.Close()
}

// leave ends the connection after a failure. Who is still there is taken leave of: servers count who just hangs up after
// a no among those that guess addresses.
func (s *session) leave(f *failure) {
	gone := f.code == 0 && f.self == again || f.code == 421
	if s.smtp == nil || gone {
		s.conn.Close()
		return
	}
	s.quit()
}

// bounded is a connection that reads so much and no more.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the mail server said more than %d bytes", maxRead)
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// heloName is what the mailer calls itself: the host's name if that is a full one, else the address of its end of the
// connection (RFC 5321, section 4.1.4).
func heloName(hostname string, local net.Addr) string {
	if strings.Contains(strings.Trim(hostname, "."), ".") && !strings.ContainsFunc(hostname, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.')
	}) {
		return hostname
	}
	tcp, ok := local.(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.String() + "]"
	default:
		return "[IPv6:" + tcp.IP.String() + "]"
	}
}

func isNetwork(err error) bool {
	var n net.Error
	return errors.As(err, &n) || strings.Contains(err.Error(), "EOF")
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > '~' })
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
