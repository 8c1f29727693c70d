package prober

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// TestOverload gives a node many times more than it can run. What must hold: nothing waits without bound, every order is
// answered once, run or not, what is not run is counted, confirmations are looked at all the same, and the bus and the
// node's presence go on meanwhile. When it is over all is as before.
func TestOverload(t *testing.T) {
	const (
		flood    = maxWaiting + 1000
		interval = 5 * time.Second
	)
	s := setStage(t, 2)
	s.plugin("slow", "sleep 0.2; echo OK")
	got := collect(s)
	ctx, stop := context.WithCancel(t.Context())
	var watch sync.WaitGroup
	watch.Go(func() { watchMetrics(ctx, t, s.metrics) })
	watch.Go(func() { roundTrips(ctx, t, s.bus) })
	defer watch.Wait()
	defer stop()

	for i := range flood {
		s.jobOn(fmt.Sprintf("j%d", i), fmt.Sprintf("h%d", i), "slow", interval)
	}
	for i := range 5 {
		asked := time.Now()
		s.confirmation(fmt.Sprintf("c%d", i), "slow", "tokyo")
		r := got.wait(t, fmt.Sprintf("c%d~tokyo", i))
		if r.Status != events.OK || time.Since(asked) > run("slow").Timeout.Duration()+r.Elapsed.Duration() {
			t.Errorf("a confirmation in an overload: %s %q after %v", r.Status, r.Output, time.Since(asked))
		}
	}
	await(t, "every job is answered", func() bool { return got.len() == flood+5 })
	ran, waited, noRoom := 0, 0, 0
	for id, r := range got.all() {
		switch {
		case strings.HasPrefix(id, "c"):
		case r.Status == events.OK:
			ran++
		case r.Status != events.Unknown:
			t.Errorf("%s: %s %q", id, r.Status, r.Output)
		case strings.HasPrefix(r.Output, Dropped+" (waited "):
			waited++
		case strings.HasPrefix(r.Output, Dropped+" (too many"):
			noRoom++
		}
	}
	t.Logf("%d jobs: %d ran, %d waited too long, %d found no room", flood, ran, waited, noRoom)
	if ran == 0 || ran*10 > flood || waited == 0 || noRoom == 0 {
		t.Error("that is no overload, or too little was run")
	}
	p := s.saidThat("nothing runs any more", func(p events.Presence) bool { return p.Running == 0 })
	if late := uint64(waited + noRoom); p.Late != late || value(t, s.metrics, "dmonitor_jobs_late_total", "") != float64(late) {
		t.Errorf("%d were dropped; presence says %d, the metric %v", late, p.Late, value(t, s.metrics, "dmonitor_jobs_late_total", ""))
	}
	for name, want := range map[string]int{"ok": ran + 5, "unknown": waited + noRoom, "fail": 0} {
		if n := value(t, s.metrics, "dmonitor_results_total", name); n != float64(want) {
			t.Errorf("%v results are %s, want %d", n, name, want)
		}
	}

	s.plugin("web", "echo OK")
	s.jobOn("after", "h1", "web", events.MaxInterval)
	if r := got.wait(t, "after"); r.Status != events.OK {
		t.Errorf("afterwards: %s %q", r.Status, r.Output)
	}
	if again := s.said(); again.Late != p.Late {
		t.Errorf("late has grown from %d to %d after it was over", p.Late, again.Late)
	}
	if got.doubles() > 0 {
		t.Errorf("%d orders were answered twice", got.doubles())
	}
}

// watchMetrics looks all the time at what is said to run and to wait.
func watchMetrics(ctx context.Context, t *testing.T, r *prometheus.Registry) {
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		running, waiting := value(t, r, "dmonitor_plugins_running", ""), value(t, r, "dmonitor_jobs_waiting", "")
		if running > 3 || waiting > maxWaiting+5 {
			t.Errorf("%v plugins run and %v orders wait", running, waiting)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// roundTrips sends messages to itself on the prober's own connection, and presences of another node at that, since such
// a node is believed to be gone after events.PresenceTimeout.
func roundTrips(ctx context.Context, t *testing.T, b *bus.Bus) {
	back := make(chan events.Presence, 1)
	sub, err := bus.Subscribe(b, events.PresenceSubject("paris"), func(p events.Presence) { back <- p })
	if err != nil {
		t.Error(err)
		return
	}
	defer sub.Stop()
	for n := uint64(1); ctx.Err() == nil; n++ {
		if err := b.Publish(&events.Presence{Node: "paris", Site: "paris", Version: "v9", Instance: "x", Late: n}); err != nil {
			t.Error(err)
			return
		}
		select {
		case p := <-back:
			if p.Late != n {
				t.Errorf("message %d came back as %d", n, p.Late)
			}
		case <-time.After(events.PresenceTimeout):
			t.Errorf("message %d was not back after %v", n, events.PresenceTimeout)
			return
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// value reads one metric.
func value(t *testing.T, r *prometheus.Registry, name, status string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Error(err)
		return 0
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (status == "" || m.GetLabel()[0].GetValue() == status) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Errorf("no metric %s %s", name, status)
	return 0
}

// answers are the results that came, by id.
type answers struct {
	mu    sync.Mutex
	byID  map[string]events.Result
	twice int
}

// collect takes the stage's results from now on.
func collect(s *stage) *answers {
	a := &answers{byID: map[string]events.Result{}}
	end := make(chan struct{})
	s.t.Cleanup(func() { close(end) })
	go func() {
		for {
			select {
			case r := <-s.results:
				a.mu.Lock()
				if _, known := a.byID[r.ID]; known {
					a.twice++
				}
				a.byID[r.ID] = r
				a.mu.Unlock()
			case <-end:
				return
			}
		}
	}()
	return a
}

func (a *answers) len() int { return len(a.all()) }

func (a *answers) doubles() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.twice
}

func (a *answers) all() map[string]events.Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.byID)
}

func (a *answers) wait(t *testing.T, id string) (r events.Result) {
	t.Helper()
	await(t, "result "+id, func() (ok bool) {
		r, ok = a.all()[id]
		return ok
	})
	return r
}
