package plugins

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
)

// client is what asks: a connection for one request, to the host whatever name the request has.
func (w *web) client() (*http.Client, error) {
	conf, err := w.trust.config()
	if err != nil {
		return nil, err
	}
	conf.MinVersion, conf.MaxVersion = w.tls.min, w.tls.max
	if w.certFile != "" || w.keyFile != "" {
		pair, err := tls.LoadX509KeyPair(w.certFile, orElse(w.keyFile, w.certFile))
		if err != nil {
			return nil, own("read the certificate to show: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{CheckRedirect: w.redirect, Transport: &http.Transport{
		DialContext:            w.dial,
		TLSClientConfig:        conf,
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      true, // one request, and the server needn't wait for another
		DisableCompression:     true, // so that few bytes can't become many
		MaxResponseHeaderBytes: maxHeader,
	}}, nil
}

// orElse returns the first text that isn't empty.
func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
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
	if strings.EqualFold(host, w.call.host) || w.redirects.sticky() {
		host = orElse(w.addr, w.call.host)
	}
	if w.redirects == "stickyport" {
		port = uint64(w.firstPort())
	}
	conn, err := w.call.dial(ctx, host, uint16(port))
	if err != nil {
		return nil, err
	}
	return &polite{Conn: conn, spoken: make(chan struct{})}, nil
}

// firstPort is where the first request goes.
func (w *web) firstPort() uint16 {
	switch {
	case w.port != 0:
		return w.port
	case w.tls.on:
		return 443
	}
	return 80
}

// request makes the first request. Its error is the node's own, or a misuse of the options.
func (w *web) request(ctx context.Context) (*http.Request, error) {
	u, err := url.ParseRequestURI(w.path)
	if err != nil || !strings.HasPrefix(w.path, "/") {
		return nil, fmt.Errorf("path %s: want one that starts with /", quote(withoutLogin(w.path)))
	}
	u.Scheme, u.Host = "http", w.call.host
	if strings.Contains(u.Host, ":") {
		u.Host = "[" + u.Host + "]"
	}
	if w.tls.on {
		u.Scheme = "https"
	}
	if w.port != 0 {
		u.Host += ":" + strconv.Itoa(int(w.port))
	}
	w.waitFor(connection)
	method := http.MethodGet
	if w.post != "" {
		method = http.MethodPost
	}
	ctx = httptrace.WithClientTrace(ctx, w.trace())
	req, err := http.NewRequestWithContext(ctx, orElse(w.method, method), u.String(), strings.NewReader(w.post))
	if err != nil {
		return nil, err
	}
	if w.post != "" {
		req.Header.Set("Content-Type", w.contentType)
	}
	req.Header.Set("User-Agent", w.agent)
	if err := w.logIn(req); err != nil {
		return nil, err
	}
	return req, w.addHeaders(req)
}

func (w *web) addHeaders(req *http.Request) error {
	given := http.Header{}
	for _, h := range w.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return fmt.Errorf("header %s: want Name: value", quote(h))
		}
		if strings.EqualFold(name, "Host") {
			req.Host = strings.TrimSpace(value)
		}
		given.Add(name, strings.TrimSpace(value))
	}
	maps.Copy(req.Header, given) // in the place of what we would have said
	return nil
}

// logIn adds what --auth-file has.
func (w *web) logIn(req *http.Request) error {
	if w.authFile == "" {
		return nil
	}
	secret, err := secretFile(w.authFile)
	if err != nil {
		return err
	}
	if strings.HasPrefix(secret, "Bearer ") {
		req.Header.Set("Authorization", secret)
		return nil
	}
	name, password, ok := strings.Cut(secret, ":")
	if !ok {
		return own(`the first line of %s is neither "user:password" nor "Bearer TOKEN"`, w.authFile)
	}
	req.SetBasicAuth(name, password)
	return nil
}

func (w *web) waitFor(stage string) { w.stage.Store(&stage) }

// trace keeps note of what is being waited for.
func (w *web) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:           func(httptrace.GotConnInfo) { w.waitFor("an answer to the request") },
		TLSHandshakeStart: func() { w.waitFor("the TLS handshake") },
	}
}

// tlsUse is whether to use TLS, and which versions: 0 is what the library thinks right.
type tlsUse struct {
	on       bool
	min, max uint16
	text     string
}

// Set implements pflag.Value: "true", "false", or a version, with a + if newer ones are fine, too.
func (u *tlsUse) Set(s string) error {
	version, orNewer := strings.CutSuffix(s, "+")
	*u = tlsUse{on: true, text: s}
	switch version {
	case "true", "false":
		u.on = s == "true"
		if orNewer {
			return fmt.Errorf("TLS version %s: want one such as 1.2 or 1.2+", quote(s))
		}
		return nil
	case "1", "1.0":
		u.min = tls.VersionTLS10
	case "1.1":
		u.min = tls.VersionTLS11
	case "1.2":
		u.min = tls.VersionTLS12
	case "1.3":
		u.min = tls.VersionTLS13
	case "2", "3":
		return fmt.Errorf("SSL version %s is not spoken here, nor should it be anywhere", version)
	default:
		return fmt.Errorf("TLS version %s: want one such as 1.2 or 1.2+", quote(s))
	}
	if !orNewer {
		u.max = u.min
	}
	return nil
}

// String implements pflag.Value.
func (u *tlsUse) String() string { return u.text }

// Type implements pflag.Value; it names the value in --help.
func (u *tlsUse) Type() string { return "version" }
