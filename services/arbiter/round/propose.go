package round

import (
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Proposals that could not be written are tried again after one second, then two, then four, up to maxRetry: when the
// majority is back all is to be committed soon, also if nobody noticed that it is (see Retry). A decision that waits for
// longer than events.UncommittedAfter is said to be uncommitted, again every sayEvery, so that who joins late hears it.
const (
	firstRetry = time.Second
	maxRetry   = 8 * time.Second
	sayEvery   = 5 * time.Second
)

// proposal is an event that is decided and not committed yet. It stays until an event of the check is committed.
type proposal struct {
	outage *events.Outage
	since  time.Time // when it was decided
	tries  int
	flying bool // the caller is writing it
	retry  time.Time
	say    time.Time // when it is to be said that it is uncommitted
	said   int
}

func (s *State) open(c *check, now time.Time) {
	r := c.round
	s.decide(c, &events.Outage{
		Event: events.Opened, Outage: events.OutageID(c.Check, r.id), Time: now, Opened: now,
		Reason: r.whyOpened(),
	}, now)
}

func (s *State) close(c *check, now time.Time) {
	o := &events.Outage{
		Event: events.Closed, Outage: c.outage.Outage, Time: now, Opened: c.outage.Opened,
		Reason: s.whyClosed(c, now),
	}
	if o.Gap = c.gap(s.slept); o.Gap != nil {
		o.Reason = whyDelayed(o.Gap) + "; " + o.Reason
	}
	if o.Time.Before(o.Opened) { // Another arbiter's clock was ahead of ours.
		o.Time = o.Opened
	}
	s.decide(c, o, now)
}

// decide completes the event with what the round found, and proposes it.
func (s *State) decide(c *check, o *events.Outage, now time.Time) {
	r := c.round
	r.decided = true
	o.ID, o.Check, o.Round = events.EventID(o.Outage, o.Event), c.Check, r.id
	o.Agree, o.Able, o.Votes = r.def.Agree, s.judges(c, r), r.proof()
	o.By, o.Note = s.by, r.def.Note
	o.Reason = events.CleanText(o.Reason, events.MaxReason)
	c.pending = &proposal{outage: o, since: now, say: now.Add(events.UncommittedAfter)}
	s.propose(c)
	s.schedule(c)
}

// judges counts the sites able to judge: those that voted in the round are, whatever is known of their presence.
func (s *State) judges(c *check, r *round) int {
	sites := map[string]bool{}
	for _, site := range s.able(c) {
		sites[site] = true
	}
	for _, v := range r.votes {
		if v.Vote != events.None {
			sites[v.Site] = true
		}
	}
	return len(sites)
}

// propose hands the pending event out to be written.
func (s *State) propose(c *check) {
	p := c.pending
	p.tries++
	p.flying = true
	kind := ProposeOpened
	if p.outage.Event == events.Closed {
		kind = ProposeClosed
	}
	s.emit(Decision{
		Kind: kind, Check: c.Check, Round: p.outage.Round, Reason: p.outage.Reason, Votes: p.outage.Votes,
		Outage: p.outage, Last: c.seq, Try: p.tries,
	})
}

// failed plans the next try. What was agreed stays agreed, also if all sites say otherwise by then.
func (s *State) failed(in ProposalFailed, now time.Time) {
	c := s.checks[in.Check]
	if c == nil || c.pending == nil || c.pending.outage.ID != in.ID || !c.pending.flying {
		return
	}
	if c.def == nil {
		c.pending, c.round = nil, nil
		s.drop(c)
		return
	}
	if in.Forgotten {
		s.forget(c)
	}
	p := c.pending
	if p == nil {
		s.drop(c)
		s.schedule(c)
		return
	}
	p.flying = false
	p.retry = now.Add(min(firstRetry<<min(p.tries-1, 16), maxRetry))
	s.schedule(c)
}

// retry proposes at once what waits for its next try, check by check.
func (s *State) retry() {
	for _, c := range s.sorted() {
		if c.pending != nil && !c.pending.flying {
			s.propose(c)
			s.schedule(c)
		}
	}
}

// complain says that the pending event can't be committed, if two nodes at least had a part in it.
func (s *State) complain(c *check, now time.Time) {
	p := c.pending
	p.say = now.Add(sayEvery)
	o := c.testimony()
	if voters(o.Votes) < 2 {
		return
	}
	p.said++
	s.emit(Decision{
		Kind: Uncommitted, Check: c.Check, Round: o.Round, Reason: o.Reason, Votes: o.Votes,
		Outage: o, Since: p.since, Try: p.said,
	})
}

// testimony is the pending event with the votes of those nodes added that have spoken since it was decided: a site's up
// may close an outage by itself, and the others look later. If they contradict it, the event as it was decided.
func (c *check) testimony() *events.Outage {
	o := *c.pending.outage
	o.Votes = nil
	for _, v := range c.round.proof() {
		i, ok := slices.BinarySearchFunc(c.pending.outage.Votes, v.Node, compareVote)
		if ok && c.pending.outage.Votes[i].Status != "" {
			v = c.pending.outage.Votes[i]
		}
		o.Votes = append(o.Votes, v)
	}
	if o.Validate() != nil {
		return c.pending.outage
	}
	return &o
}

// voters counts the nodes that voted up or down.
func voters(votes []events.NodeVote) int {
	n := 0
	for _, v := range votes {
		if v.Vote != events.None {
			n++
		}
	}
	return n
}

// forget follows a log that has no event of the check any more: then nothing is open, and the next event is the first.
func (s *State) forget(c *check) {
	c.seq, c.last, c.outage = 0, "", nil
	for _, w := range c.words {
		w.since = false
		w.calm()
	}
	if c.pending.outage.Event == events.Closed {
		c.pending, c.round = nil, nil
	}
}

// committed follows the log.
func (s *State) committed(o *events.Outage, seq uint64, now time.Time) {
	c := s.entry(o.Check)
	if seq <= c.seq {
		return
	}
	c.seq = seq
	if c.last == o.ID {
		return // An event of a newer version hides behind the last one this version can read.
	}
	newer := c.pending.follows(o)
	switch o.Event {
	case events.Opened:
		s.adoptOpened(c, o, now)
	case events.Closed:
		s.adoptClosed(c, o, now)
	default:
		return // Of a newer version; it only moves the sequence.
	}
	if c.last = o.ID; !newer {
		c.round, c.pending = nil, nil
	}
	s.emit(Decision{Kind: Adopted, Check: c.Check, Round: o.Round, Reason: o.Reason, Votes: o.Votes, Outage: o})
	s.drop(c)
	s.schedule(c)
}

// follows tells whether a proposal is still news beside an event that the log has: an outage that was opened after the last
// one was closed. So it is when this arbiter decided without having read the log, as it does where that can't be read. People
// may have been told of it meanwhile, so it must not be forgotten for an event that is older.
func (p *proposal) follows(o *events.Outage) bool {
	return p != nil && p.outage.Event == events.Opened && o.Event == events.Closed &&
		o.Outage != p.outage.Outage && o.Time.Before(p.since)
}

// own tells whether the event is the one this arbiter proposed: then it has heard all its votes, however long ago.
func (s *State) own(c *check, o *events.Outage) bool {
	return c.pending != nil && c.pending.outage.ID == o.ID && o.By == s.by
}

func (s *State) adoptClosed(c *check, o *events.Outage, now time.Time) {
	c.outage, c.closed = nil, o.Time
	for _, w := range c.words {
		w.since = false
		w.calm()
	}
	for _, v := range o.Votes {
		if v.Vote != events.None && !s.own(c, o) {
			s.word(c, v.Node, v.Site, now).await(v, now)
		}
	}
}

// adoptOpened takes over the votes of the round that opened the outage, whoever held it, and what arrived in a round of
// one's own that was under way: from now on they are the last votes since the outage began.
func (s *State) adoptOpened(c *check, o *events.Outage, now time.Time) {
	c.outage = o
	for _, w := range c.words {
		w.since = false
		w.calm()
		if c.round != nil && !c.round.closing {
			v, ok := c.round.vote(w.node)
			w.since = ok && v.Vote != events.None
		}
	}
	for _, v := range o.Votes {
		if v.Vote == events.None {
			continue
		}
		w := s.word(c, v.Node, v.Site, now)
		w.since = true
		if !s.own(c, o) {
			w.await(v, now)
			w.testify(v)
		}
	}
	if c.def != nil {
		s.watch(c, now) // A node of which the last word was unknown may have voted since.
	}
}
