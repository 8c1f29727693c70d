package proc

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// waiting is many times what anything here takes: machines are busy.
const waiting = 2 * time.Minute

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// with returns the lines that have a text.
func (l *lines) with(text string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, text) {
			out = append(out, line)
		}
	}
	return out
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// runNode runs a process with one part that awaits the log. Started is closed when the part begins.
func runNode(t *testing.T, name, listen string, nodes []string) (started chan struct{}, log *lines) {
	t.Helper()
	log = &lines{}
	e, err := Load([]string{
		"DMONITOR_NODE=" + name, "DMONITOR_LISTEN=" + listen, "DMONITOR_NODES=" + strings.Join(nodes, ","),
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
	p.patience = 3 * time.Second
	started = make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- p.Run(ctx, func(*Process) (Part, error) {
			return Part{Name: "part", AwaitsLog: true, Run: func(ctx context.Context) error {
				close(started)
				<-ctx.Done()
				return nil
			}}, nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})
	return started, log
}

func await(t *testing.T, what string, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(waiting):
		t.Fatalf("waited in vain for %s", what)
	}
}

// TestAwaitsLog: a part starts without a majority, after one warning that says for whom the log waits; the log comes when
// the other member does, and is told of.
func TestAwaitsLog(t *testing.T) {
	t.Parallel()
	nodes := []string{freeAddr(t), freeAddr(t)}
	started, log := runNode(t, "one", nodes[0], nodes)
	await(t, "the part to start alone", started)
	warnings := log.with("starting without the log of outages")
	if len(warnings) != 1 || !strings.Contains(warnings[0], "no answer from "+nodes[1]) || !strings.Contains(warnings[0], `"level":"warn"`) {
		t.Errorf("warned %q, want once, naming %s", warnings, nodes[1])
	}
	if told := log.with("can be written, after"); len(told) != 0 {
		t.Errorf("told that the log is there: %q", told)
	}
	other, _ := runNode(t, "two", nodes[1], nodes)
	await(t, "the other's part to start", other)
	for end := time.Now().Add(waiting); len(log.with("can be written, after")) == 0; <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log is not told of:\n%s", strings.Join(log.with(""), ""))
		}
	}
	if again := log.with("starting without"); len(again) != 1 {
		t.Errorf("warned %d times", len(again))
	}
}

// TestAwaitsLogThatIsThere: a node that is alone has its log at once, and is told nothing of waiting.
func TestAwaitsLogThatIsThere(t *testing.T) {
	t.Parallel()
	started, log := runNode(t, "alone", freeAddr(t), nil)
	await(t, "the part to start", started)
	if told := append(log.with("starting without"), log.with("can be written, after")...); len(told) > 0 {
		t.Errorf("told %q", told)
	}
}
