package trouble

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// sight is what is known of the checks that too few sites are able to judge.
type sight struct {
	blind    map[events.Check]*blindness
	presumed map[events.Check]bool // listed by the open trouble, and not seen either way
	clear    time.Time             // since when none is blind or presumed to be
}

// blindness of one check.
type blindness struct {
	events.BlindCheck
	since time.Time
}

func (c *sight) add(b events.BlindCheck, now time.Time) {
	delete(c.presumed, b.Check)
	if old := c.blind[b.Check]; old != nil {
		old.BlindCheck = b
		return
	}
	c.blind[b.Check] = &blindness{b, now}
}

func (c *sight) drop(name events.Check, now time.Time) {
	if c.blind[name] == nil && !c.presumed[name] {
		return
	}
	delete(c.blind, name)
	delete(c.presumed, name)
	c.clear = now
}

func (c *sight) configured(checks map[events.Check]events.Definition, now time.Time) {
	for name := range c.blind {
		if _, ok := checks[name]; !ok {
			c.drop(name, now)
		}
	}
	for name := range c.presumed {
		if _, ok := checks[name]; !ok {
			c.drop(name, now)
		}
	}
}

// Presumed lists the checks that the open trouble says are blind, and of which this arbiter doesn't know. The caller tells
// it, as Sighted, of those that enough sites are able to judge.
func Presumed(s *State) []events.Check {
	var names []events.Check
	for name := range s.checks.presumed {
		names = append(names, name)
	}
	return names
}

// presume takes over which checks an event says are blind.
func (s *State) presume(t *events.Trouble) {
	clear(s.checks.presumed)
	for _, b := range t.Checks {
		if s.checks.blind[b.Check] == nil {
			s.checks.presumed[b.Check] = true
		}
	}
}

func (s *State) dueBlind(m *matter) (time.Time, events.TroubleEvent, bool) {
	c, open := &s.checks, m.open()
	switch {
	case open == nil && len(c.blind) > 0:
		return later(c.first(nil), s.from).Add(s.rules.Blind), events.Began, true
	case open == nil:
	case len(c.blind)+len(c.presumed) == 0:
		return c.clear.Add(s.rules.Blind), events.Ended, true
	default:
		if first := c.first(open); !first.IsZero() {
			at := later(first, s.from).Add(s.rules.Blind)
			return later(at, open.Time.Add(s.rules.Again)), events.Grew, true
		}
	}
	return time.Time{}, "", false
}

// first tells since when the first check is blind that an event doesn't tell of; zero if it tells of all. One that could
// not list all told of as many as it counted.
func (c *sight) first(told *events.Trouble) time.Time {
	listed := map[events.Check]bool{}
	if told != nil {
		if told.Total > len(told.Checks) && len(c.blind) <= told.Total {
			return time.Time{}
		}
		for _, b := range told.Checks {
			listed[b.Check] = true
		}
	}
	var first time.Time
	for name, b := range c.blind {
		if !listed[name] && (first.IsZero() || b.since.Before(first)) {
			first = b.since
		}
	}
	return first
}

// describeBlind completes an event with all checks that are blind now.
func (s *State) describeBlind(t *events.Trouble, now time.Time) {
	if t.Event == events.Ended {
		t.Reason = "enough sites are able to judge every check again, after " + span(t.Began, now)
		return
	}
	all := make([]events.BlindCheck, 0, len(s.checks.blind))
	for _, b := range s.checks.blind {
		all = append(all, b.BlindCheck)
	}
	slices.SortFunc(all, func(a, b events.BlindCheck) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Test, b.Test))
	})
	if t.Event == events.Began {
		t.Began = s.checks.first(nil)
	}
	t.Total = len(all)
	t.Checks = all[:min(len(all), events.MaxBlindListed)]
	t.Reason = whyBlind(all)
}
