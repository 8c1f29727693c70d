package host

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
)

func newTestPath(t *testing.T, to string) *Path {
	t.Helper()
	p, err := NewPath(to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Cutting one path breaks that one only, at both kinds of connections; Restore mends it.
func TestCutBreaksOnePath(t *testing.T) {
	t.Parallel()
	h := start(t, Options{SSHListen: anyPort})
	a, b := newTestPath(t, h.SSHAddr()), newTestPath(t, h.SSHAddr())
	for range 3 {
		conn, line, err := hello(t, a.Addr())
		if err != nil || line != Greeting {
			t.Fatalf("through the path: %q, %v", line, err)
		}
		a.Cut()
		a.Cut()
		refused(t, a.Addr())
		isReset(t, conn)
		if _, line, err := hello(t, b.Addr()); err != nil || line != Greeting {
			t.Errorf("through the other path: %q, %v", line, err)
		}
		if err := a.Restore(); err != nil {
			t.Fatal(err)
		}
	}
}

// Through a path, a host that is down gives no answer.
func TestPathToHostThatIsDown(t *testing.T) {
	t.Parallel()
	h := start(t, Options{SSHListen: anyPort})
	p := newTestPath(t, h.SSHAddr())
	conn, _, err := hello(t, p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	h.Down()
	isReset(t, conn)
	if _, line, err := hello(t, p.Addr()); line != "" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("down: %q, %v, want connection reset", line, err)
	}
	if err := h.Up(); err != nil {
		t.Fatal(err)
	}
	if _, line, err := hello(t, p.Addr()); err != nil || line != Greeting {
		t.Errorf("up again: %q, %v", line, err)
	}
}

// A path carries every byte both ways, and a polite end.
func TestPathCarriesEverything(t *testing.T) {
	t.Parallel()
	echo, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		conn, err := echo.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	})
	t.Cleanup(all.Wait)
	t.Cleanup(func() { echo.Close() })
	conn, err := dial(t, newTestPath(t, echo.Addr().String()).Addr())
	if err != nil {
		t.Fatal(err)
	}
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent)
	all.Go(func() {
		if _, err := conn.Write(sent); err != nil {
			t.Error(err)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
	})
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(sent), err)
	}
}

func TestPathToNowhere(t *testing.T) {
	t.Parallel()
	if _, err := NewPath("nonsense"); err == nil {
		t.Error("a path to no address was taken")
	}
}
