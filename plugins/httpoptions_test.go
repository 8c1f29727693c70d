package plugins

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shop is a web server that looks at what it is asked.
func shop(elsewhere string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/lines", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-State", "warm and dry")
		fmt.Fprint(w, "first line\nQueue: 17\nlast line\n")
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s [%s] of %q by %s", r.Method, body, r.Header.Get("Content-Type"), r.UserAgent())
	})
	mux.HandleFunc("/private", func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		if name == "mon" && password == "s:cret" || r.Header.Get("Authorization") == "Bearer abc" {
			fmt.Fprint(w, "welcome")
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.Handle("/away", http.RedirectHandler(elsewhere, http.StatusFound))
	mux.Handle("/here", http.RedirectHandler("/lines", http.StatusFound))
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(forever{}, 3<<20))
	})
	mux.HandleFunc("/half", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half a page")
	})
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "<%s>", r.Header.Get("Authorization")) })
	return mux
}

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }

func TestHTTPOptions(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(shop(""))
	t.Cleanup(other.Close)
	srv := httptest.NewUnstartedServer(shop("http://localhost:" + portOfURL(t, other.URL) + "/who"))
	srv.Config.ErrorLog = quiet
	srv.Start()
	t.Cleanup(srv.Close)
	port := portOfURL(t, srv.URL)
	secret := func(text string) string {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	basic := secret("mon:s:cret\n")
	open := secret("mon:s:cret\n")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		rule string
		args string
		exit int
		want string
	}{
		{"a range of status codes", "-u /lines -e 200-299", exitOK, "200 OK"},
		{"a status line as Nagios has it", "-u|/lines|-e|HTTP/1.1 200 OK", exitOK, "200 OK"},
		{"--expect is --status", "-u /lines --expect 404", exitFail, "200 OK"},
		{"a range the wrong way round", "-e 299-200", exitUnknown, "want status codes"},
		{"a regular expression", "-u|/lines|-r|Queue: [0-9]+$", exitOK, `and "Queue: 17"`},
		{"which fails", "-u|/lines|-r|Queue: [0-9]$", exitFail, `nothing in the page matches "Queue: [0-9]$"`},
		{"capitals count", "-u|/lines|--ereg|queue", exitFail, "nothing in the page matches"},
		{"or not", "-u|/lines|-R|queue: ", exitOK, `and "Queue: "`},
		{"it stays in its line", "-u|/lines|-r|first.*last", exitFail, "nothing in the page matches"},
		{"or not", "-u|/lines|-l|-r|first.*last", exitOK, `and "first line\nQueue: 17\nlast"`},
		{"inverted, and there", "-u|/lines|-r|Queue: 1.|--invert-regex", exitFail, `the page has "Queue: 17", which matches`},
		{"inverted, and not there", "-u|/lines|-r|Error|--invert-regex", exitOK, `nothing that matches "Error"`},
		{"inverted on half a page", "-u|/half|-r|Error|--invert-regex", exitFail, "the page broke off before its end"},
		{"inverted without", "--invert-regex", exitUnknown, "need -r or -R"},
		{"two of them", "-r a -R b", exitUnknown, "only one of -r and -R"},
		{"a bad one", "-r (", exitUnknown, "regular expression \"(\": "},
		{"a huge one", "-r " + strings.Repeat("a", 2000), exitUnknown, "of 2000 bytes"},
		{"a string that must not be there", "-u /lines --not-string Queue", exitFail, `"Queue" is in the page`},
		{"and isn't", "-u /lines -s first --not-string Fatal", exitOK, `with "first" without "Fatal"`},
		{"both wanted, one lacks", "-u /lines -s second --not-string Fatal", exitFail, `but "second" is not in the page`},
		{"a header", "-u|/lines|-d|X-State: warm", exitOK, `with "X-State: warm" in its headers`},
		{"a header that isn't there", "-u|/lines|-d|cold", exitFail, `but "cold" is not in its headers`},
		{"a page of the right size", "-u /lines -m 10:100", exitOK, "size=31B;10:100;;0"},
		{"too small", "-u /lines -m 100", exitWarning, "but only 31 bytes"},
		{"too large, read no further than it takes", "-u /bytes -m 10:2000000", exitWarning, "but more than 2000000 bytes"},
		{"larger than what is searched", "-u /bytes -m 3000000", exitOK, "size=3000000B"},
		{"searched and measured", "-u|/bytes|-m|3000000|--not-string|x", exitOK, `without "x" in`},
		{"a size that makes no sense", "-m 10:5", exitUnknown, "want bytes"},
		{"a size of a broken page", "-u /half -m 50", exitFail, "broke off before its end"},
		{"a body", "-u|/echo|-P|a=b&c|-s|POST [a=b&c] of \"application/x-www-form-urlencoded\"", exitOK, "with"},
		{"of another kind", "-u|/echo|-P|{}|-T|application/json|-s|POST [{}] of \"application/json\"", exitOK, "with"},
		{"another method with it", "-u|/echo|-j|PUT|-P|x|-s|PUT [x]", exitOK, "with"},
		{"a name for us", "-u|/echo|-A|robot 7|-s|by robot 7", exitOK, "with"},
		{"by a header as well", "-u|/echo|-k|User-Agent: robot 8|-s|by robot 8", exitOK, "with"},
		{"HEAD has no page", "-j HEAD -u /lines", exitOK, "200 OK"},
		{"logged in", "-u /private -s welcome --auth-file " + basic, exitOK, "200 OK"},
		{"not logged in", "-u /private", exitWarning, "401"},
		{"with a bearer's token", "-u /private -s welcome --auth-file " + secret("Bearer abc\r\n"), exitOK, "200 OK"},
		{"a file with neither", "--auth-file " + secret("hello\n"), exitUnknown, `neither "user:password" nor "Bearer TOKEN"`},
		{"a file that everybody can read", "--auth-file " + open, exitUnknown, "everybody on this node can get at it (mode 0644)"},
		{"no file", "--auth-file /dev/null", exitUnknown, "should be in a regular file"},
		{"by its other name", "-u /private -s welcome --login-file " + basic, exitOK, "200 OK"},
		{"an empty file", "--auth-file " + secret("\nmon:x"), exitUnknown, "is empty"},
		{"a file that isn't there", "--auth-file /nonexistent", exitUnknown, "this node can't tell: read the password"},
		{"a password among the arguments", "-a mon:s:cret", exitUnknown, "put it into a file and name that with --auth-file"},
		{"a redirect that warns", "-u /here -f warning", exitWarning, `"302 Found" to "/lines"`},
		{"a redirect that fails", "-u /here -f critical", exitFail, "302 Found"},
		{"unless its status is what is wanted", "-u /here -f critical -e 302", exitOK, "302 Found"},
		{"a redirect followed, as Nagios writes it", "-f follow -u /here -s Queue", exitOK, "200 OK"},
		{"by a switch", "--follow -u /here -s Queue", exitOK, "200 OK"},
		{"and not", "--follow=false -u /here", exitOK, "302 Found"},
		{"a policy nobody knows", "--onredirect=perhaps", exitUnknown, "want one of ok, warning"},
		{"on the same host", "-f host -u /here", exitOK, "200 OK"},
		{"to another host", "-f host -u /away", exitFail, `redirect to another host, "http://localhost:`},
		{"to another host, followed", "-f -u /away", exitOK, "http://localhost:" + portOfURL(t, other.URL)},
		{"a password stays at home", "-f -u /away -s <> --auth-file " + basic, exitOK, `with "<>"`},
		{"another host's name, the same address", "-f stickyport -u /away -s <>", exitOK, "http://localhost:"},
		{"no redirects left", "-f --max-redirs 0 -u /here", exitFail, "more than 0 redirects"},
		{"TLS of a version", "-S1.2+ -t 5", exitFail, "does not speak TLS but plain HTTP"},
		{"SSL of old", "-S3", exitUnknown, "is not spoken here"},
		{"a version nobody knows", "--ssl=1.4", exitUnknown, "want one such as 1.2"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			sep := " "
			if strings.Contains(c.args, "|") {
				sep = "|"
			}
			args := append([]string{"-p", port}, strings.Split(c.args, sep)...)
			exit, out := try(t, map[string]string{"DMONITOR_HOST": "127.0.0.1"}, "check_http", args...)
			expect(t, exit, out, c.exit, c.want)
			if strings.Contains(out, "s:cret") {
				t.Errorf("%q tells a password", out)
			}
		})
	}
}

// A server that wants a newer TLS, or to know who asks.
func TestHTTPSVersions(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	old, modern, closed := httptest.NewUnstartedServer(site()), httptest.NewUnstartedServer(site()), httptest.NewUnstartedServer(site())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	modern.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	clients := x509.NewCertPool()
	clients.AddCert(ca.cert)
	closed.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	for _, s := range []*httptest.Server{old, modern, closed} {
		s.Config.ErrorLog = quiet
		s.StartTLS()
		t.Cleanup(s.Close)
	}
	key := newKey(t)
	mine := sign(t, &x509.Certificate{NotAfter: ca.cert.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, ca.cert, key, ca.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	both := filepath.Join(t.TempDir(), "me.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: mine.Raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	if err := os.WriteFile(both, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		rule string
		srv  *httptest.Server
		args string
		exit int
		want string
	}{
		{"new enough", old, "-S1.2+", exitOK, "200 OK"},
		{"too old", old, "-S=1.3+", exitFail, "the TLS handshake failed: "},
		{"exactly", modern, "--ssl=1.3", exitOK, "200 OK"},
		{"too new", modern, "--ssl=1.2", exitFail, "the TLS handshake failed: it said "},
		{"days to go", old, "-C 36500,36400", exitFail, "its certificate expires in "},
		{"one bound of days", old, "-C 36500", exitWarning, "its certificate expires in "},
		{"bounds the wrong way round", old, "-C 7,14", exitUnknown, "want more for the warning"},
		{"with a certificate of our own", closed, "-J " + both, exitOK, "200 OK"},
		{"and without", closed, "", exitFail, "it said "},
		{"one that isn't there", closed, "-J /nonexistent -K " + both, exitUnknown, "this node can't tell: read the certificate to show"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"127.0.0.1", "--insecure", "-u", "/200", "-p", portOfURL(t, c.srv.URL)}, strings.Fields(c.args)...)
			exit, out := try(t, nil, "check_https", args...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
}

// A password that TLS protected isn't sent without it after a redirect on the same host.
func TestHTTPSPasswordStaysProtected(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(shop(""))
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(shop(plain.URL + "/who"))
	t.Cleanup(secure.Close)
	file := filepath.Join(t.TempDir(), "login")
	if err := os.WriteFile(file, []byte("mon:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"127.0.0.1", "-p", portOfURL(t, secure.URL), "--insecure", "--auth-file", file, "-f"}
	exit, out := try(t, nil, "check_https", append(args, "-u", "/who", "-s", "<Basic ")...)
	expect(t, exit, out, exitOK, "200 OK")
	exit, out = try(t, nil, "check_https", append(args, "-u", "/away", "-s", "<>")...)
	expect(t, exit, out, exitOK, "http://127.0.0.1:")
}

// Whatever options say, values that are taken make sense.
func FuzzHTTPOptions(f *testing.F) {
	for _, s := range []string{"200,3xx", "100-999", "HTTP/1.1 200 OK", "5xx-6xx", "1:2", ":", "14,7", "NaN", "1e9", "1.2+", "true+", "follow"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var l statusList
		if l.Set(s) == nil {
			for _, r := range l.ranges {
				if r[0] < 100 || r[1] < r[0] || r[1] > 999 {
					t.Errorf("status %q: %v", s, l.ranges)
				}
			}
		}
		var z sizeRange
		if z.Set(s) == nil && (z.min < 0 || z.max < 0 || z.max > 0 && z.max < z.min) {
			t.Errorf("size %q: %v", s, z)
		}
		var d dayBounds
		if d.Set(s) == nil && !(d.warn >= 0 && d.warn <= maxDays && d.crit >= 0 && d.crit <= d.warn) {
			t.Errorf("days %q: %v", s, d)
		}
		var u tlsUse
		if u.Set(s) == nil && u.max != 0 && u.max < u.min {
			t.Errorf("TLS %q: %v", s, u)
		}
		var r redirectPolicy
		if r.Set(s) == nil && r.follows() && r.exit() != exitOK {
			t.Errorf("redirects %q: %v", s, r)
		}
	})
}
