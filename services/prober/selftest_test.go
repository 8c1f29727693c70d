package prober

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/prober/plugin"
)

// TestAPluginThatCannotWorkIsNotOffered: the node says so from its first word on, and abstains, until the plugin works.
func TestAPluginThatCannotWorkIsNotOffered(t *testing.T) {
	t.Parallel()
	s := &stage{
		t: t, bus: bustest.New(t, 1).Bus(0), dir: t.TempDir(),
		results: make(chan events.Result, 1000), presence: make(chan events.Presence, 1000),
	}
	s.plugin("web", "echo FAIL no answer")
	s.plugin("web.selftest", "[ -e "+s.dir+"/library ] && echo OK || echo FAIL no library")
	s.hear()
	var log safeBuffer
	p, err := New(Options{Bus: s.bus, Node: "tokyo", Site: "japan", PluginDirs: []string{s.dir}, Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	p.again = 50 * time.Millisecond
	ended := make(chan error, 1)
	go func() { ended <- p.Run(t.Context()) }() // t's context ends before its clean-ups
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})

	pr := s.said()
	if len(pr.Plugins) != 0 || len(pr.Withheld) != 1 || pr.Withheld[0].Plugin != "web" || !strings.Contains(pr.Withheld[0].Why, "no library") {
		t.Errorf("its first word: %+v", pr)
	}
	s.job("one", "web", time.Minute)
	if r := s.result("one"); r.Status != events.Unknown || !strings.HasPrefix(r.Output, Withheld) || !strings.Contains(r.Output, "no library") {
		t.Errorf("%s %q: want it to abstain", r.Status, r.Output)
	}
	if n := strings.Count(log.String(), "check_web does not work on this node"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
	if err := os.WriteFile(filepath.Join(s.dir, "library"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for !slices.Contains(pr.Plugins, "web") {
		pr = s.said()
	}
	if len(pr.Withheld) != 0 || !strings.Contains(log.String(), "works on this node again") {
		t.Errorf("%+v\n%s", pr, log.String())
	}
	s.job("two", "web", time.Minute)
	if r := s.result("two"); r.Status != events.Fail {
		t.Errorf("%s %q: want it to look", r.Status, r.Output)
	}
}

// safeBuffer is a log that is read while it is written.
type safeBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestDefaultLimits: what the environment says by default is what package plugin says.
func TestDefaultLimits(t *testing.T) {
	e, err := proc.Load(nil, "here")
	if err != nil || Limits(&e) != plugin.DefaultLimits {
		t.Errorf("%+v, %v: want %+v", Limits(&e), err, plugin.DefaultLimits)
	}
}
