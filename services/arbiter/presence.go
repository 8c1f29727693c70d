package arbiter

import (
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// attendance is who is there, by the nodes' own word. The zero value is that nobody is.
type attendance struct {
	nodes   map[string]presence
	checked time.Time // when the nodes' silence was looked at last
}

// presence is what is kept of a node that is there.
type presence struct {
	at       time.Time // of its last word
	site     string
	instance string // of the process that spoke
}

// heard takes note of a node's word, and tells whether it is news that the node is there.
func (a *attendance) heard(p *events.Presence, at time.Time) (news bool) {
	if a.nodes == nil {
		a.nodes = map[string]presence{}
	}
	_, known := a.nodes[p.Node]
	a.nodes[p.Node] = presence{at: at, site: p.Site, instance: p.Instance}
	return !known
}

// stays tells whether a node's goodbye isn't its own: it came from another process than the one that was heard last, which
// bore its name for a while.
func (a *attendance) stays(p *events.Presence) bool {
	last, known := a.nodes[p.Node]
	return known && p.Instance != last.instance
}

func (a *attendance) gone(node string) { delete(a.nodes, node) }

// silent lists the nodes that have not been heard for too long, sorted. It is to be asked each second: after a pause of
// this process itself silence proves nothing, and the nodes get another second to be heard.
func (a *attendance) silent(now time.Time) []string {
	paused := !a.checked.IsZero() && now.Sub(a.checked) > 2*time.Second
	a.checked = now
	if paused {
		return nil
	}
	var silent []string
	for node, p := range a.nodes {
		if now.Sub(p.at) > events.PresenceTimeout {
			silent = append(silent, node)
		}
	}
	slices.Sort(silent)
	return silent
}

// sites counts the sites of those who are there.
func (a *attendance) sites() int {
	sites := map[string]bool{}
	for _, p := range a.nodes {
		sites[p.site] = true
	}
	return len(sites)
}
