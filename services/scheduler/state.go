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
	known   bool                // checks are what the nodes say together
	local   []events.Definition // what this node's directory says
	alone   bool                // local is in force as long as nothing is known
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
	s.change(func() bool { s.checks, s.known = checks, true; return true })
}

// setLocal takes in what this node's directory says.
func (s *state) setLocal(checks []events.Definition) {
	s.change(func() bool { s.local = checks; return s.standIn() })
}

// goAlone puts what this node's directory says in force, until something is known of what the nodes say together. It
// returns false if that is known.
func (s *state) goAlone() bool {
	s.change(func() bool { s.alone = true; return s.standIn() })
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.known
}

// standIn tells whether it has put the directory's checks in force. The caller holds the lock.
func (s *state) standIn() bool {
	if s.known || !s.alone {
		return false
	}
	s.checks = s.local
	return true
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
