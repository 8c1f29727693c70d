package inbox

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/rs/zerolog"
)

// Limits of the mail server.
const (
	maxRecipients = 100
	smtpPatience  = time.Minute // for the next command, and for the client to take an answer
)

// smtpServer is a mail server that takes every mail for everyone, and puts it into the store.
func (b *Inbox) smtpServer() *smtp.Server {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{inbox: b}, nil }))
	s.Domain = "inbox.example"
	s.MaxMessageBytes = int64(b.opts.MaxMailBytes)
	s.MaxRecipients = maxRecipients
	s.ReadTimeout, s.WriteTimeout = smtpPatience, smtpPatience
	s.EnableSMTPUTF8 = true
	s.ErrorLog = complaints{b.opts.Log}
	return s
}

// complaints is where the mail server tells of clients that broke off.
type complaints struct{ log zerolog.Logger }

// Printf implements smtp.Logger.
func (c complaints) Printf(format string, v ...any) { c.log.Warn().Msgf("mail server: "+format, v...) }

// Println implements smtp.Logger.
func (c complaints) Println(v ...any) {
	c.log.Warn().Msg("mail server: " + strings.TrimSpace(fmt.Sprintln(v...)))
}

// session is what one client says.
type session struct {
	inbox *Inbox
	from  string
	to    []string
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

// Data implements smtp.Session. The server bounds what can be read.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := s.inbox.store.add(s.from, s.to, raw, time.Now())
	s.inbox.opts.Log.Info().Msgf("mail %d for %q: %q", m.ID, m.To, m.Subject)
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }

// ending is a listener whose connections end with the context, those too that the server has only just been given.
type ending struct {
	net.Listener
	ctx context.Context
}

// Accept implements net.Listener.
func (l ending) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return endingConn{conn, context.AfterFunc(l.ctx, func() { conn.Close() })}, nil
}

type endingConn struct {
	net.Conn
	stop func() bool
}

// Close implements net.Conn.
func (c endingConn) Close() error {
	c.stop()
	return c.Conn.Close()
}
