package plugins

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
)

// Limits of what is read from a web server.
const (
	maxHeader        = 64 << 10 // bytes of headers
	maxBody          = 1 << 20  // bytes of the page that are searched
	defaultRedirects = 10
)

// connection is the first stage: what fails in it already says where and why.
const connection = "a connection"

// web is what check_http and check_https were asked. Option letters mean what they mean to the check_http of Nagios'
// plugins, so that a command line can be moved; where that would send a password through the arguments it is refused.
type web struct {
	call *call
	slow *slow
	tls  tlsUse
	port uint16
	addr string // connect here instead of to the host

	path        string
	method      string
	post        string
	contentType string
	agent       string
	headers     []string
	authFile    string
	bareAuth    string

	statuses  statusList
	redirects redirectPolicy
	max       uint // redirects
	inHeader  string
	page      pageRule

	trust             trust
	certFile, keyFile string // who we are
	certDays          dayBounds

	stage atomic.Pointer[string] // what is being waited for, in words; the transport's goroutines move it on
}

func plainHTTP(c *call) func(context.Context) outcome { return newWeb(c, false).look }
func overTLS(c *call) func(context.Context) outcome   { return newWeb(c, true).look }

func newWeb(c *call, overTLS bool) *web {
	w := &web{call: c, tls: tlsUse{on: overTLS}, slow: slowness(c)}
	c.rewrite = rewriteHTTP
	c.aliases["IP-address"], c.aliases["ip"] = "address", "address"
	c.aliases["expect"], c.aliases["follow"] = "status", "onredirect"
	c.aliases["ereg"], c.aliases["eregi"], c.aliases["authorization"] = "regex", "regexi", "auth"
	c.aliases["login-file"] = "auth-file" // as the other plugins have it
	f := c.flags
	f.Uint16VarP(&w.port, "port", "p", 0, "TCP port (80, or 443 with TLS)")
	f.StringVarP(&w.addr, "address", "I", "", "connect to this name or address, and ask it for HOST")
	f.StringVarP(&w.path, "url", "u", "/", "path to ask for")
	f.StringVarP(&w.method, "method", "j", "", "HTTP method (GET, or POST with --post)")
	f.StringVarP(&w.post, "post", "P", "", "send this body")
	f.StringVarP(&w.contentType, "content-type", "T", "application/x-www-form-urlencoded", "what that body is")
	f.StringArrayVarP(&w.headers, "header", "k", nil, `header to send, such as "Accept: text/plain"; may be repeated`)
	f.StringVarP(&w.agent, "useragent", "A", "dmonitor "+c.plugin.name, "what to call ourselves")
	f.StringVar(&w.authFile, "auth-file", "", `log in as this file says, in one line, user:password or "Bearer TOKEN"; others must not be able to read it`)
	f.StringVarP(&w.bareAuth, "auth", "a", "", "")
	_ = f.MarkHidden("auth") // it is there
	f.VarP(&w.statuses, "status", "e", "status codes that are ok, such as 200,401 or 2xx,300-308; all others fail")
	f.StringVarP(&w.inHeader, "header-string", "d", "", "the answer's headers must contain this")
	w.page.flags(f)
	f.VarP(&w.redirects, "onredirect", "f", "what to make of a redirect: ok, warning, critical, follow, host, sticky or stickyport")
	f.Lookup("onredirect").NoOptDefVal = "follow"
	f.UintVar(&w.max, "max-redirs", defaultRedirects, "redirects to follow at most")
	f.VarP(&w.tls, "ssl", "S", "use TLS; 1.3+ is that version or a newer one, 1.2 that version only")
	f.Lookup("ssl").NoOptDefVal = "true"
	w.trust.flags(f)
	f.StringVarP(&w.certFile, "client-cert", "J", "", "show this certificate (PEM file)")
	f.StringVarP(&w.keyFile, "private-key", "K", "", "and this is its key (PEM file)")
	f.VarP(&w.certDays, "certificate", "C", "warning if the certificate expires within so many days; 14,7 also fails within 7")
	for _, name := range []string{"sni", "continue-after-certificate"} {
		f.Bool(name, false, "")
		_ = f.MarkHidden(name) // what they ask for is always done
	}
	return w
}

// rewriteHTTP makes -f follow and -S1.2, as getopt has them, our -f=follow and -S=1.2.
func rewriteHTTP(args []string) []string {
	var ours []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case (arg == "-f" || arg == "--onredirect") && i+1 < len(args) && new(redirectPolicy).Set(args[i+1]) == nil:
			i++
			arg += "=" + args[i]
		case len(arg) > 2 && strings.HasPrefix(arg, "-S") && arg[2] >= '0' && arg[2] <= '9':
			arg = "-S=" + arg[2:]
		}
		ours = append(ours, arg)
	}
	return ours
}

// look asks for the page and judges the answer.
func (w *web) look(ctx context.Context) outcome {
	if err := w.page.prepare(); err != nil {
		return w.call.misused(err)
	}
	if w.bareAuth != "" {
		return w.call.misused(fmt.Errorf("-a: %w with --auth-file", errBareSecret))
	}
	client, err := w.client()
	if err != nil {
		return broken(err)
	}
	req, err := w.request(ctx)
	if isOwn(err) {
		return broken(err)
	}
	if err != nil {
		return w.call.misused(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return w.noAnswer(ctx, err)
	}
	defer resp.Body.Close()
	return w.judge(ctx, resp)
}

// judge makes an outcome of an answer: its status first, then its headers and what is in the page.
func (w *web) judge(ctx context.Context, resp *http.Response) outcome {
	o := w.statuses.judge(resp.StatusCode)
	o.text = fmt.Sprintf("%s answered %s", where(resp.Request.URL), quote(resp.Status))
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		o.text += " to " + quote(shownURL(to))
		if len(w.statuses.ranges) == 0 {
			o.exit = w.redirects.exit()
		}
	}
	if w.inHeader != "" {
		if !headerHas(resp.Header, w.inHeader) {
			o.exit, o.text = exitFail, o.text+", but "+quote(w.inHeader)+" is not in its headers"
			return o
		}
		o.text += " with " + quote(w.inHeader) + " in its headers"
	}
	if w.page.wanted() {
		page := w.page.look(resp.Body)
		if page.outcome.exit == exitFail && page.err != nil {
			return w.cutOff(ctx, o.text, page)
		}
		o.text += page.outcome.text
		o.exit = max(o.exit, page.outcome.exit) // ok, warning and fail are in this order
		o.perf = append(o.perf, page.outcome.perf...)
	}
	took, perf := w.call.took()
	o.text += " in " + span(took)
	o.perf = append([]string{perf}, o.perf...)
	return w.slow.judge(took, w.expiry(resp.TLS, o))
}

// headerHas tells whether the text is in a line of the header, written "Name: value".
func headerHas(h http.Header, text string) bool {
	for name, values := range h {
		for _, v := range values {
			if strings.Contains(name+": "+v, text) {
				return true
			}
		}
	}
	return false
}
