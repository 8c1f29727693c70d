package trouble

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Kind says what was decided.
type Kind string

// The kinds of decisions.
const (
	Propose     Kind = "propose"     // write Trouble to the log, if Last is still the key's last sequence
	Uncommitted Kind = "uncommitted" // say Trouble to those who tell people without a majority
	Adopted     Kind = "adopted"     // the log has a new event, Trouble
)

// Kinds lists every kind.
var Kinds = []Kind{Propose, Uncommitted, Adopted}

// Decision is one thing decided about one trouble.
type Decision struct {
	Kind    Kind
	Trouble *events.Trouble // not to be changed
	Last    uint64          // of Propose: the key's last sequence, 0 if it has none
	Try     int             // of Propose and Uncommitted: 1 for the first
	Since   time.Time       // of Uncommitted: when it was decided
}

// State is all an arbiter knows of dmonitor itself. Its size is bounded by the number of checks and nodes.
type State struct {
	by    string // this arbiter's name
	rules Rules
	from  time.Time // what was before doesn't count: the start, or the return of the majority
	keys  map[events.TroubleKey]*matter
	out   []Decision

	nodes    map[string]*node
	checks   sight
	majority majority
}

// matter is what the log says about a key, and what is about to be written.
type matter struct {
	key      events.TroubleKey
	last     *events.Trouble // the last event of the log; nil: none
	seq      uint64
	adopted  time.Time       // when this arbiter learned of last
	flying   *events.Trouble // the caller is writing it
	tries    int             // in a row that failed
	retry    time.Time       // not before
	disputes int             // ends in a row that contradicted what is seen here
	quiet    time.Time       // no beginning before
}

// New returns the state of an arbiter that has just started. Its proposals are signed with the name by.
func New(by string, r Rules) *State {
	s := &State{by: by, rules: r, keys: map[events.TroubleKey]*matter{}, nodes: map[string]*node{}}
	s.checks.blind, s.checks.presumed = map[events.Check]*blindness{}, map[events.Check]bool{}
	for _, kind := range []events.TroubleKind{events.TroubleBlind, events.TroubleMajority} {
		s.matter(events.TroubleKey{Kind: kind})
	}
	return s
}

func (s *State) matter(k events.TroubleKey) *matter {
	m := s.keys[k]
	if m == nil {
		m = &matter{key: k}
		s.keys[k] = m
	}
	return m
}

// open returns the trouble that is open according to the log, nil if none is.
func (m *matter) open() *events.Trouble {
	if m.last == nil || m.last.Event == events.Ended {
		return nil
	}
	return m.last
}

// Apply takes one input in and returns what it leads to. now must not run backwards. What in points to is kept and must
// not be changed afterwards.
func Apply(s *State, in Input, now time.Time) []Decision {
	if s.from.IsZero() {
		s.from, s.majority.turned = now, now
	}
	switch in := in.(type) {
	case Blind:
		s.checks.add(in.Check, now)
	case Sighted:
		s.checks.drop(in.Check, now)
	case Configured:
		s.checks.configured(in.Checks, now)
	case NodePresent:
		s.present(in.Node, now)
		s.nodes[in.Node].looks = true
	case Members:
		s.members(in, now)
	case Expected:
		s.expected(in, now)
	case NodeGone:
		s.gone(in.Node, in.Goodbye, now)
	case Majority:
		s.turn(in, now)
	case Remembered:
		s.remember(in.Trouble, now)
	case Committed:
		s.committed(in.Trouble, in.Seq, now)
	case ProposalFailed:
		s.failed(in, now)
	case Tick:
	}
	s.act(now)
	out := s.out
	s.out = nil
	return out
}

// Next returns when the state needs a tick, false if it needs none.
func Next(s *State) (time.Time, bool) {
	var next time.Time
	sooner := func(at time.Time, ok bool) {
		if ok && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	sooner(s.sayAt())
	for _, m := range s.keys {
		at, _, ok := s.due(m)
		sooner(at, ok)
	}
	return next, !next.IsZero()
}

// Open lists the troubles that are open according to the log, sorted by kind, then node.
func Open(s *State) []events.Trouble {
	var open []events.Trouble
	for _, m := range s.sorted() {
		if t := m.open(); t != nil {
			open = append(open, *t)
		}
	}
	return open
}

// act does what is due.
func (s *State) act(now time.Time) {
	if at, ok := s.sayAt(); ok && !at.After(now) {
		s.say(now)
	}
	for _, m := range s.sorted() {
		if at, event, ok := s.due(m); ok && !at.After(now) {
			s.propose(m, s.event(m, event, now))
		}
	}
}

// due tells which event of a key is to be proposed, and when.
func (s *State) due(m *matter) (at time.Time, event events.TroubleEvent, ok bool) {
	if m.flying != nil || !s.majority.there {
		return at, event, false
	}
	switch m.key.Kind {
	case events.TroubleBlind:
		at, event, ok = s.dueBlind(m)
	case events.TroubleNode:
		at, event, ok = s.dueNode(m)
	case events.TroubleMajority:
		at, event, ok = s.dueMajority(m)
	}
	if event == events.Began {
		at = later(at, m.quiet)
	}
	return later(at, m.retry), event, ok
}

func (s *State) propose(m *matter, t *events.Trouble) {
	m.tries++
	m.flying = t
	s.out = append(s.out, Decision{Kind: Propose, Trouble: t, Last: m.seq, Try: m.tries})
}

// event writes the next event of a key.
func (s *State) event(m *matter, event events.TroubleEvent, now time.Time) *events.Trouble {
	if m.key.Kind == events.TroubleMajority && event == events.Began {
		return s.majority.told // As it was told.
	}
	t := &events.Trouble{
		Trouble: events.TroubleID(m.key, now), Step: 1, TroubleKey: m.key, Event: event,
		Time: now, Began: now, By: s.by,
	}
	if o := m.open(); o != nil {
		t.Trouble, t.Step, t.Began = o.Trouble, o.Step+1, o.Began
	}
	switch m.key.Kind {
	case events.TroubleBlind:
		s.describeBlind(t, now)
	case events.TroubleNode:
		s.describeNode(t, now)
	case events.TroubleMajority:
		t.Reason = "there is a majority again, after " + span(t.Began, now)
	}
	t.ID = events.TroubleEventID(t.Trouble, t.Step)
	t.Reason = events.CleanText(t.Reason, events.MaxReason)
	return t
}

// failed forgets the proposal: by the next try it may not be true any more.
func (s *State) failed(in ProposalFailed, now time.Time) {
	m := s.keys[in.Key]
	if m == nil || m.flying == nil || m.flying.ID != in.ID {
		return
	}
	m.flying, m.retry = nil, now.Add(s.rules.Retry)
	if in.Forgotten {
		m.last, m.seq = nil, 0
	}
}

// committed follows the log.
func (s *State) committed(t *events.Trouble, seq uint64, now time.Time) {
	m := s.matter(t.TroubleKey)
	if seq <= m.seq {
		return
	}
	m.seq = seq
	if t.Event == "" || m.last != nil && m.last.ID == t.ID {
		return // An event of a newer version hides behind the last one this version can read.
	}
	m.last, m.adopted, m.flying, m.tries, m.retry = t, now, nil, 0, time.Time{}
	s.out = append(s.out, Decision{Kind: Adopted, Trouble: t})
	switch t.Kind {
	case events.TroubleBlind:
		s.presume(t)
	case events.TroubleMajority:
		s.recorded(t, now)
	case events.TroubleNode:
		s.retire(t)
	}
	s.contradicted(m, now)
}

// maxDisputes bounds the waiting: Again times 2 to the power of this, which is 5 days by the default.
const maxDisputes = 10

// contradicted keeps an arbiter from beginning at once what another one has just ended, although it was to be told here.
func (s *State) contradicted(m *matter, now time.Time) {
	if m.last.Event != events.Ended {
		return
	}
	m.quiet = time.Time{}
	at, event, ok := s.due(m)
	switch {
	case !ok || event != events.Began:
		m.disputes = 0
		return
	case at.After(now):
		return
	}
	m.quiet = now.Add(s.rules.Again << m.disputes)
	m.disputes = min(m.disputes+1, maxDisputes)
}

func (s *State) sorted() []*matter {
	all := make([]*matter, 0, len(s.keys))
	for _, m := range s.keys {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *matter) int {
		return cmp.Or(strings.Compare(string(a.key.Kind), string(b.key.Kind)), strings.Compare(a.key.Node, b.key.Node))
	})
	return all
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
