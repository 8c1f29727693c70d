package host

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen, on a machine however busy.
const patience = 30 * time.Second

const anyPort = "127.0.0.1:0"

// start runs a host until the test ends.
func start(t *testing.T, o Options) *Host {
	t.Helper()
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return h
}

func dial(t *testing.T, addr string) (net.Conn, error) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err == nil {
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
	}
	return conn, err
}

// hello connects and returns what an SSH client sees.
func hello(t *testing.T, addr string) (net.Conn, string, error) {
	t.Helper()
	conn, err := dial(t, addr)
	if err != nil {
		return nil, "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return conn, line, err
}

func refused(t *testing.T, addr string) {
	t.Helper()
	if _, err := dial(t, addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect to %s: %v, want connection refused", addr, err)
	}
}

func isReset(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an open connection: %v, want connection reset", err)
	}
}

// Down refuses new connections and resets open ones, on every port; Up brings the same ports back. Again and again.
func TestDownAndUp(t *testing.T) {
	t.Parallel()
	h := start(t, Options{HTTPListen: anyPort, SSHListen: anyPort})
	for range 5 {
		conn, line, err := hello(t, h.SSHAddr())
		if err != nil || line != Greeting {
			t.Fatalf("up: %q, %v", line, err)
		}
		page, err := dial(t, h.HTTPAddr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(page, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(page), nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("page: %v, %v", resp, err)
		}
		resp.Body.Close()
		h.Down()
		h.Down() // twice is once
		refused(t, h.SSHAddr())
		refused(t, h.HTTPAddr())
		isReset(t, conn)
		isReset(t, page)
		if up, _ := h.IsUp(); up {
			t.Error("IsUp while down")
		}
		if err := errors.Join(h.Up(), h.Up()); err != nil {
			t.Fatal(err)
		}
	}
}

// While the host is down its ports stay its own: nobody else can listen there, and Up finds them free.
func TestPortIsHeldWhileDown(t *testing.T) {
	t.Parallel()
	h := start(t, Options{SSHListen: anyPort})
	h.Down()
	if l, err := net.Listen("tcp", h.SSHAddr()); err == nil {
		l.Close()
		t.Error("somebody else could take the port")
	}
	if _, err := New(Options{SSHListen: h.SSHAddr()}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second host on the port: %v, want address in use", err)
	}
	if err := h.Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{SSHListen: h.SSHAddr()}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second host on the port: %v, want address in use", err)
	}
}

// The cycle goes down and up by itself.
func TestCycle(t *testing.T) {
	t.Parallel()
	h := start(t, Options{HTTPListen: anyPort, UpFor: 20 * time.Millisecond, DownFor: 20 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 3 {
		if err := errors.Join(h.Wait(ctx, false), h.Wait(ctx, true)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := start(t, Options{SSHListen: anyPort})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Wait(over, true); err != nil {
		t.Errorf("what is so needs no time: %v", err)
	}
	if err := h.Wait(over, false); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v, want that of the context", err)
	}
}

// A host that was given back lets others have its ports.
func TestPortsAreGivenBack(t *testing.T) {
	h, err := New(Options{HTTPListen: anyPort, SSHListen: anyPort})
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Run(over); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{h.HTTPAddr(), h.SSHAddr()} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Error(err)
			continue
		}
		l.Close()
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]Options{
		"no address":     {},
		"both, or neith": {SSHListen: anyPort, UpFor: time.Second},
		"demo host: ssh": {SSHListen: "nonsense"},
		"demo host: htt": {SSHListen: anyPort, HTTPListen: "127.0.0.1:99999"},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want %q", err, want)
		}
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	h := start(t, Options{SSHListen: anyPort})
	srv := httptest.NewServer(h.Control())
	t.Cleanup(srv.Close)
	ask := func(method, path, origin string) (int, State) {
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var s State
		_ = json.NewDecoder(resp.Body).Decode(&s)
		return resp.StatusCode, s
	}
	if code, s := ask("GET", "/", ""); code != 200 || !s.Up || s.Since.IsZero() {
		t.Errorf("GET /: %d %+v", code, s)
	}
	if code, s := ask("POST", "/down", ""); code != 200 || s.Up {
		t.Errorf("POST /down: %d %+v", code, s)
	}
	refused(t, h.SSHAddr())
	if code, s := ask("POST", "/up", ""); code != 200 || !s.Up {
		t.Errorf("POST /up: %d %+v", code, s)
	}
	if code, _ := ask("POST", "/down", "http://elsewhere.example"); code != http.StatusForbidden {
		t.Errorf("another site's page could take the host down: %d", code)
	}
	if code, _ := ask("GET", "/down", ""); code != http.StatusMethodNotAllowed {
		t.Errorf("GET /down: %d", code)
	}
}
