package round

import (
	"container/heap"
	"time"
)

// Next returns when the state needs a tick, false if it needs none.
func Next(s *State) (time.Time, bool) {
	if len(s.timers) == 0 {
		return time.Time{}, false
	}
	return s.timers[0].wake, true
}

// expire does what has become due: deadlines of rounds, proposals to be tried again, checks that have gone blind.
func (s *State) expire(now time.Time) {
	for len(s.timers) > 0 && !s.timers[0].wake.After(now) {
		c := s.timers[0]
		if r := c.round; r != nil && !r.decided && !r.deadline.After(now) {
			s.dismiss(c, now)
		}
		if p := c.pending; p != nil && !p.flying && !p.retry.After(now) {
			s.propose(c)
		}
		if p := c.pending; p != nil && !p.say.After(now) {
			s.complain(c, now)
		}
		if c.def != nil {
			s.watch(c, now)
		}
		s.schedule(c)
	}
}

// schedule puts the check where it belongs among the timers. It is called after each change of what wakes a check.
func (s *State) schedule(c *check) {
	var wake time.Time
	sooner := func(t time.Time) {
		if wake.IsZero() || t.Before(wake) {
			wake = t
		}
	}
	if c.round != nil && !c.round.decided {
		sooner(c.round.deadline)
	}
	if c.pending != nil && !c.pending.flying {
		sooner(c.pending.retry)
	}
	if c.pending != nil && c.def != nil {
		sooner(c.pending.say)
	}
	if c.def != nil && !c.blind && !c.short.IsZero() {
		sooner(c.short.Add(patience(c.def)))
	}
	c.wake = wake
	switch {
	case wake.IsZero() && c.slot >= 0:
		heap.Remove(&s.timers, c.slot)
	case wake.IsZero():
	case c.slot >= 0:
		heap.Fix(&s.timers, c.slot)
	default:
		heap.Push(&s.timers, c)
	}
}

// timers is a heap of the checks that need a tick, the soonest first; of two at the same time the one that sorts first.
type timers []*check

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	if !t[i].wake.Equal(t[j].wake) {
		return t[i].wake.Before(t[j].wake)
	}
	return compareChecks(t[i].Check, t[j].Check) < 0
}

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].slot, t[j].slot = i, j
}

func (t *timers) Push(x any) {
	c := x.(*check)
	c.slot = len(*t)
	*t = append(*t, c)
}

func (t *timers) Pop() any {
	last := len(*t) - 1
	c := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	c.slot = -1
	return c
}
