package scheduler

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/scheduler/plan"
)

// echo hands on what is published to a keeper too, as the bus does.
type echo struct {
	recorder
	to func(events.Job)
}

func (e *echo) Publish(m events.Message) error {
	err := e.recorder.Publish(m)
	if j := m.(*events.Job); err == nil && j.Node == "paris" {
		e.to(*j)
	}
	return err
}

// keep runs a keeper for paris until stop is called; the outlet hears itself.
func keep(s *state, log *logLines) (k *keeper, out *echo, stop func()) {
	out = &echo{}
	k = &keeper{state: s, out: out, log: zerolog.New(log), rare: zerolog.New(log), own: plan.NewOwn("paris", time.Now())}
	out.to = k.hear
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.run(ctx) }()
	return k, out, func() { cancel(); <-done }
}

// TestKeeper: a node whose jobs nobody orders orders them itself, in time, with the ids they would have anyway, and says
// so once; as long as somebody does it is silent, and it falls silent again.
func TestKeeper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := knowing(threeChecks, "tokyo", "paris")
		log := &logLines{}
		_, out, stop := keep(s, log)
		defer stop()
		phase := func(lasts time.Duration) []events.Job {
			out.mu.Lock()
			out.jobs, out.late = nil, nil
			out.mu.Unlock()
			time.Sleep(lasts)
			synctest.Wait()
			out.mu.Lock()
			defer out.mu.Unlock()
			return out.jobs
		}
		jobs := phase(10 * time.Second)
		planned := map[string]bool{}
		want := 0
		for _, j := range s.plan().Of("paris").Take(began, began.Add(time.Minute)) {
			planned[j.ID] = true
			if j.Due.Before(began.Add(10*time.Second - plan.Grace - keepEvery)) {
				want++
			}
		}
		if len(jobs) < want || want < 90 {
			t.Errorf("%d jobs, want %d", len(jobs), want)
		}
		for i, j := range jobs {
			if !planned[j.ID] {
				t.Errorf("%s is not planned", j.ID)
			}
			if late := out.late[i]; late < plan.Grace || late > plan.Grace+keepEvery {
				t.Errorf("%s came after %v", j.ID, late)
			}
		}

		unlead := start(s, out)
		phase(2 * time.Second) // some of what was due before is still missing
		jobs = phase(20 * time.Second)
		unlead()
		seen := map[string]bool{}
		for _, j := range jobs {
			if seen[j.ID] {
				t.Errorf("%s is ordered twice", j.ID)
			}
			seen[j.ID] = true
		}
		if jobs = phase(2 * time.Second); len(jobs) == 0 {
			t.Error("nothing is ordered after the one who led has stopped")
		}
		if alone, over := log.count("nobody orders this node's looks"), log.count("by a leading scheduler again"); alone != 2 || over != 1 {
			t.Errorf("told %d times that nobody orders, want 2, and %d times that it is over, want 1", alone, over)
		}
	})
}

// TestKeeperChanges: the checks of the moment count, and so does whether there is a prober; what can't be published is
// lost, and that is told now and then only.
func TestKeeperChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newState()
		log := &logLines{}
		k, out, stop := keep(s, log)
		defer stop()
		step := func(what string, want map[string]int) {
			t.Helper()
			time.Sleep(2 * time.Second) // what was due before
			out.mu.Lock()
			out.jobs = nil
			out.mu.Unlock()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			got := map[string]int{}
			for _, j := range out.jobs {
				got[j.Host+" "+j.Node]++
			}
			for who := range got {
				if want[who] == 0 {
					t.Errorf("%s: got %v, want %v", what, got, want)
				}
			}
			for who, n := range want {
				if d := got[who] - n; d < -1 || d > 1 { // which of them fall into the two seconds is up to the ticks
					t.Errorf("%s: got %v, want %v", what, got, want)
				}
			}
		}
		fail := func(err error) {
			out.mu.Lock()
			defer out.mu.Unlock()
			out.fail = err
		}
		ours := []events.Definition{definition("a", 200*time.Millisecond)}
		s.setLocal(ours)
		s.hear(events.Presence{Node: "paris"}, time.Now())
		step("nothing is known yet", map[string]int{})
		if !s.goAlone() {
			t.Error("something is known")
		}
		step("alone", map[string]int{"a paris": 10})
		s.setLocal([]events.Definition{definition("a", time.Second)})
		step("alone, after an edit", map[string]int{"a paris": 2})
		s.setChecks([]events.Definition{definition("b", 400*time.Millisecond), definition("c", time.Second, "tokyo")})
		s.setLocal(ours)
		step("what all say", map[string]int{"b paris": 5})
		if s.goAlone() {
			t.Error("nothing is known")
		}
		s.hear(events.Presence{Node: "paris", Leaving: true}, time.Now())
		step("no prober", map[string]int{})

		s.hear(events.Presence{Node: "paris"}, time.Now())
		fail(errors.New("no connection"))
		step("no bus", map[string]int{})
		fail(nil)
		step("the bus again", map[string]int{"b paris": 5})
		k.mu.Lock()
		defer k.mu.Unlock()
		if n := log.count("jobs can't be published"); n == 0 {
			t.Error("nothing was said of jobs that could not be published")
		}
	})
}

// TestKeeperTells: that a node orders its looks itself is told once, however seldom they are, until somebody else does.
func TestKeeperTells(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := knowing([]events.Definition{definition("a", 20*time.Second)}, "paris")
		log := &logLines{}
		_, out, stop := keep(s, log)
		defer stop()
		told := func(when string, alone, over int) {
			t.Helper()
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if n, m := log.count("nobody orders this node's looks"), log.count("by a leading scheduler again"); n != alone || m != over {
				t.Errorf("%s: told %d and %d times, want %d and %d", when, n, m, alone, over)
			}
		}
		told("nobody leads", 1, 0)
		unlead := start(s, out)
		told("somebody leads", 1, 1)
		unlead()
		told("nobody leads again", 2, 1)
	})
}
