package plugins

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
)

// Limits of what is read from a web server.
const (
	maxHeader    = 64 << 10 // bytes of headers
	maxBody      = 1 << 20  // bytes of the page, read only to find --string in it
	maxRedirects = 10
)

// connection is the first stage: what fails in it already says where and why.
const connection = "a connection"

// web is what check_http and check_https were asked.
type web struct {
	call     *call
	slow     *slow
	tls      bool
	port     uint16
	addr     string // connect here instead of to the host
	path     string
	method   string
	want     string
	statuses statusList
	headers  []string
	follow   bool
	trust    trust
	certDays uint

	stage atomic.Pointer[string] // what is being waited for, in words; the transport's goroutines move it on
}

func plainHTTP(c *call) func(context.Context) outcome { return newWeb(c, false).look }
func overTLS(c *call) func(context.Context) outcome   { return newWeb(c, true).look }

func newWeb(c *call, overTLS bool) *web {
	w := &web{call: c, tls: overTLS, slow: slowness(c)}
	f := c.flags
	f.Uint16VarP(&w.port, "port", "p", 0, "TCP port (80, or 443 with TLS)")
	f.StringVarP(&w.addr, "address", "I", "", "connect to this name or address, and ask it for HOST")
	f.StringVarP(&w.path, "url", "u", "/", "path to ask for")
	f.StringVarP(&w.method, "method", "j", http.MethodGet, "HTTP method")
	f.StringVarP(&w.want, "string", "s", "", fmt.Sprintf("the page must contain this within its first %d KiB", maxBody>>10))
	f.VarP(&w.statuses, "status", "e", "status codes that are ok, such as 200,401 or 2xx,3xx; all others fail")
	f.StringArrayVarP(&w.headers, "header", "k", nil, `header to send, such as "Accept: text/plain"; may be repeated`)
	f.BoolVarP(&w.follow, "follow", "f", false, "follow redirects")
	f.BoolVarP(&w.tls, "ssl", "S", overTLS, "use TLS")
	f.StringVar(&w.trust.caFile, "ca-file", "", "trust the certificate authorities in this PEM file instead of the system's")
	f.BoolVar(&w.trust.insecure, "insecure", false, "don't verify the certificate")
	f.UintVarP(&w.certDays, "certificate", "C", 0, "warning if the certificate expires within so many days")
	return w
}

// look asks for the page and judges the answer.
func (w *web) look(ctx context.Context) outcome {
	client, err := w.client()
	if err != nil {
		return broken(err)
	}
	req, err := w.request(ctx)
	if err != nil {
		return w.call.misused(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return w.noAnswer(ctx, err)
	}
	defer resp.Body.Close()
	o := w.statuses.judge(resp.StatusCode)
	o.text = fmt.Sprintf("%s answered %s", where(resp.Request.URL), quote(resp.Status))
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		o.text += " to " + quote(to)
	}
	if w.want != "" {
		if err := contains(resp.Body, w.want); err != nil {
			return w.without(ctx, o.text, err)
		}
		o.text += " with " + quote(w.want)
	}
	took, perf := w.call.took()
	o.text += " in " + span(took)
	o.perf = append(o.perf, perf)
	return w.slow.judge(took, w.expiry(resp.TLS, o))
}

func (w *web) client() (*http.Client, error) {
	conf, err := w.trust.config()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext:            w.dial,
		TLSClientConfig:        conf,
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      true, // one request, and the server needn't wait for another
		DisableCompression:     true, // so that few bytes can't become many
		MaxResponseHeaderBytes: maxHeader,
	}}
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		switch {
		case !w.follow:
			return http.ErrUseLastResponse
		case len(via) > maxRedirects:
			return fmt.Errorf("more than %d redirects, the last to %s", maxRedirects, quote(req.URL.String()))
		}
		w.waitFor(connection)
		return nil
	}
	return client, nil
}

// dial connects to the host of the request, or to --address where that is the host that was asked about.
func (w *web) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %s: not a number up to 65535", quote(p))
	}
	if w.addr != "" && strings.EqualFold(host, w.call.host) {
		host = w.addr
	}
	conn, err := w.call.dial(ctx, host, uint16(port))
	if err != nil {
		return nil, err
	}
	return &polite{Conn: conn, spoken: make(chan struct{})}, nil
}

func (w *web) request(ctx context.Context) (*http.Request, error) {
	u, err := url.ParseRequestURI(w.path)
	if err != nil || !strings.HasPrefix(w.path, "/") {
		return nil, fmt.Errorf("path %s: want one that starts with /", quote(w.path))
	}
	u.Scheme, u.Host = "http", w.call.host
	if strings.Contains(u.Host, ":") {
		u.Host = "[" + u.Host + "]"
	}
	if w.tls {
		u.Scheme = "https"
	}
	if w.port != 0 {
		u.Host += ":" + strconv.Itoa(int(w.port))
	}
	w.waitFor(connection)
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, w.trace()), w.method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "dmonitor "+w.call.plugin.name)
	for _, h := range w.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, fmt.Errorf("header %s: want Name: value", quote(h))
		}
		if strings.EqualFold(name, "Host") {
			req.Host = strings.TrimSpace(value)
		}
		req.Header.Add(name, strings.TrimSpace(value))
	}
	return req, nil
}

func (w *web) waitFor(stage string) { w.stage.Store(&stage) }

// trace keeps note of what is being waited for.
func (w *web) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:           func(httptrace.GotConnInfo) { w.waitFor("an answer to the request") },
		TLSHandshakeStart: func() { w.waitFor("the TLS handshake") },
	}
}
