package plan

import (
	"maps"
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Present knows which nodes are there. The zero value knows none. Its times are readings of one monotonic clock.
type Present struct {
	heard map[string]word
	swept time.Time
}

// word is the last that was heard of a node.
type word struct {
	at       time.Time
	instance string // of the process that spoke
}

// Hear takes in what a node says of itself at now, and tells whether that changes who is there. The goodbye of another process
// than the one that was heard last is no goodbye of the node: somebody bore its name for a while. Past events.MaxVotes
// nodes, as many as a vote can have, nobody new is taken in.
func (p *Present) Hear(said events.Presence, now time.Time) (changed bool) {
	last, known := p.heard[said.Node]
	switch {
	case said.Leaving && known && said.Instance != last.instance:
		return false
	case said.Leaving:
		delete(p.heard, said.Node)
		return known
	case !known && len(p.heard) >= events.MaxVotes:
		return false
	case p.heard == nil:
		p.heard = map[string]word{}
	}
	p.heard[said.Node] = word{at: now, instance: said.Instance}
	return !known
}

// Sweep forgets the nodes that have been silent for events.PresenceTimeout, and tells whether there were any. It wants to
// be called each second. If it wasn't, this process was held up, and what the nodes said may still be waiting to be
// heard: they get their time anew.
func (p *Present) Sweep(now time.Time) (changed bool) {
	heldUp := !p.swept.IsZero() && now.Sub(p.swept) > events.PresenceTimeout/2
	p.swept = now
	for node, last := range p.heard {
		switch {
		case heldUp:
			p.heard[node] = word{at: now, instance: last.instance}
		case now.Sub(last.at) > events.PresenceTimeout:
			delete(p.heard, node)
			changed = true
		}
	}
	return changed
}

// Nodes lists who is there, sorted.
func (p *Present) Nodes() []string { return slices.Sorted(maps.Keys(p.heard)) }
