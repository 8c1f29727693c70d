package mailer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"sync"
	"time"
)

// maxMails is how many mails go through one connection; many servers end one after a hundred.
const maxMails = 50

// limits bound each part of the dialogue with a mail server. RFC 5321 (section 4.5.3.2) would allow more; the notice
// is tried again anyway. Only the time after a mail's content is long: who gives up there may send it twice.
type limits struct {
	connect time.Duration // for the TCP connection
	step    time.Duration // for one command
	end     time.Duration // for the content and the server's verdict on it
	idle    time.Duration // how long a connection is kept for the next mail
}

var defaultLimits = limits{connect: 10 * time.Second, step: 30 * time.Second, end: 5 * time.Minute, idle: 5 * time.Second}

// transport sends mails through one server. Connections are kept for a few seconds, so that the many notices of a storm
// don't each begin anew. It is safe for concurrent use.
type transport struct {
	server   server
	hostname string
	limits   limits
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	roots    *x509.CertPool // nil: those of the system

	mu     sync.Mutex
	idle   []*session
	closed bool
	ends   sync.WaitGroup // connections in idle, or being ended
}

func newTransport(s server, hostname string) *transport {
	return &transport{server: s, hostname: hostname, limits: defaultLimits, dial: new(net.Dialer).DialContext}
}

// send sends one mail and returns the server's answer. If a kept connection turns out to be closed it opens a new one.
func (t *transport) send(ctx context.Context, m message) (string, *failure) {
	if s := t.take(); s != nil {
		answer, f := s.deliver(ctx, m)
		if f == nil {
			t.keep(s)
			return answer, nil
		}
		s.leave(f)
		if !f.closedOnUs() {
			return "", f
		}
	}
	s, f := t.open(ctx)
	if f != nil {
		return "", f
	}
	answer, f := s.deliver(ctx, m)
	if f != nil {
		s.leave(f)
		return "", f
	}
	t.keep(s)
	return answer, nil
}

// take returns a kept connection, or nil.
func (t *transport) take() *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) == 0 {
		return nil
	}
	s := t.idle[len(t.idle)-1]
	t.idle = t.idle[:len(t.idle)-1]
	s.timer.Stop()
	t.ends.Done()
	return s
}

// keep keeps a connection for the next mail, for a while.
func (t *transport) keep(s *session) {
	t.mu.Lock()
	if t.closed || s.mails >= maxMails {
		t.mu.Unlock()
		s.quit()
		return
	}
	defer t.mu.Unlock()
	t.ends.Add(1)
	t.idle = append(t.idle, s)
	s.timer = time.AfterFunc(t.limits.idle, func() { t.expire(s) })
}

// expire ends a connection that was idle for too long, unless it was taken in this very moment.
func (t *transport) expire(s *session) {
	t.mu.Lock()
	i := slices.Index(t.idle, s)
	if i < 0 {
		t.mu.Unlock()
		return
	}
	t.idle = slices.Delete(t.idle, i, i+1)
	t.mu.Unlock()
	s.quit()
	t.ends.Done()
}

// close ends all idle connections and waits for them. Later ones are not kept.
func (t *transport) close() {
	t.mu.Lock()
	idle := t.idle
	t.idle, t.closed = nil, true
	t.mu.Unlock()
	for _, s := range idle {
		s.timer.Stop()
		s.quit()
		t.ends.Done()
	}
	t.ends.Wait()
}

// local tells whether a connection stays within this host, by name and in fact.
func (t *transport) local(conn net.Conn) bool {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback() && t.server.loopback()
}

// tlsConfig demands a certificate for the server's name, but for a server on this host or on the user's word.
func (t *transport) tlsConfig(conn net.Conn) *tls.Config {
	return &tls.Config{
		ServerName: t.server.host, RootCAs: t.roots, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: t.server.noVerify || t.local(conn),
	}
}
