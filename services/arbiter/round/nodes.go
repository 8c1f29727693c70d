package round

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// blindIntervals is for how many intervals too few sites must be able to judge before a check is called blind: a
// restarting node is not worth a word.
const blindIntervals = 2

func patience(d *events.Definition) time.Duration { return blindIntervals * d.Interval.Duration() }

func (s *State) present(p *events.Presence, now time.Time) {
	old := s.nodes[p.Node]
	if old != nil && old.site == p.Site && slices.Equal(old.plugins, p.Plugins) {
		return
	}
	s.nodes[p.Node] = &node{name: p.Node, site: p.Site, plugins: slices.Sorted(slices.Values(p.Plugins))}
	s.watchNode(p.Node, now)
}

func (s *State) gone(name string, now time.Time) {
	if s.nodes[name] == nil {
		return
	}
	delete(s.nodes, name)
	s.watchNode(name, now)
}

func (s *State) watchNode(name string, now time.Time) {
	for _, c := range s.sorted() {
		if c.def != nil && c.def.LooksFrom(name) {
			s.watch(c, now)
		}
	}
}

// watch notices when a check has too few sites that can judge, and when it has enough again.
func (s *State) watch(c *check, now time.Time) {
	able := s.able(c)
	switch enough := len(able) >= c.def.Agree; {
	case enough && c.blind:
		c.blind, c.short = false, time.Time{}
		s.emit(Decision{
			Kind: Sighted, Check: c.Check, Votes: c.lastWords(), Able: len(able), Agree: c.def.Agree,
			Reason: fmt.Sprintf("%s able to look again; %s", isAre(able), needed(c.def.Agree)),
		})
	case enough:
		c.short = time.Time{}
	case c.short.IsZero():
		c.short = now
	case !c.blind && now.Sub(c.short) >= patience(c.def):
		c.blind = true
		s.emit(Decision{
			Kind: Blind, Check: c.Check, Votes: c.lastWords(), Able: len(able), Agree: c.def.Agree,
			Reason: events.CleanText(s.whyBlind(c, able), events.MaxReason),
		})
	}
	s.schedule(c)
}

// askable lists the nodes that can be asked to run the check, sorted by name, at most as many as fit into an event.
func (s *State) askable(c *check, except string) []*node {
	var out []*node
	for _, n := range s.nodes {
		if n.name != except && s.obstacle(c, n.name) == "" {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b *node) int { return compareNames(a.name, b.name) })
	return out[:min(len(out), events.MaxVotes-1)]
}

// obstacle says why a node can't run the check; empty if it can.
func (s *State) obstacle(c *check, name string) string {
	n := s.nodes[name]
	switch {
	case !c.def.LooksFrom(name):
		return "does not look at it"
	case n == nil:
		return "is gone"
	}
	if _, ok := slices.BinarySearch(n.plugins, c.def.Plugin); !ok {
		// Presence lists what can be run, so the file may well be there, without the right to be executed.
		return "has no check_" + c.def.Plugin + " it can run"
	}
	return ""
}

// obstacles says of the nodes that should look at the check and can't judge it why not, sorted by node.
func (s *State) obstacles(c *check) []Obstacle {
	names := map[string]bool{}
	for name := range s.nodes {
		names[name] = true
	}
	for _, w := range c.words {
		names[w.node] = true
	}
	var out []Obstacle
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !c.def.LooksFrom(name) {
			continue
		}
		reason := s.obstacle(c, name)
		if i, ok := c.find(name); reason == "" && ok && c.words[i].status == events.Unknown {
			reason = "could not tell"
			if out := firstLine(c.words[i].output); out != "" {
				reason += " (" + out + ")"
			}
		}
		if reason != "" {
			out = append(out, Obstacle{Node: name, Reason: reason})
		}
	}
	return out
}

// able lists the sites that are able to judge the check: one of their nodes can run it, and its last result, if there
// is one, was not unknown.
func (s *State) able(c *check) []string {
	var sites []string
	for _, n := range s.nodes {
		if s.obstacle(c, n.name) != "" || slices.Contains(sites, n.site) {
			continue
		}
		if i, ok := c.find(n.name); ok && c.words[i].status == events.Unknown {
			continue
		}
		sites = append(sites, n.site)
	}
	slices.Sort(sites)
	return sites
}

// lastWords lists what each node said last.
func (c *check) lastWords() []events.NodeVote {
	votes := make([]events.NodeVote, 0, len(c.words))
	for _, w := range c.words {
		if w.status != "" {
			votes = append(votes, w.said())
		}
	}
	return votes
}
