package bus_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// A client reads its credentials file anew whenever it connects: what can't be used is told with what to do, again and again
// tried, and what is put in its place is taken. It isn't taken if it is somebody else's: the client has a name.
func TestCredentialsAreReadAnew(t *testing.T) {
	t.Parallel()
	ring, other := bustest.NewRing(t), bustest.NewRing(t)
	c := bustest.Keyed(t, func() *key.Ring { return ring })
	path := filepath.Join(t.TempDir(), "creds")
	put := func(r *key.Ring, name string, expires time.Time) {
		t.Helper()
		text, _, err := r.Mint(events.CredentialProber, name, time.Now(), expires)
		must(t, err)
		must(t, os.WriteFile(path+".new", text, 0o600))
		must(t, os.Rename(path+".new", path))
	}
	put(other, "tokyo-1", time.Time{})
	var log logBuffer
	b, err := bus.Open(within(t), bus.Options{
		URL: c.Bus(0).ClientURL(), Creds: path, Plain: true, Node: "tokyo-1", Log: zerolog.New(&log),
	})
	must(t, err)
	t.Cleanup(func() { must(t, b.Close(within(t))) })
	until := func(what string, holds func() bool) {
		t.Helper()
		for end := time.Now().Add(bustest.Patience); !holds(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not seen: %s; the log:\n%s", what, log.String())
			}
		}
	}
	until("that it is refused, and the remedy", func() bool {
		return strings.Contains(log.String(), "of another cluster") && strings.Contains(log.String(), path)
	})
	put(ring, "osaka-1", time.Time{})
	until("that these are somebody else's", func() bool { return b.Refused() != nil && strings.Contains(b.Refused().Error(), "osaka-1") })
	if b.Conn().IsConnected() {
		t.Error("tokyo-1 is connected as osaka-1")
	}
	put(ring, "tokyo-1", time.Now().Add(time.Hour))
	until("the connection", b.Conn().IsConnected)
	if n := strings.Count(log.String(), "don't trust each other"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A client that was never connected says why, and what to do, as loudly as one that was; and that it is over.
func TestNeverConnectedSaysWhy(t *testing.T) {
	t.Parallel()
	ring := bustest.NewRing(t)
	c := bustest.Keyed(t, func() *key.Ring { return ring })
	put := func(path string, expires time.Time) {
		t.Helper()
		text, _, err := ring.Mint(events.CredentialProber, "tokyo-1", time.Now().Add(-2*time.Hour), expires)
		must(t, err)
		must(t, os.WriteFile(path+".new", text, 0o600))
		must(t, os.Rename(path+".new", path))
	}
	for name, has := range map[string]struct {
		creds bool
		dead  string // a further member, which is away
		says  string // the error
	}{
		"expired credentials":                     {true, "", "the credentials have expired, on "},
		"expired, and another member is away":     {true, ",nats://127.0.0.1:1", "the credentials have expired, on "},
		"no credentials":                          {false, "", "set DMONITOR_BUS_CREDS"},
		"no credentials, another member is away":  {false, ",nats://127.0.0.1:1", "set DMONITOR_BUS_CREDS"},
		"expired, and two other members are away": {true, ",nats://127.0.0.1:1,nats://127.0.0.1:2", "the credentials have expired, on "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logBuffer
			o := bus.Options{URL: c.Bus(0).ClientURL() + has.dead, Plain: true, Node: "tokyo-1", Log: zerolog.New(&log).Level(zerolog.InfoLevel)}
			if has.creds {
				o.Creds = filepath.Join(t.TempDir(), "creds")
				put(o.Creds, time.Now().Add(-time.Hour))
			}
			b, err := bus.Open(within(t), o)
			must(t, err)
			t.Cleanup(func() { must(t, b.Close(within(t))) })
			ready := make(chan error, 1)
			ctx, stop := context.WithCancel(within(t))
			go func() { ready <- b.Ready(ctx) }()
			eventually(t, "an error with the remedy", func() bool {
				return strings.Contains(log.String(), `"level":"error"`) && strings.Contains(log.String(), has.says)
			})
			if !has.creds {
				stop()
				<-ready
				if err := b.Ready(ctx); err == nil || !strings.Contains(err.Error(), "not connected: ") || !strings.Contains(err.Error(), "unknown authority") {
					t.Errorf("ready: %v, want why it isn't connected", err)
				}
				return
			}
			defer stop()
			put(o.Creds, time.Time{})
			must(t, <-ready)
			eventually(t, "that it is connected", func() bool {
				return strings.Contains(log.String(), `"level":"info","message":"connected to the bus"`) && b.Refused() == nil
			})
			if n := strings.Count(log.String(), "don't trust each other"); n != 1 {
				t.Errorf("logged %d times:\n%s", n, log.String())
			}
		})
	}
}
