package plan

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

const minute = time.Minute

// story is some time in the life of one node, paris, in steps of 20 ms of true time since epoch. Somebody else holds the
// lease; a prober of the node runs each id once, as far as it remembers.
type story struct {
	name     string
	interval time.Duration // of the one check, a minute if zero
	lasts    time.Duration

	clock  func(at time.Duration) time.Duration // how far this node's clock is ahead
	theirs func(at time.Duration) time.Duration // how far the holder's is
	holds  func(at time.Duration) bool          // somebody holds the lease
	takes  time.Duration                        // a job's way
	asleep func(at time.Duration) bool          // this node's process stands still
	plan   func(at time.Duration) *Plan         // this node's
	plans  func(at time.Duration) *Plan         // the holder's

	own [2]int        // so many times it has to order a look itself, at least and at most
	gap time.Duration // the longest that it may be without a look
}

// account is what came of it, in true time.
type account struct {
	looks []time.Duration // when the prober ran something
	own   []time.Duration // when this node ordered something
	seen  map[string]time.Duration
}

func always(d time.Duration) func(time.Duration) time.Duration {
	return func(time.Duration) time.Duration { return d }
}

func from(at, d time.Duration) func(time.Duration) time.Duration {
	return func(now time.Duration) time.Duration {
		if now >= at {
			return d
		}
		return 0
	}
}

func until(end time.Duration) func(time.Duration) bool {
	return func(at time.Duration) bool { return at < end }
}

func before(end, d time.Duration) func(time.Duration) time.Duration {
	return func(at time.Duration) time.Duration { return d - from(end, d)(at) }
}

func but(pause, lasts time.Duration) func(time.Duration) bool {
	return func(at time.Duration) bool { return at < pause || at > pause+lasts }
}

func never(time.Duration) bool { return false }

// longest is the longest time between two looks, the beginning and the end included.
func (a *account) longest(s *story) time.Duration {
	last, longest := time.Duration(0), time.Duration(0)
	for _, at := range append(a.looks, s.lasts) {
		longest = max(longest, at-last)
		last = at
	}
	return longest
}

func (a *account) run(j events.Job, at time.Duration) {
	if was, ok := a.seen[j.ID]; ok && at-was < knownFor {
		return
	}
	a.seen[j.ID] = at
	a.looks = append(a.looks, at)
}

func (s *story) tell() *account {
	a := &account{seen: map[string]time.Duration{}}
	wall := func(at time.Duration) time.Time { return epoch.Add(at + s.clock(at)) }
	own := NewOwn("paris", wall(0))
	var planned *Plan
	var holder *Cursor
	type late struct {
		events.Job
		at time.Duration
	}
	var way []late
	for at := time.Duration(0); at <= s.lasts; at += Grid {
		now := epoch.Add(at) // a monotonic clock
		if !s.holds(at) {
			holder = nil
		} else {
			if holder == nil {
				holder = NewCursor(now.Add(s.theirs(at)))
			}
			jobs, _ := holder.Take(s.plans(at), now.Add(s.theirs(at)))
			for _, j := range jobs {
				if j.Node == "paris" {
					way = append(way, late{j, at + s.takes})
				}
			}
		}
		if s.asleep(at) {
			continue
		}
		for len(way) > 0 && way[0].at <= at {
			own.Heard(way[0].Job, now, wall(at))
			a.run(way[0].Job, at)
			way = way[1:]
		}
		if p := s.plan(at); p != planned {
			own.Use(p, now, wall(at))
			planned = p
		}
		if at%(200*time.Millisecond) != 0 {
			continue
		}
		for _, j := range own.Missing(now, wall(at)) {
			a.own = append(a.own, at)
			a.run(j, at)
			own.Heard(j, now, wall(at)) // it hears itself, too
		}
	}
	return a
}
