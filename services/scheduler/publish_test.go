package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/scheduler/plan"
)

// recorder takes jobs as the bus does, and notes when.
type recorder struct {
	mu   sync.Mutex
	jobs []events.Job
	late []time.Duration
	fail error
	each func() // called with every job
}

func (r *recorder) Publish(m events.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.each != nil {
		r.each()
	}
	if r.fail != nil {
		return r.fail
	}
	j := m.(*events.Job)
	r.jobs = append(r.jobs, *j)
	r.late = append(r.late, time.Since(j.Due))
	return nil
}

func (r *recorder) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]string, len(r.jobs))
	for i, j := range r.jobs {
		out[i] = j.ID
	}
	return out
}

func definition(host string, interval time.Duration, nodes ...string) events.Definition {
	return events.Definition{
		Run:      events.Run{Check: events.Check{Host: host, Test: "ssh"}, Plugin: "ssh", Timeout: events.Millis(50 * time.Millisecond)},
		Interval: events.Millis(interval), Agree: 1, Nodes: nodes,
	}
}

// knowing makes a state that knows these checks and nodes.
func knowing(checks []events.Definition, nodes ...string) *state {
	s := newState()
	s.setChecks(checks)
	for _, n := range nodes {
		s.hear(events.Presence{Node: n}, time.Now())
	}
	return s
}

// start runs a publisher until stop is called.
func start(s *state, out outlet) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = (&publisher{state: s, out: out, log: zerolog.Nop(), rare: zerolog.Nop()}).run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

var threeChecks = []events.Definition{
	definition("a.example.com", 100*time.Millisecond),
	definition("b.example.com", time.Second),
	definition("c.example.com", 300*time.Millisecond, "tokyo"),
}

// TestPublish: from the moment it starts, exactly what the plan says is published, none of it late.
func TestPublish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var r recorder
		stop := start(knowing(threeChecks, "tokyo", "paris"), &r)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		stop()
		want := plan.New(threeChecks, []string{"paris", "tokyo"}).Take(began, time.Now())
		if len(want) < 250 {
			t.Fatalf("the plan has %d jobs only", len(want))
		}
		for i, id := range r.ids() {
			if i >= len(want) || id != want[i].ID {
				t.Fatalf("job %d is %s; published %d, the plan has %d", i, id, len(r.jobs), len(want))
			}
		}
		if len(r.jobs) != len(want) {
			t.Errorf("%d jobs, want %d", len(r.jobs), len(want))
		}
		if worst := slices.Max(r.late); worst != 0 {
			t.Errorf("late by %v", worst)
		}
	})
}

// TestPublishTwice: two publishers that learned of checks and nodes in different order publish the same ids.
func TestPublishTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a, b recorder
		reversed := slices.Clone(threeChecks)
		slices.Reverse(reversed)
		stopA := start(knowing(threeChecks, "tokyo", "paris"), &a)
		stopB := start(knowing(reversed, "paris", "tokyo"), &b)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		stopA()
		stopB()
		if got, want := a.ids(), b.ids(); len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("one published %d, the other %d: %v, %v", len(got), len(want), got, want)
		}
	})
}

// TestPublishChanges: a new check, a node that comes and one that goes count at once, in the middle of a sleep.
func TestPublishChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		s := knowing(nil)
		stop := start(s, &r)
		defer stop()
		step := func(what string, want map[string]int) {
			t.Helper()
			r.mu.Lock()
			r.jobs = nil
			r.mu.Unlock()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			got := map[string]int{}
			for _, j := range r.jobs {
				got[j.Host+" "+j.Node]++
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: got %v, want %v", what, got, want)
			}
		}
		step("nothing", map[string]int{})
		s.setChecks([]events.Definition{definition("a", 200*time.Millisecond)})
		step("a check and nobody to look", map[string]int{})
		time.Sleep(300 * time.Millisecond) // in the middle of its sleep, not when it wakes anyway
		s.hear(events.Presence{Node: "tokyo"}, time.Now())
		step("a node", map[string]int{"a tokyo": 10})
		s.setChecks([]events.Definition{definition("a", 200*time.Millisecond), definition("b", time.Second)})
		step("another check", map[string]int{"a tokyo": 10, "b tokyo": 2})
		s.hear(events.Presence{Node: "paris"}, time.Now())
		step("another node", map[string]int{"a tokyo": 10, "b tokyo": 2, "a paris": 10, "b paris": 2})
		s.setChecks([]events.Definition{definition("a", 400*time.Millisecond)})
		step("an edit and a removal", map[string]int{"a tokyo": 5, "a paris": 5})
		s.hear(events.Presence{Node: "tokyo", Leaving: true}, time.Now())
		step("a node leaves", map[string]int{"a paris": 5})
		s.sweep(time.Now())
		time.Sleep(2 * time.Second)
		s.sweep(time.Now())
		step("a node fell silent", map[string]int{})
	})
}

// TestPublishFails: jobs that the bus doesn't take are dropped, not kept for later; and a batch is given up in the
// middle when the lease is lost.
func TestPublishFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := recorder{fail: errors.New("no connection")}
		stop := start(knowing(threeChecks, "tokyo"), &r)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r.mu.Lock()
		r.fail = nil
		r.mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		if n := len(r.jobs); n < 14 || n > 15 {
			t.Errorf("%d jobs in the second after the connection was back, want 14 or 15", n)
		}

		var many []events.Definition
		for i := range 1000 {
			many = append(many, definition(fmt.Sprintf("h%d", i), 100*time.Millisecond))
		}
		ctx, cancel := context.WithCancel(context.Background())
		lost := recorder{each: cancel}
		_ = (&publisher{state: knowing(many, "tokyo"), out: &lost, log: zerolog.Nop(), rare: zerolog.Nop()}).run(ctx)
		if n := len(lost.jobs); n != 1 {
			t.Errorf("%d jobs published after the lease was lost", n-1)
		}
	})
}

// TestPublishOversleeps: a process with nothing to do, on a machine that wakes it somewhat late, takes that for no jump
// of the clock.
func TestPublishOversleeps(t *testing.T) {
	t.Parallel()
	p := plan.New([]events.Definition{definition("a", time.Hour)}, []string{"tokyo"})
	for _, p := range []*plan.Plan{p, plan.New(nil, nil)} {
		now := time.Unix(1, 0)
		cursor := plan.NewCursor(now)
		late := untilNext(p, cursor.At(), now) * 3 / 2
		if _, jump := cursor.Take(p, now.Add(late)); jump != 0 {
			t.Errorf("woken after %v: jump %v", late, jump)
		}
	}
}
