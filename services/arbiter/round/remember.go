package round

import (
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// remember takes up again what this arbiter said to be uncommitted before it was restarted. People were told of it, so it
// has to get into the log: only then the opposite can follow. Whether it still is news the log decides.
func (s *State) remember(in Remembered, now time.Time) {
	o := in.Outage
	c := s.checks[o.Check]
	if c == nil || c.def == nil || c.pending != nil || !c.follows(o, in.Since) {
		return
	}
	if o.Event == events.Opened {
		s.recallVotes(c, o, now)
	}
	c.round = recalled(o, c.def, in.Since)
	// The log may be there at once. What has to be said again can wait as long as it did the first time.
	c.pending = &proposal{outage: o, since: in.Since, say: now.Add(events.UncommittedAfter)}
	s.propose(c)
	s.schedule(c)
}

// follows tells whether an event that was decided at some time can be the next one of the log.
func (c *check) follows(o *events.Outage, decided time.Time) bool {
	if o.Event == events.Closed {
		return c.outage != nil && c.outage.Outage == o.Outage
	}
	return o.Event == events.Opened && c.outage == nil && c.closed.Before(decided)
}

// recallVotes makes the votes of the event the last words of their nodes, but for those that have spoken since: they were
// heard before the restart.
func (s *State) recallVotes(c *check, o *events.Outage, now time.Time) {
	for _, v := range o.Votes {
		if v.Vote == events.None {
			continue
		}
		switch w := s.word(c, v.Node, v.Site, now); {
		case w.arrived.Before(v.Time):
			w.testify(v)
		case w.voted.Before(v.Time): // It has only abstained since.
			w.vote, w.voted = v.Vote, v.Time
		}
	}
}

// recalled is the round an event came from, as far as the event tells.
func recalled(o *events.Outage, def *events.Definition, decided time.Time) *round {
	return &round{
		id: o.Round, closing: o.Event == events.Closed, def: def, started: decided, deadline: decided,
		votes: slices.Clone(o.Votes), sent: true, decided: true,
	}
}
