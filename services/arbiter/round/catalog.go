package round

import (
	"maps"
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func (s *State) catalog(checks map[events.Check]events.Definition, now time.Time) {
	for _, c := range s.sorted() {
		if _, ok := checks[c.Check]; !ok && c.def != nil {
			s.remove(c, now)
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(checks), compareChecks) {
		c, def := s.entry(name), checks[name]
		c.def = &def
		s.watch(c, now)
	}
}

// remove ends all looking at a check. An outage stays open: nobody says that it is up. A proposal that is on its way
// can't be called back; one that waits for its next try is given up, because nobody could close that outage.
func (s *State) remove(c *check, now time.Time) {
	if c.round != nil && !c.round.decided {
		s.emit(Decision{
			Kind: Dismissed, Check: c.Check, Round: c.round.id, Votes: c.round.proof(),
			Reason: "the check was taken out of the configuration",
		})
		c.round = nil
	}
	if c.pending != nil && !c.pending.flying {
		c.pending, c.round = nil, nil
	}
	c.def, c.short, c.blind = nil, time.Time{}, false
	s.schedule(c)
	s.drop(c)
}

// drop lets go of what is not needed of a check that isn't configured: its words, unless an outage may be closed by them
// if the check comes back, and all of it if the log has no event that the next proposal would have to follow.
func (s *State) drop(c *check) {
	if c.def != nil || c.pending != nil {
		return
	}
	if c.outage == nil {
		c.words = nil
	}
	if c.seq == 0 {
		delete(s.checks, c.Check)
	}
}
