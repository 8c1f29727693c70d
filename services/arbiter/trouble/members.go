package trouble

import (
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// maxNodes bounds the nodes that are remembered.
const maxNodes = 1000

// Members tells who carries a member of the bus. It is to be told every few seconds. If nobody answers it says nothing.
type Members struct {
	Here   map[string]string // those who answer, by name, with their addresses in the lists; "": in none
	Listed []string          // the addresses in the lists of those who answer
}

// Expected tells which nodes there were before this arbiter started, with their addresses as in Members: they are
// missed if they don't come.
type Expected struct{ Nodes map[string]string }

func (Members) input()  {}
func (Expected) input() {}

// Known lists the nodes that are to be remembered across a restart, with their addresses.
func Known(s *State) map[string]string {
	known := map[string]string{}
	for name, n := range s.nodes {
		if n.retired.IsZero() && !n.forgotten && len(known) < maxNodes {
			known[name] = n.addr
		}
	}
	return known
}

func (s *State) expected(in Expected, now time.Time) {
	for name, addr := range in.Nodes {
		if s.nodes[name] == nil && len(s.nodes) < maxNodes {
			s.nodes[name] = &node{heard: now, gone: true, never: true, addr: addr}
			s.matter(events.TroubleKey{Kind: events.TroubleNode, Node: name})
		}
	}
}

// members takes in who answers. Of a node that runs plugins its own word counts; others, which only carry the bus, are there
// as long as they answer. A node whose address no list has any more was taken away.
func (s *State) members(in Members, now time.Time) {
	if len(in.Here) == 0 {
		return
	}
	for name, addr := range in.Here {
		if n := s.nodes[name]; n == nil || !n.looks {
			s.present(name, now)
		}
		if addr != "" {
			s.nodes[name].addr = addr
		}
	}
	for name, n := range s.nodes {
		_, here := in.Here[name]
		if !here && !n.looks && !n.gone && now.Sub(n.heard) > events.PresenceTimeout {
			s.gone(name, false, now)
		}
		switch {
		case n.addr == "" || here || slices.Contains(in.Listed, n.addr):
			n.retired = time.Time{}
		case n.retired.IsZero():
			n.retired = now
		}
	}
}
