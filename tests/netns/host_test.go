//go:build netns

package netns

import (
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// One node loses its way to the host, and nothing else. What it sees is dismissed; nobody is told. It changes nothing
// for the others: a real outage is told once, and closed while that node still can't reach the host.
func TestOneNodeLosesTheHost(t *testing.T) {
	s := newStage(t, settings{})
	s.faults(cut(one, web)...)
	rig.Until(t, "node-2 dismisses what node-1 sees", func() bool { return strings.Contains(s.nodes[two].said(), "dismissed: ") })
	s.looked(5, nodes...)
	s.told(0, 0, nodes...)

	s.host.Down()
	s.awaitTold(1, 0, nodes...)
	s.up()
	s.awaitTold(1, 1, nodes...)
	s.looked(2, nodes...)
	s.told(1, 1, nodes...)

	s.heal()
	s.whole()
	s.told(1, 1, nodes...)
}
