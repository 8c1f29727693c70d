package plugins

import (
	"context"
	"io"
	"log"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// try runs a plugin as the world does and returns its exit code and its whole output, whose form it checks.
func try(t *testing.T, env map[string]string, name string, args ...string) (int, string) {
	t.Helper()
	var out strings.Builder
	exit := Run(t.Context(), name, args, func(k string) string { return env[k] }, &out)
	checkForm(t, exit, out.String())
	return exit, out.String()
}

// checkForm checks what every output must be: a first line that agrees with the exit code under the plugin contract, no
// control characters, and not long.
func checkForm(t *testing.T, exit int, out string) {
	t.Helper()
	line, _, ok := strings.Cut(out, "\n")
	if !ok || line == "" {
		t.Errorf("output %q: want a first line", out)
	}
	if line == "OK" || strings.HasPrefix(line, "FAIL ") != (exit == exitFail) {
		t.Errorf("exit %d with first line %q: they don't agree", exit, line)
	}
	text, _, _ := strings.Cut(line, " | ")
	if len(text) > maxText+len("UNKNOWN …") || len(out) > 8<<10 {
		t.Errorf("line of %d bytes, output of %d: too long", len(text), len(out))
	}
	if strings.Count(line, "|") > 1 {
		t.Errorf("line %q: more than one bar", line)
	}
	for _, r := range strings.ReplaceAll(out, "\n", "") {
		if r < ' ' || r == 0x7f || r == '\u202e' || r == '\ufffd' {
			t.Errorf("output %q: has %q", out, r)
		}
	}
}

// expect is one row of a table: what the output must be.
func expect(t *testing.T, exit int, out string, wantExit int, want string) {
	t.Helper()
	if exit != wantExit || !strings.Contains(out, want) {
		t.Errorf("exit %d, output %q\nwant %d and %q", exit, out, wantExit, want)
	}
}

// serve answers every connection with talk, and returns the port on 127.0.0.1. Connections are closed when talk returns
// and, at the latest, when the test ends.
func serve(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				talk(conn)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		l.Close()
		all.Wait()
	})
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// Ways to talk.

func silent(c net.Conn)     { _, _ = io.Copy(io.Discard, c) }
func closing(net.Conn)      {}
func heard(c net.Conn)      { _, _ = c.Read(make([]byte, 4096)) }
func reset(c net.Conn)      { _ = c.(*net.TCPConn).SetLinger(0) }
func heardReset(c net.Conn) { heard(c); reset(c) }
func says(s string) func(c net.Conn) {
	return func(c net.Conn) { _, _ = io.WriteString(c, s); silent(c) }
}
func quits(s string) func(c net.Conn) { return func(c net.Conn) { _, _ = io.WriteString(c, s) } }

// endless says the same for ever.
func endless(s string) func(c net.Conn) {
	return func(c net.Conn) {
		for {
			if _, err := io.WriteString(c, s); err != nil {
				return
			}
		}
	}
}

// closedPort is a port on 127.0.0.1 that refuses connections and can't be given to anyone else during the test: it is
// bound, but nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(sa.(*syscall.SockaddrInet4).Port)
}

// quiet is where servers in tests log what clients did on purpose.
var quiet = log.New(io.Discard, "", 0)
