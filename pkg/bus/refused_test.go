package bus_test

import (
	"bytes"
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
