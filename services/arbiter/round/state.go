package round

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// State is all an arbiter knows. Its size is bounded by checks times nodes; a node that is gone and has not spoken
// for ForgetAfter makes room when a new one speaks.
type State struct {
	by     string           // this arbiter's name
	nodes  map[string]*node // that are present
	checks map[events.Check]*check
	timers timers
	slept  Slept
	out    []Decision
}

// node is a prober that is there.
type node struct {
	name, site string
	plugins    []string // sorted
}

// check is one check as this arbiter sees it. Entries are made by the catalog and by the log.
type check struct {
	events.Check
	def     *events.Definition // nil: not configured
	words   []*word            // one per node that has spoken, sorted by node
	round   *round             // under way, or decided and not committed yet
	pending *proposal          // decided and not committed yet
	outage  *events.Outage     // open and committed; nil: up
	seq     uint64             // of the last committed event
	last    string             // id of that event
	closed  time.Time          // when the last one was closed, by the log; zero: none that is known of
	short   time.Time          // since when too few sites are able to judge; zero: enough are
	blind   bool
	// when a node voted down last, of those that look at it
	lastDown time.Time
	wake     time.Time // when the check needs a tick; zero: never
	slot     int       // place in timers, -1: none
}

// New returns the state of an arbiter that has just started. Its proposals are signed with the name by.
func New(by string) *State {
	return &State{by: by, nodes: map[string]*node{}, checks: map[events.Check]*check{}}
}

// Apply takes one input in and returns what it leads to, in the order in which it is to be carried out. now must not
// run backwards. What in points to is kept and must not be changed afterwards.
func Apply(s *State, in Input, now time.Time) []Decision {
	s.expire(now)
	switch in := in.(type) {
	case Arrived:
		s.arrived(in.Result, now)
	case History:
		s.history(in.Result, in.Time, now)
	case NodePresent:
		s.present(in.Presence, now)
	case NodeGone:
		s.gone(in.Node, now)
	case CatalogChanged:
		s.catalog(in.Checks, now)
	case Committed:
		s.committed(in.Outage, in.Seq, now)
	case ProposalFailed:
		s.failed(in, now)
	case Remembered:
		s.remember(in, now)
	case Slept:
		s.slept = in
	case Retry:
		s.retry()
	case Tick:
	}
	out := s.out
	s.out = nil
	return out
}

// arrived is the hot path: a routine ok of a check that is up ends after the word is kept.
func (s *State) arrived(r *events.Result, now time.Time) {
	c := s.checks[r.Check]
	if c == nil || c.def == nil || !c.def.LooksFrom(r.Node) {
		return
	}
	w := s.word(c, r.Node, r.Site, now)
	before, itself := w.overtaken(r.ID, now)
	if before || !w.first(r.ID) {
		return
	}
	abstained := w.status == events.Unknown
	w.hear(r, now, c.outage != nil)
	if abstained != (r.Status == events.Unknown) {
		s.watch(c, now)
	}
	vote := r.Status.Vote()
	if vote == events.Down {
		c.lastDown = now
	}
	switch {
	case itself:
	case c.round != nil && !c.round.def.LooksFrom(r.Node): // The round ends by the definition it began with.
	case c.round != nil:
		c.round.record(r, now)
		s.judge(c, now)
	case c.pending != nil:
	case c.outage == nil && vote == events.Down:
		s.suspect(c, w, r, now)
	case c.outage != nil && vote == events.Up:
		s.hope(c, w, r, now)
	}
}

func (s *State) history(r *events.Result, at, now time.Time) {
	c := s.checks[r.Check]
	if c == nil || c.def == nil || !c.def.LooksFrom(r.Node) {
		return
	}
	if w := s.word(c, r.Node, r.Site, now); w.arrived.Before(at) && !w.live {
		w.recall(r, at, c.outage)
		if r.Status.Vote() == events.Down && at.After(c.lastDown) {
			c.lastDown = at
		}
		s.watch(c, now)
	}
}

func (s *State) emit(d Decision) { s.out = append(s.out, d) }

// entry returns the check, made if it is new.
func (s *State) entry(name events.Check) *check {
	c := s.checks[name]
	if c == nil {
		c = &check{Check: name, slot: -1}
		s.checks[name] = c
	}
	return c
}

// sorted lists the checks by host, then test, so that decisions come in an order one can rely on.
func (s *State) sorted() []*check {
	all := make([]*check, 0, len(s.checks))
	for _, c := range s.checks {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *check) int { return compareChecks(a.Check, b.Check) })
	return all
}

func compareChecks(a, b events.Check) int {
	return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Test, b.Test))
}
