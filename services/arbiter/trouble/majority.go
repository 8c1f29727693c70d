package trouble

import (
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// majority is whether decisions can be committed.
type majority struct {
	there  bool
	why    string
	turned time.Time       // since when it is as it is
	told   *events.Trouble // what was said of its absence and is not on record yet
	again  time.Time       // when that is to be said again
	times  int
}

// turn notes whether the majority is there. A short absence, such as an election, doesn't make the graces begin anew:
// nobody can have been missed for as long as it takes to be told in that time.
func (s *State) turn(in Majority, now time.Time) {
	m := &s.majority
	m.why = in.Why
	if m.there == in.There {
		return
	}
	if in.There && now.Sub(m.turned) >= s.rules.Back {
		s.from = now
	}
	m.there, m.turned = in.There, now
}

// sayAt tells when it is to be said that the majority is away.
func (s *State) sayAt() (time.Time, bool) {
	m := &s.majority
	if m.there || m.turned.IsZero() || s.keys[events.TroubleKey{Kind: events.TroubleMajority}].open() != nil {
		return time.Time{}, false
	}
	if m.told != nil {
		return m.again, true
	}
	return m.turned.Add(s.rules.Majority), true
}

// say tells those who tell people without a majority. What is said stays the same but for the reason: who is away.
func (s *State) say(now time.Time) {
	m := &s.majority
	t := events.Trouble{
		Trouble: events.TroubleID(events.TroubleKey{Kind: events.TroubleMajority}, now), Step: 1,
		TroubleKey: events.TroubleKey{Kind: events.TroubleMajority}, Event: events.Began, Time: now, Began: m.turned, By: s.by,
	}
	t.ID = events.TroubleEventID(t.Trouble, t.Step)
	if m.told != nil {
		t = *m.told
	} else {
		m.times = 0
	}
	t.Reason = events.CleanText(s.whyAway(t.Began, now), events.MaxReason)
	m.told, m.again = &t, now.Add(s.rules.Say)
	m.times++
	s.out = append(s.out, Decision{Kind: Uncommitted, Trouble: &t, Try: m.times, Since: t.Time})
}

// dueMajority puts an absence that was told on record once it is over, and ends it.
func (s *State) dueMajority(m *matter) (time.Time, events.TroubleEvent, bool) {
	at := s.majority.turned.Add(s.rules.Back)
	switch {
	case m.open() != nil:
		return at, events.Ended, true
	case s.majority.told != nil:
		return at, events.Began, true
	}
	return time.Time{}, "", false
}

// Told returns what was said of the absence of the majority and is not on record yet; nil if nothing is. It is not to be
// changed.
func Told(s *State) *events.Trouble { return s.majority.told }

// remember takes up again what was said before a restart. It is said again as late as if the absence had begun now: the
// majority may be there.
func (s *State) remember(t *events.Trouble, now time.Time) {
	m := s.keys[events.TroubleKey{Kind: events.TroubleMajority}]
	if t.TroubleKey != m.key || t.Event != events.Began || s.majority.told != nil || m.open() != nil ||
		m.last != nil && s.sameTime(m.last, t) {
		return
	}
	s.majority.told, s.majority.again, s.majority.times = t, now.Add(s.rules.Majority), 0
}

// sameTime tells whether an event of the log is of the same absence as what was told, or of a later one. Clocks may differ
// by the grace.
func (s *State) sameTime(t, told *events.Trouble) bool {
	return t.Time.Add(s.rules.Majority).After(told.Began)
}

// recorded drops what was said if the log has it, or what another arbiter said of the same time. What the log has
// taken was taken by a majority: an arbiter that hasn't noticed yet that there is one again counts its absence anew,
// rather than begin at once what another has just ended.
func (s *State) recorded(t *events.Trouble, now time.Time) {
	if t.Event == events.Ended && !s.majority.there && !s.majority.turned.IsZero() {
		s.majority.turned = now
	}
	if told := s.majority.told; told != nil && s.sameTime(t, told) {
		s.majority.told = nil
	}
}

// missing lists the nodes that are not there, sorted.
func (s *State) missing() []string {
	var names []string
	for name, n := range s.nodes {
		if n.gone {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
