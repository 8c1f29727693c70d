package plugins

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Limits of what is read from a server whose protocol a library speaks.
const (
	maxHeard = 1 << 20 // bytes
	maxFirst = 2 * maxQuoted
	// maxSentence is how much of an error message is told.
	maxSentence = 160
)

var errStrange = errors.New("another protocol")

// talk is a connection for a library to read from: it stops after maxHeard bytes, and keeps what came first and how
// reading ended, which libraries tend to forget.
type talk struct {
	net.Conn
	connected time.Duration // how long it took to get here
	encrypted bool
	// looks tells whether what came first may be the protocol, as far as it can be seen; nil: it may. Libraries wait for
	// as much as the first bytes promise, which is nonsense where it is another protocol.
	looks func(first []byte) bool

	mu         sync.Mutex // libraries read from goroutines of their own
	first      []byte
	n          int
	ended      error
	understood bool // what came first is as it should be, so there is no need to show it
}

// hear connects to the host.
func (c *call) hear(ctx context.Context, port uint16) (*talk, error) {
	conn, err := c.dial(ctx, c.host, port)
	if err != nil {
		return nil, err
	}
	return &talk{Conn: conn, connected: time.Since(c.start)}, nil
}

// Read implements io.Reader.
func (h *talk) Read(p []byte) (int, error) {
	h.mu.Lock()
	left := maxHeard - h.n
	if left <= 0 {
		h.ended = errTooMuch
	}
	h.mu.Unlock()
	if left <= 0 {
		return 0, errTooMuch
	}
	n, err := h.Conn.Read(p[:min(len(p), left)])
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n += n
	h.first = append(h.first, p[:min(n, maxFirst-len(h.first))]...)
	if h.looks != nil && !h.understood && !h.looks(h.first) {
		return 0, errStrange
	}
	if err != nil && h.ended == nil {
		h.ended = err
	}
	return n, err
}

// start is what came first.
func (h *talk) start() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.first
}

// understand says that the other side speaks the protocol.
func (h *talk) understand() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.understood = true
}

// lost is the outcome of a talk that ended before it should: when is what had not happened yet. Where the connection
// itself is fine, what came was not in the protocol.
func (c *call) lost(ctx context.Context, h *talk, protocol, when string, err error) outcome {
	h.mu.Lock()
	ended, first, understood := h.ended, string(h.first), h.understood
	h.mu.Unlock()
	if _, network := errors.AsType[*net.OpError](err); ended == nil && (network || timedOut(err)) {
		ended = err // it was a write that failed
	}
	if ctx.Err() != nil && !errors.Is(ended, errTooMuch) {
		ended = ctx.Err() // libraries close the connection when their time is up
	}
	said := first
	if understood {
		said = ""
	}
	switch {
	case isOwn(err):
		return broken(err)
	case errors.Is(ended, errTooMuch):
		return fail("%s, but %s: more than %d KiB came%s", portOf(h), when, maxHeard>>10, after(said))
	case ended != nil:
		return c.broke(ctx, h, h.connected, when, said, ended)
	case understood:
		return fail("%s broke the rules of %s %s: %v", portOf(h), protocol, when, err)
	}
	return fail("%s is not %s: it said %s", portOf(h), protocol, quote(first))
}

func after(said string) string {
	if said == "" {
		return ""
	}
	return ", after " + quote(said)
}

// encryption is whether to use TLS, and which certificates are believed.
type encryption struct {
	on    bool
	trust trust
	days  dayBounds
	ends  time.Time // of the server's certificate, once it has been seen
}

// asks declares the options; on is the default.
func (e *encryption) asks(c *call, on bool, how string) {
	c.flags.BoolVar(&e.on, "tls", on, how)
	e.asksTrust(c)
}

// asksTrust declares those that are about the certificate.
func (e *encryption) asksTrust(c *call) {
	c.flags.Var(&e.days, "certificate", "warning if the certificate expires within so many days; 14,7 also fails within 7; means TLS")
	e.trust.flags(c.flags)
}

func (e *encryption) asked() bool { return e.on || e.days.text != "" }

// config is what a TLS library wants to know. Its error is this node's own.
func (e *encryption) config(host string) (*tls.Config, error) {
	conf, err := e.trust.config()
	if err != nil {
		return nil, err
	}
	conf.ServerName = host
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		e.ends = s.PeerCertificates[0].NotAfter // a server always has one
		return nil
	}
	return conf, nil
}

// secure makes TLS of the connection. The new one closes the old one. If it returns nil, the outcome says why.
func (c *call) secure(ctx context.Context, h *talk, e *encryption) (*talk, outcome) {
	conf, err := e.config(c.host)
	if err != nil {
		return nil, broken(err)
	}
	conn := tls.Client(h, conf)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, c.insecure(ctx, h, e, err)
	}
	return &talk{Conn: conn, connected: h.connected, encrypted: true}, outcome{}
}

// upgrade asks the server for TLS, as its protocol has it, and begins it. If it returns nil, the outcome says why.
func (c *call) upgrade(ctx context.Context, h *talk, e *encryption, protocol string, start func(io.ReadWriter) (string, error)) (*talk, outcome) {
	_, err := start(h)
	if refusal, ok := errors.AsType[noTLSError](err); ok {
		return nil, fail("%s has no TLS: %v", portOf(h), refusal)
	}
	if err != nil {
		return nil, c.lost(ctx, h, protocol, "before it said whether it has TLS", err)
	}
	return c.secure(ctx, h, e)
}

// insecure is the outcome of a TLS handshake that failed.
func (c *call) insecure(ctx context.Context, h *talk, e *encryption, err error) outcome {
	if why := e.trust.explain(err, c.host); why != nil {
		return broken(why)
	}
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		return fail("%s does not speak TLS: it said %s", portOf(h), quote(string(record.RecordHeader[:])))
	case errors.Is(err, io.EOF), timedOut(err), ctx.Err() != nil:
		h.understand() // half a handshake is nothing to read
		return c.lost(ctx, h, "TLS", "before the TLS handshake was over", err)
	}
	if why := handshakeFailed(err); why != "" {
		return fail("%s: the TLS handshake failed: %s", portOf(h), why)
	}
	return fail("%s: the TLS handshake failed: %s", portOf(h), reason(err))
}

// answered adds how long it took, and what is known about the certificate, to an outcome that is about what the server
// answered.
func (c *call) answered(s *slow, e *encryption, o outcome) outcome {
	if o.exit == exitUnknown || o.exit == exitFail {
		return o
	}
	if !e.ends.IsZero() {
		left := time.Until(e.ends)
		o.perf = append(o.perf, e.days.perf(left))
		if exit := e.days.judge(left); exit != exitOK {
			o.exit = max(o.exit, exit)
			o.text += ", its certificate expires in " + days(left)
		}
	}
	took, perf := c.took()
	o.text += ", in " + span(took)
	o.perf = append([]string{perf}, o.perf...)
	return s.judge(took, o)
}

// sentence is how an error message of a server goes into a line: longer than what quote keeps.
func sentence(s string) string { return `"` + clean(strings.TrimSpace(s), maxSentence) + `"` }
