package trouble

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// node is one that was heard, or is expected.
type node struct {
	heard   time.Time // last; of one that was never heard, when it was expected first
	since   time.Time // it is there, if it is
	gone    bool
	goodbye bool
	never   bool // never heard by this arbiter

	looks   bool      // it says by itself that it is there: it runs plugins
	addr    string    // of its member of the bus, by the lists of the members; empty: it has none, or that isn't known
	retired time.Time // since when no list has that address any more; zero: one has

	forgotten bool // the log says that it was taken away
}

func (s *State) present(name string, now time.Time) {
	n := s.nodes[name]
	if n == nil {
		n = &node{gone: true}
		s.nodes[name] = n
		s.matter(events.TroubleKey{Kind: events.TroubleNode, Node: name})
	}
	if n.gone {
		n.gone, n.since = false, now
	}
	n.heard, n.never, n.retired, n.forgotten = now, false, time.Time{}, false
}

// retire follows a log that says that a node was taken away, such as by hand.
func (s *State) retire(t *events.Trouble) {
	if n := s.nodes[t.Node]; n != nil && t.Retired {
		n.forgotten = n.gone
	}
}

func (s *State) gone(name string, goodbye bool, now time.Time) {
	n := s.nodes[name]
	if n == nil || n.gone {
		return
	}
	n.gone, n.goodbye = true, goodbye
	if goodbye {
		n.heard = now
	}
}

func (s *State) dueNode(m *matter) (time.Time, events.TroubleEvent, bool) {
	n := s.nodes[m.key.Node]
	switch {
	case n == nil || n.forgotten:
	case n.gone && !n.retired.IsZero():
		return later(n.retired, m.adopted).Add(s.rules.Back), events.Ended, m.open() != nil
	case m.open() == nil && n.gone:
		grace := s.rules.Node
		if n.goodbye {
			grace = s.rules.Goodbye
		}
		return later(n.heard, s.from).Add(grace), events.Began, true
	case m.open() != nil && !n.gone && n.heard.After(m.adopted): // Else it may be silent, and about to be gone here too.
		return later(n.since, m.adopted).Add(s.rules.Back), events.Ended, true
	}
	return time.Time{}, "", false
}

func (s *State) describeNode(t *events.Trouble, now time.Time) {
	n := s.nodes[t.Node]
	if t.Event == events.Began {
		t.Began = n.heard
	}
	switch {
	case t.Event == events.Ended && n.gone:
		t.Retired = true
		t.Reason = "node " + t.Node + " was taken away: no list of nodes has it any more"
	case n.never:
		t.Reason = "node " + t.Node + " has not been heard since this one began to look, at " + clock(n.heard)
	case t.Event == events.Ended:
		t.Reason = "node " + t.Node + " is there again, after " + span(t.Began, n.since)
	case n.goodbye:
		t.Reason = "node " + t.Node + " said goodbye " + span(n.heard, now) + " ago, at " + clock(n.heard) + ", and has not come back"
	default:
		t.Reason = "node " + t.Node + " has not said for " + span(n.heard, now) + " that it is there; it was heard last at " + clock(n.heard)
	}
}
