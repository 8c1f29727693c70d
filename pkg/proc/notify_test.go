package proc

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// manager is a service manager's socket: it collects what it is told.
func manager(t *testing.T, watchdog time.Duration) *lines {
	t.Helper()
	addr := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", addr)
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(watchdog.Microseconds(), 10))
	told := &lines{}
	go func() {
		for buf := make([]byte, 4096); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			_, _ = told.Write(append(buf[:n:n], '\n'))
		}
	}()
	return told
}

// supervised runs a node with one part until the test ends or stop is called.
func supervised(t *testing.T, nodes []string, part Part) (stop func(), log *lines) {
	t.Helper()
	log = &lines{}
	listen := freeAddr(t)
	if nodes != nil {
		listen = nodes[0]
	}
	e, err := Load([]string{
		"DMONITOR_NODE=one", "DMONITOR_LISTEN=" + listen, "DMONITOR_NODES=" + strings.Join(nodes, ","),
		"DMONITOR_CLIENT_LISTEN=127.0.0.1:0", "DMONITOR_HTTP_LISTEN=off", "DMONITOR_DATA=" + t.TempDir(), "DMONITOR_CONFIG=" + t.TempDir(),
	}, "vm")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p, err := Start(ctx, e, zerolog.New(log))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := p.Run(ctx, func(*Process) (Part, error) { return part, nil }); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop, log
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(waiting); !is(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for this: %s", what)
		}
	}
}

func idle(ctx context.Context) error { <-ctx.Done(); return nil }

// TestNotify: the service manager hears that the process is up, what runs in it, again and again that it lives, and that
// it stops.
func TestNotify(t *testing.T) {
	told := manager(t, 400*time.Millisecond)
	stop, _ := supervised(t, nil, Part{Name: "scribe", Run: idle})
	eventually(t, "ready", func() bool { return len(told.with("READY=1")) == 1 })
	eventually(t, "its parts", func() bool { return len(told.with("STATUS=running: scribe\n")) > 0 })
	eventually(t, "that it lives", func() bool { return len(told.with("WATCHDOG=1")) > 3 })
	if early := told.with("STOPPING=1"); len(early) > 0 {
		t.Errorf("said that it stops before it did")
	}
	stop()
	eventually(t, "that it stops", func() bool { return len(told.with("STOPPING=1")) == 1 })
	if again := told.with("READY=1"); len(again) != 1 {
		t.Errorf("said %d times that it is ready", len(again))
	}
}

// TestNotifyWithoutOthers: the first node of a cluster is up, and says for whom it waits.
func TestNotifyWithoutOthers(t *testing.T) {
	told := manager(t, 400*time.Millisecond)
	nodes := []string{freeAddr(t), freeAddr(t)}
	supervised(t, nodes, Part{Name: "scribe", AwaitsLog: true, Run: idle})
	eventually(t, "ready", func() bool { return len(told.with("READY=1")) == 1 })
	eventually(t, "for whom it waits", func() bool {
		return len(told.with("STATUS=waiting for the log of outages: no answer from "+nodes[1])) > 0
	})
	if early := told.with("STATUS=running"); len(early) > 0 {
		t.Errorf("said %q", early)
	}
	alive := len(told.with("WATCHDOG=1"))
	eventually(t, "that it lives while it waits", func() bool { return len(told.with("WATCHDOG=1")) > alive+3 })
}

// TestNotifyStuck: who has answered once and then doesn't is stuck, and nothing more is said to live until it moves; one
// that never has is starting.
func TestNotifyStuck(t *testing.T) {
	told := manager(t, 400*time.Millisecond)
	var moves, asked atomic.Int32
	_, log := supervised(t, nil, Part{Name: "scribe", Run: idle, Alive: func(ctx context.Context) error {
		asked.Add(1)
		if moves.Load() == 1 {
			return nil
		}
		return errors.New("it sleeps")
	}})
	eventually(t, "that it lives while it starts", func() bool { return asked.Load() > 3 && len(told.with("WATCHDOG=1")) > 3 })
	moves.Store(1)
	from := asked.Load()
	eventually(t, "that it lives", func() bool { return asked.Load() > from+2 })
	moves.Store(2)
	from = asked.Load()
	eventually(t, "that it is stuck", func() bool {
		return asked.Load() > from+1 && len(told.with("STATUS=stuck: scribe does not answer: it sleeps")) > 0
	})
	fed := len(told.with("WATCHDOG=1"))
	from = asked.Load()
	eventually(t, "to be asked again", func() bool { return asked.Load() > from+5 })
	if now := len(told.with("WATCHDOG=1")); now != fed {
		t.Errorf("said %d times that it lives while it was stuck", now-fed)
	}
	if n := len(log.with("something stands still")); n != 1 {
		t.Errorf("logged %d times that something stands still", n)
	}
	moves.Store(1)
	eventually(t, "that it lives again", func() bool { return len(told.with("WATCHDOG=1")) > fed })
}

// TestNotifyServer: a bus in this process that doesn't answer is stuck, too.
func TestNotifyServer(t *testing.T) {
	told := manager(t, 400*time.Millisecond)
	var bus atomic.Pointer[Process]
	e, err := Load([]string{
		"DMONITOR_NODE=one", "DMONITOR_LISTEN=" + freeAddr(t), "DMONITOR_CLIENT_LISTEN=127.0.0.1:0", "DMONITOR_HTTP_LISTEN=off",
		"DMONITOR_DATA=" + t.TempDir(), "DMONITOR_CONFIG=" + t.TempDir(),
	}, "vm")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p, err := Start(ctx, e, zerolog.Nop())
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Run(ctx, func(p *Process) (Part, error) { bus.Store(p); return Part{Name: "scribe", Run: idle}, nil })
	}()
	t.Cleanup(func() { cancel(); <-ended })
	eventually(t, "that it lives", func() bool { return len(told.with("WATCHDOG=1")) > 1 })
	bus.Load().Bus.Conn().Close() // the server may be there, but nothing reaches it
	eventually(t, "that it is stuck", func() bool { return len(told.with("STATUS=stuck: the bus in this process does not answer")) > 0 })
}

// TestNotifyNobody: without a service manager nothing is said, and nobody is asked.
func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		newSupervisor(zerolog.Nop()).watch(t.Context(), nil, nil, nil) // there is nothing that could be asked
	}()
	await(t, "the watch to end by itself", ended)
}
