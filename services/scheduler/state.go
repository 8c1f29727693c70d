package scheduler

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/scheduler/plan"
)

// state is what a plan is made of, and the plan. A plan is made where the change was heard, not by who publishes: it
// takes some milliseconds for thousands of checks, and jobs would be late by as much.
type state struct {
	mu      sync.Mutex // guards what follows
	checks  []events.Definition
	present plan.Present

	now atomic.Pointer[version]
}

// version is a plan and how one learns that it is out of date.
type version struct {
	*plan.Plan
	replaced chan struct{} // closed when there is a newer one
}

func newState() *state {
	s := &state{}
	s.now.Store(&version{plan.New(nil, nil), make(chan struct{})})
	return s
}

func (s *state) plan() *version { return s.now.Load() }

func (s *state) setChecks(checks []events.Definition) {
	s.change(func() bool { s.checks = checks; return true })
}

func (s *state) hear(p events.Presence, now time.Time) {
	s.change(func() bool { return s.present.Hear(p, now) })
}

func (s *state) sweep(now time.Time) {
	s.change(func() bool { return s.present.Sweep(now) })
}

// change makes a change and, if it was one, a new plan.
func (s *state) change(do func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !do() {
		return
	}
	old := s.now.Swap(&version{plan.New(s.checks, s.present.Nodes()), make(chan struct{})})
	close(old.replaced)
}
