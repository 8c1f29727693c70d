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

// TestLimits: the defaults grow with the machine and with what runs at once; what the environment says is taken, 0 too.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		environ           []string
		gib               uint64
		memory, processes uint64
	}{
		{nil, 0, 1 << 30, 32 * 80},
		{nil, 16, 1 << 30, 32 * 80},
		{nil, 64, 4 << 30, 32 * 80}, // a Java runtime takes 1 GiB there at once
		{[]string{"DMONITOR_CONCURRENCY=200"}, 1, 1 << 30, 32 * 250},
		{[]string{"DMONITOR_CONCURRENCY=1"}, 1, 1 << 30, 1024},
		{[]string{"DMONITOR_CONCURRENCY=200", "DMONITOR_PLUGIN_MEMORY=100", "DMONITOR_PLUGIN_PROCESSES=50"}, 64, 100 << 20, 50},
		{[]string{"DMONITOR_PLUGIN_MEMORY=0", "DMONITOR_PLUGIN_PROCESSES=0"}, 64, 0, 0},
	} {
		e, err := proc.Load(c.environ, "here")
		if got := Limits(&e, c.gib<<30); err != nil || got.Memory != c.memory || got.Processes != c.processes || got.Files != 1024 {
			t.Errorf("%v, %d GiB: %+v, %v", c.environ, c.gib, got, err)
		}
	}
	p, err := New(Options{Bus: bustest.New(t, 1).Bus(0), Node: "n", PluginDirs: []string{"/"}, Concurrency: 200})
	if err != nil || p.o.Limits.Processes != 32*250 {
		t.Errorf("%v: by default %+v", err, p.o.Limits)
	}
	if plugin.MachineMemory() < 1<<26 {
		t.Errorf("this machine has %d bytes of memory", plugin.MachineMemory())
	}
}
