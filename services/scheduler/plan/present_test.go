package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// TestPresent: a node is there from its first word until its last one, or until it has been silent for too long.
func TestPresent(t *testing.T) {
	t.Parallel()
	var p Present
	at := func(seconds float64) time.Time { return epoch.Add(time.Duration(seconds * float64(time.Second))) }
	says := func(node string, leaving bool) events.Presence { return events.Presence{Node: node, Leaving: leaving} }
	want := func(step string, changed, wantChanged bool, nodes ...string) {
		t.Helper()
		if changed != wantChanged || !slices.Equal(p.Nodes(), nodes) {
			t.Fatalf("%s: changed %v, nodes %v; want %v, %v", step, changed, p.Nodes(), wantChanged, nodes)
		}
	}
	want("one who leaves before it came", p.Hear(says("tokyo", true), at(0)), false)
	want("the first word", p.Hear(says("tokyo", false), at(0)), true, "tokyo")
	want("the second", p.Hear(says("tokyo", false), at(1)), false, "tokyo")
	want("another", p.Hear(says("paris", false), at(1)), true, "paris", "tokyo")
	want("a sweep", p.Sweep(at(2)), false, "paris", "tokyo")
	p.Hear(says("paris", false), at(3))
	p.Sweep(at(4))
	want("silent for as long as allowed", p.Sweep(at(6)), false, "paris", "tokyo")
	want("silent for longer", p.Sweep(at(6.1)), true, "paris")
	want("the last word of another process of its name", p.Hear(events.Presence{Node: "paris", Instance: "2", Leaving: true}, at(6.1)), false, "paris")
	want("the last word", p.Hear(says("paris", true), at(6.2)), true)
	want("back again", p.Hear(says("paris", false), at(6.3)), true, "paris")
	want("held up: what was said is still to be heard", p.Sweep(at(60)), false, "paris")
	p.Sweep(at(62))
	p.Sweep(at(64))
	want("and it was not", p.Sweep(at(65.1)), true)
}

// TestPresentBounded: there may be as many nodes as a vote can have.
func TestPresentBounded(t *testing.T) {
	t.Parallel()
	var p Present
	for i := range events.MaxVotes + 10 {
		p.Hear(events.Presence{Node: fmt.Sprintf("n%d", i)}, epoch)
	}
	if n := len(p.Nodes()); n != events.MaxVotes {
		t.Errorf("%d nodes, want %d", n, events.MaxVotes)
	}
	if p.Hear(events.Presence{Node: "n0"}, epoch.Add(time.Second)) {
		t.Error("one that is known is taken for a new one")
	}
}
