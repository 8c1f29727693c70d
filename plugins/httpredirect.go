package plugins

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// redirectPolicy is what to make of a redirect; empty is "ok".
type redirectPolicy string

// redirectError is a redirect that is not to be followed: the host's fault.
type redirectError struct{ error }

// Set implements pflag.Value. "true" and "false" are from when this was a switch.
func (r *redirectPolicy) Set(s string) error {
	known := []string{"ok", "warning", "critical", "follow", "host", "sticky", "stickyport"}
	switch s {
	case "true":
		s = "follow"
	case "false":
		s = "ok"
	}
	if !slices.Contains(known, s) {
		return fmt.Errorf("%s: want one of %s", quote(s), strings.Join(known, ", "))
	}
	*r = redirectPolicy(s)
	return nil
}

// String implements pflag.Value.
func (r *redirectPolicy) String() string { return string(*r) }

// Type implements pflag.Value; it names the value in --help.
func (r *redirectPolicy) Type() string { return "policy" }

// sticky tells whether redirects change the request but not whom it goes to.
func (r *redirectPolicy) sticky() bool { return *r == "sticky" || *r == "stickyport" }

// follows tells whether redirects are followed at all.
func (r *redirectPolicy) follows() bool { return *r == "follow" || *r == "host" || r.sticky() }

// exit is what a redirect that isn't followed means.
func (r *redirectPolicy) exit() int {
	switch *r {
	case "warning":
		return exitWarning
	case "critical":
		return exitFail
	}
	return exitOK
}

// redirect is asked before each redirect is followed.
func (w *web) redirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case !w.redirects.follows():
		return http.ErrUseLastResponse
	case uint(len(via)) > w.max:
		return redirectError{fmt.Errorf("more than %d redirects, the last to %s", w.max, quote(shownURL(req.URL.String())))}
	case w.redirects == "host" && !strings.EqualFold(req.URL.Hostname(), first.URL.Hostname()) &&
		!strings.EqualFold(req.URL.Hostname(), hostOf(first)):
		return redirectError{fmt.Errorf("redirect to another host, %s", quote(shownURL(req.URL.String())))}
	}
	if first.URL.Scheme == "https" && req.URL.Scheme != "https" {
		req.Header.Del("Authorization") // a password that had TLS around it isn't for everybody on the way
	}
	w.waitFor(connection)
	return nil
}

// hostOf is the name of the host that a request names in its Host header, without port.
func hostOf(req *http.Request) string {
	u := *req.URL
	u.Host = orElse(req.Host, u.Host)
	return u.Hostname()
}
