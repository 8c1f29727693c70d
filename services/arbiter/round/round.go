package round

import (
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

const (
	// Grace is how long after the check's timeout a round waits for answers: the way to the nodes and back.
	Grace = 2 * time.Second
	// maxHush is the longest time, in intervals, for which a node that stands alone starts no round.
	maxHush = 32
)

// round is one look at one check by all able nodes at the same moment.
type round struct {
	id       string
	closing  bool // it asks whether the check is up again
	starter  string
	def      *events.Definition // as it was when the round started
	started  time.Time
	deadline time.Time
	asked    []*node           // sorted by name
	votes    []events.NodeVote // what arrived, one per node, sorted by node
	sent     bool              // the nodes were asked
	decided  bool              // and proposed; votes are still recorded, for what is known of each node afterwards
}

// suspect is a down vote on a check that is up. It starts a round, unless this node has been standing alone with its
// view. What others say ends that at once: their own down votes start rounds, in which this node's votes count; and so
// do enough last words that are down.
func (s *State) suspect(c *check, w *word, r *events.Result, now time.Time) {
	if now.Before(w.hush) && len(s.downSites(c)) < c.def.Agree {
		return
	}
	s.start(c, r, false, now)
}

// downSites lists the sites whose last word is down, of the nodes that are present.
func (s *State) downSites(c *check) []string {
	var votes []events.NodeVote
	for _, w := range c.words {
		if w.vote != "" && s.obstacle(c, w.node) == "" {
			votes = append(votes, events.NodeVote{Site: w.site, Vote: w.vote})
		}
	}
	return events.Sites(votes, events.Down)
}

// hope is an up vote on a check that is down. An answer to the round that opened the outage is no news, just late.
func (s *State) hope(c *check, w *word, r *events.Result, now time.Time) {
	if r.Confirms != "" && r.Confirms == c.outage.Round {
		return
	}
	if now.Before(w.hush) && len(c.doubts(nil, now)) >= c.def.Agree {
		return
	}
	s.start(c, r, true, now)
}

// start begins a round with the result that caused it. It may be decided by that result alone; if not, every other
// node that can look is asked.
func (s *State) start(c *check, r *events.Result, closing bool, now time.Time) {
	rd := &round{
		id: r.ID, closing: closing, starter: r.Node, def: c.def, started: now,
		deadline: now.Add(c.def.Timeout.Duration() + Grace), asked: s.askable(c, r.Node),
	}
	c.round = rd
	rd.record(r, now)
	if s.judge(c, now); c.round != rd || rd.decided {
		return
	}
	rd.sent = true
	names := make([]string, len(rd.asked))
	for i, n := range rd.asked {
		names[i] = n.name
	}
	s.emit(Decision{
		Kind: Ask, Check: c.Check, Round: rd.id, Reason: rd.whyAsk(r, names), Votes: rd.proof(),
		Confirmation: &events.Confirmation{ID: rd.id, Nodes: names, Run: rd.def.Run},
	})
	s.schedule(c)
}

// record takes a result that arrived now as its node's vote in the round; a later one replaces an earlier one, but an
// abstention doesn't take back that it was down: that the node can't look again doesn't change what it saw a moment ago.
// That it was up is taken back, because nothing may close on a word its node no longer stands by.
func (r *round) record(res *events.Result, now time.Time) {
	v := events.NodeVote{
		Node: res.Node, Site: res.Site, Vote: res.Status.Vote(), Status: res.Status,
		Output: events.CleanText(res.Output, events.MaxVoteOutput),
		Time:   now, Elapsed: res.Elapsed, Result: res.ID,
	}
	i, ok := slices.BinarySearchFunc(r.votes, v.Node, compareVote)
	switch {
	case ok && v.Vote == events.None && r.votes[i].Vote == events.Down:
	case ok:
		r.votes[i] = v
	case r.wasAsked(v.Node) || v.Node == r.starter || len(r.proof()) < events.MaxVotes:
		r.votes = slices.Insert(r.votes, i, v)
	}
}

// judge ends the round if it can be ended: by agreement, or because everybody asked has answered without one.
func (s *State) judge(c *check, now time.Time) {
	r := c.round
	if r.decided {
		return
	}
	switch {
	case !r.closing && len(events.Sites(r.votes, events.Down)) >= r.def.Agree:
		s.open(c, now)
	case r.closing && len(events.Sites(r.votes, events.Up)) > 0 && len(c.doubts(r, now)) < r.def.Agree:
		s.close(c, now)
	case len(r.silent()) == 0:
		s.dismiss(c, now)
	}
}

// dismiss ends the round without agreement. Who started it and still says the same stands alone with it, and starts the
// next one the later the oftener that has happened.
func (s *State) dismiss(c *check, now time.Time) {
	r := c.round
	c.round = nil
	s.emit(Decision{Kind: Dismissed, Check: c.Check, Round: r.id, Reason: s.whyDismissed(c, r, now), Votes: r.proof()})
	if i, ok := c.find(r.starter); ok && c.words[i].vote == r.wanted() {
		w := c.words[i]
		w.misses++
		w.hush = r.started.Add(time.Duration(min(1<<min(w.misses, 16), maxHush)) * r.def.Interval.Duration())
	}
	s.schedule(c)
}

// wanted is the vote that starts such a round.
func (r *round) wanted() events.Vote {
	if r.closing {
		return events.Up
	}
	return events.Down
}

func (r *round) vote(node string) (events.NodeVote, bool) {
	i, ok := slices.BinarySearchFunc(r.votes, node, compareVote)
	if !ok {
		return events.NodeVote{}, false
	}
	return r.votes[i], true
}

func (r *round) wasAsked(name string) bool {
	_, ok := slices.BinarySearchFunc(r.asked, name, func(n *node, name string) int { return compareNames(n.name, name) })
	return ok
}

// silent lists the nodes that were asked and have not answered.
func (r *round) silent() []*node {
	var out []*node
	for _, n := range r.asked {
		if _, ok := r.vote(n.name); !ok {
			out = append(out, n)
		}
	}
	return out
}

// proof lists the votes of the round, with those that are still missing.
func (r *round) proof() []events.NodeVote {
	votes := slices.Clone(r.votes)
	if r.sent {
		for _, n := range r.silent() {
			votes = append(votes, events.NodeVote{Node: n.name, Site: n.site, Vote: events.None})
		}
		slices.SortFunc(votes, func(a, b events.NodeVote) int { return compareNames(a.Node, b.Node) })
	}
	return votes
}

func compareVote(v events.NodeVote, node string) int { return compareNames(v.Node, node) }

func compareNames(a, b string) int { return strings.Compare(a, b) }
