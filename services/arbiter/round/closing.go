package round

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// ForgetAfter is how long the last down vote of a node that casts no further one keeps an outage open: a day, so that a
// host that was taken away for good doesn't keep it open for ever. Two of the check's intervals are added to it, and
// it runs from the outage's opening at the earliest. It counts from the node's last vote, not from its last presence, so
// that an arbiter that starts in between reckons the same.
const ForgetAfter = 24 * time.Hour

// doubts lists the sites that can still be down while the check's outage is open: those whose last vote in or since the
// round that opened it was down, and those that are asked in round r and have not answered, unless their last word was
// up. Without a round only the former. An up vote in the round contradicts the other nodes of its site.
func (c *check) doubts(r *round, now time.Time) []string {
	def := c.def
	if r != nil {
		def = r.def
	}
	var votes []events.NodeVote
	for _, w := range c.words {
		if def.LooksFrom(w.node) {
			votes = append(votes, events.NodeVote{Site: w.site, Vote: c.stance(r, w, now)})
		}
	}
	if r == nil {
		return events.Sites(votes, events.Down)
	}
	for _, n := range r.silent() {
		if _, spoke := c.find(n.name); !spoke && !c.forgotten(&word{}, now) {
			votes = append(votes, events.NodeVote{Site: n.site, Vote: events.Down})
		}
	}
	return events.Sites(votes, events.Down)
}

// stance is what has to be assumed of a node: down if it can still be down.
func (c *check) stance(r *round, w *word, now time.Time) events.Vote {
	suspect := w.since && w.vote == events.Down
	if r != nil {
		v, answered := r.vote(w.node)
		switch {
		case answered && v.Vote != events.None:
			return v.Vote
		case !answered && r.wasAsked(w.node):
			suspect = w.vote != events.Up
		}
	}
	if suspect && !c.forgotten(w, now) {
		return events.Down
	}
	return events.None
}

// forgotten tells whether the node's last vote is too old to keep an outage open.
func (c *check) forgotten(w *word, now time.Time) bool {
	last, limit := w.voted, ForgetAfter
	if c.outage != nil && last.Before(c.outage.Opened) {
		last = c.outage.Opened
	}
	if c.def != nil {
		limit += patience(c.def)
	}
	return now.Sub(last) > limit
}
