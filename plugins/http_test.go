package plugins

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
)

// site is a web server with a page for each way to answer.
func site() http.Handler {
	mux := http.NewServeMux()
	for _, code := range []int{200, 204, 401, 404, 500, 503} {
		mux.HandleFunc(fmt.Sprintf("/%d", code), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s from %s with %q", r.Host, r.UserAgent(), r.Header.Get("X-Test"))
	})
	mux.Handle("/moved", http.RedirectHandler("/hello", http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	mux.HandleFunc("/huge", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/stalls", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "begin")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	return mux
}

func portOfURL(t *testing.T, s string) string {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

func TestHTTPStatus(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(site())
	t.Cleanup(srv.Close)
	port := portOfURL(t, srv.URL)
	cases := []struct {
		rule string
		args string
		exit int
		want string
	}{
		{"200 is ok", "-u /200", exitOK, `http://127.0.0.1:` + port + ` answered "200 OK" in `},
		{"so is 204", "-u /204", exitOK, "204 No Content"},
		{"a redirect is ok, and told", "-u /moved", exitOK, `answered "302 Found" to "/hello"`},
		{"404 is a warning", "-u /404", exitWarning, "404 Not Found"},
		{"500 fails", "-u /500", exitFail, "500 Internal Server Error"},
		{"503 fails", "-u /503", exitFail, "503 Service Unavailable"},
		{"--status decides", "-u /404 --status 404", exitOK, "404 Not Found"},
		{"a class of them", "-u /401 -e 2xx,4xx", exitOK, "401 Unauthorized"},
		{"and fails what isn't listed", "-u /200 -e 201-,3xx", exitUnknown, "want status codes"},
		{"200 can be wrong", "-u /200 -e 401", exitFail, "200 OK"},
		{"--follow goes where it is sent", "-u /moved -f -s hello", exitOK, `"200 OK" with "hello"`},
		{"but not for ever", "-u /loop -f", exitFail, "more than 10 redirects"},
		{"the page has the string", "-u /hello -s dmonitor", exitOK, `with "dmonitor"`},
		{"the page lacks it", "-u /hello -s goodbye", exitFail, `but "goodbye" is not in the page`},
		{"an endless page is read up to a limit", "-u /huge -s x", exitFail, `is not in the page`},
		{"an endless page is no matter without a string", "-u /huge", exitOK, "200 OK"},
		{"a page that stalls", "-u /stalls -s end -t 2", exitFail, `the page stopped before "end"`},
		{"headers are sent", "-u /hello -k X-Test:here -s here", exitOK, `with "here"`},
		{"a virtual host by name", "-H vhost.example -I 127.0.0.1 -u /hello -s vhost.example", exitOK, `with "vhost.example"`},
		{"a virtual host by header", "-k Host:other.example -u /hello -s other.example", exitOK, `with "other.example"`},
		{"a path without its slash", "-u hello", exitUnknown, "want one that starts with /"},
		{"a header without its colon", "-k Hello", exitUnknown, "want Name: value"},
		{"slow is a warning", "-u /200 -w 1ns", exitWarning, "slower than"},
		{"slow does not better a fail", "-u /500 -w 1ns", exitFail, "500"},
		{"too slow is a fail", "-u /404 -c 1ns", exitFail, "slower than"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"-p", port}, strings.Fields(c.args)...)
			exit, out := try(t, map[string]string{"DMONITOR_HOST": "127.0.0.1"}, "check_http", args...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
}

// What is no web server, or half of one, fails with what it did.
func TestHTTPBroken(t *testing.T) {
	t.Parallel()
	cases := []struct {
		rule string
		talk func(net.Conn)
		exit int
		want string
	}{
		{"silence", silent, exitFail, "connected, but no sign of an answer to the request within"},
		{"hanging up", heard, exitFail, "closed the connection instead of an answer"},
		{"a reset", heardReset, exitFail, "connection reset by peer"},
		{"another protocol", says("SSH-2.0-OpenSSH\r\n"), exitFail, "malformed HTTP response"},
		{"endless headers", func(c net.Conn) {
			says("HTTP/1.1 200 OK\r\n")(nopReader{c})
			endless("X-A: " + strings.Repeat("a", 500) + "\r\n")(c)
		}, exitFail, "exceeded 65536 bytes"},
		{"a status line that paints", says("HTTP/1.1 200 \x1b[31m|\u202e OK\r\nContent-Length: 0\r\n\r\n"), exitOK, `"200 \x1b[31m\x7c\u202e OK"`},
		{"a page cut short", quits("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhel"), exitFail, "the page broke off before"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			args := []string{"127.0.0.1", "-p", serve(t, c.talk)}
			if c.rule == "silence" {
				args = append(args, "-t", "2")
			}
			if strings.Contains(c.want, "page") {
				args = append(args, "-s", "hello")
			}
			exit, out := try(t, nil, "check_http", args...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
	t.Run("a closed port", func(t *testing.T) {
		t.Parallel()
		exit, out := try(t, nil, "check_http", "127.0.0.1", "-p", closedPort(t))
		expect(t, exit, out, exitFail, "connect to 127.0.0.1 port")
	})
}

// nopReader writes and never reads, so that "says" returns at once.
type nopReader struct{ net.Conn }

func (nopReader) Read([]byte) (int, error) { return 0, net.ErrClosed }

// heardOf counts reads.
type heardOf struct {
	net.Conn
	reads int
}

func (c *heardOf) Read([]byte) (int, error)    { c.reads++; return 0, net.ErrClosed }
func (c *heardOf) Write(p []byte) (int, error) { return len(p), nil }
func (c *heardOf) Close() error                { return nil }

// Nothing is heard before something was said, or the connection closed.
func TestPolite(t *testing.T) {
	for name, end := range map[string]func(net.Conn){
		"write": func(c net.Conn) { _, _ = c.Write([]byte("GET /")) },
		"close": func(c net.Conn) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := new(heardOf)
				c := &polite{Conn: far, spoken: make(chan struct{})}
				go func() { _, _ = c.Read(nil) }()
				synctest.Wait()
				if far.reads != 0 {
					t.Error("it listened first")
				}
				end(c)
				end(c) // again: harmless
				synctest.Wait()
				if far.reads != 1 {
					t.Errorf("%d reads, want 1", far.reads)
				}
			})
		})
	}
}
