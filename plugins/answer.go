package plugins

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// noAnswer says why there is no response at all.
func (w *web) noAnswer(ctx context.Context, err error) outcome {
	at, host := w.call.host, w.call.host
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
		if to, perr := url.Parse(u.URL); perr == nil { // where a redirect led to
			at, host = where(to), to.Hostname()
		}
	}
	if to, ok := errors.AsType[redirectError](err); ok {
		return fail("%s: %v", at, to)
	}
	if why := w.trust.explain(err, host); why != nil {
		return broken(why)
	}
	stage := *w.stage.Load()
	var record tls.RecordHeaderError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return unknown("interrupted while waiting for %s", stage)
	case stage == connection || isOwn(err):
		return broken(err)
	case errors.Is(err, http.ErrSchemeMismatch):
		return fail("%s does not speak TLS but plain HTTP", at)
	case errors.As(err, &record):
		return fail("%s does not speak TLS: it said %s", at, quote(string(record.RecordHeader[:])))
	case timedOut(err):
		return fail("%s: connected, but no sign of %s within %s", at, stage, span(w.call.budget))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fail("%s closed the connection instead of %s", at, stage)
	}
	if why := handshakeFailed(err); why != "" {
		return fail("%s: the TLS handshake failed: %s", at, why)
	}
	if to, ok := strings.CutPrefix(err.Error(), "failed to parse Location header "); ok { // in the library's words, password and all
		to, _ = strconv.QuotedPrefix(to)
		to, _ = strconv.Unquote(to)
		return fail("%s: redirect to what is no URL, %s", at, quote(withoutLogin(to)))
	}
	return fail("%s: no sign of %s: %s", at, stage, reason(err))
}

// cutOff is the outcome of a page that broke off before what was wanted of it was seen.
func (w *web) cutOff(ctx context.Context, answered string, page pageSeen) outcome {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return unknown("interrupted while reading the page")
	case timedOut(page.err):
		return fail("%s, but the page stopped before %s: silence until %s were over", answered, page.missing, span(w.call.budget))
	}
	return fail("%s, but the page broke off before %s: %s", answered, page.missing, reason(page.err))
}

// expiry adds what is known about the server's certificate.
func (w *web) expiry(state *tls.ConnectionState, o outcome) outcome {
	if state == nil || len(state.PeerCertificates) == 0 {
		return o
	}
	left := time.Until(state.PeerCertificates[0].NotAfter)
	o.perf = append(o.perf, w.certDays.perf(left))
	if exit := w.certDays.judge(left); exit != exitOK {
		o.exit = max(o.exit, exit)
		o.text += ", its certificate expires in " + days(left.Round(time.Hour))
	}
	return o
}

// polite is a connection that hears nothing before something was said on it: what speaks first is no web server, and
// the transport would only log what it said, where nobody looks.
type polite struct {
	net.Conn
	spoken chan struct{}
	once   sync.Once
}

// Read implements io.Reader. It waits for the first Write, or for Close.
func (c *polite) Read(p []byte) (int, error) {
	<-c.spoken
	return c.Conn.Read(p)
}

// Write implements io.Writer.
func (c *polite) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.once.Do(func() { close(c.spoken) })
	return n, err
}

// Close implements io.Closer.
func (c *polite) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { close(c.spoken) })
	return err
}

// where is the beginning of a URL: scheme, host and port.
func where(u *url.URL) string { return u.Scheme + "://" + u.Host }
