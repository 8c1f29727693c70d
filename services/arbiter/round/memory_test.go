package round_test

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// memory is what a checker knows of the votes of a decision that its arbiter remembers: when each arrived, before the
// restart, by the id of its result.
type memory map[string]time.Time

func (m memory) has(v events.NodeVote) bool {
	at, ok := m[v.Result]
	return ok && at.Equal(v.Time)
}

// decided tells whether a proposal was decided just now, by votes that can be recounted.
func (c *checker) decided(in round.Input, d round.Decision) bool {
	_, remembered := in.(round.Remembered)
	return !remembered && d.Try == 1 && c.w.now.After(c.vague)
}

// remembered holds for a proposal that comes from before a restart: it is what was said, nothing else was decided
// meanwhile, and the log has nothing newer.
func (c *checker) remembered(in round.Input, d round.Decision) bool {
	r, ok := in.(round.Remembered)
	if !ok || d.Try > 1 {
		return false
	}
	if d.Outage.ID != r.Outage.ID || c.agreed != "" || c.def == nil {
		c.fatal(d, "proposed as %s, while %q is agreed", d.Outage.ID, c.agreed)
	}
	if c.told > 0 {
		last := c.w.log[c.told-1]
		if d.Outage.Event == events.Opened && !last.Time.Before(r.Since) {
			c.fatal(d, "the log has something newer, of %v", last.Time.Sub(start))
		}
		if d.Outage.Event == events.Closed && last.Outage != d.Outage.Outage {
			c.fatal(d, "closes another outage than the one that is open")
		}
	}
	c.flying, c.agreed, c.since, c.said = d.Outage.ID, d.Outage.ID, r.Since, time.Time{}
	c.memory = memory{}
	for _, v := range d.Outage.Votes {
		if v.Status == "" {
			continue
		}
		c.memory[v.Result] = v.Time
		if v.Vote != events.None {
			c.hearsay[v.Node] = true
		}
	}
	return true
}

// stays tells whether what a node said before in a round stays its vote: an abstention doesn't take back that it was down.
func stays(before, next *events.Result) bool {
	return before != nil && before.Status.Vote() == events.Down && next.Status.Vote() == events.None
}
