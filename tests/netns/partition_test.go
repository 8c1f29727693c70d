//go:build netns

package netns

import (
	"slices"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// others are the nodes but for one.
func others(name string) []string {
	return slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n == name })
}

// losses counts the connections to other members that the node has lost, by its own word.
func (n *node) losses() int { return strings.Count(n.said(), "lost the connection to the member ") }

// A node whose cable is pulled can reach nobody: neither the others, nor the host, nor the mail server. That is no
// outage of the host, and nobody is told of one. When the host really goes down meanwhile, the two others tell it once;
// and when the node is back, it opens nothing again and sends nothing again. Each node has its turn, so that the one that
// leads the log has it too.
func TestOneNodeCutOff(t *testing.T) {
	s := newStage(t, settings{})
	for i, alone := range nodes {
		rest := others(alone)
		t.Logf("%s is cut off", alone)
		s.pull(alone)
		s.looked(3, rest...)
		s.told(i, i, rest...)

		s.host.Down()
		s.miss(2*i, alone)
		s.awaitTold(i+1, i, rest...)
		s.plug(alone)
		s.looked(2, nodes...)
		s.told(i+1, i, nodes...)

		s.up()
		s.awaitTold(i+1, i+1, nodes...)
		s.whole()
		s.told(i+1, i+1, nodes...)
	}
}

// Nothing happens to the host while a node is cut off. The node can't know that it isn't the host's fault, and still
// nobody is told: not while it is away, and not when it is back with what it saw.
func TestOneNodeCutOffFromAHostThatIsUp(t *testing.T) {
	s := newStage(t, settings{})
	for _, alone := range nodes {
		t.Logf("%s is cut off", alone)
		s.pull(alone)
		s.looked(4, others(alone)...)
		s.lookedAlone(3, alone)
		s.plug(alone)
		s.whole()
		s.told(0, 0, nodes...)
	}
}

// The nodes are parted two to one, and all of them can reach the host and the mail server. An outage opens and closes
// meanwhile: it is told once, though three nodes see it and all could send mail. Each node is the lonely one once.
func TestPartition(t *testing.T) {
	s := newStage(t, settings{})
	for i, alone := range nodes {
		rest := others(alone)
		t.Logf("%s is parted from the others", alone)
		before := s.nodes[alone].losses()
		s.faults(slices.Concat(cut(alone, rest[0]), cut(alone, rest[1]))...)
		s.host.Down()
		s.miss(2*i, alone)
		s.awaitTold(i+1, i, rest...)
		s.looked(2, rest...)
		s.up()
		rig.Until(t, alone+" has lost both others", func() bool { return s.nodes[alone].losses() >= before+2 })
		s.miss(2*i+1, alone)
		s.awaitTold(i+1, i+1, rest...)
		s.looked(2, rest...)
		s.told(i+1, i+1, rest...)

		s.heal()
		s.whole()
		s.told(i+1, i+1, nodes...)
	}
}

// What one node sends another is lost, and the other way is open. The third hears both. Nothing is seen that isn't there,
// and an outage is told once. Every pair has its turn, the pairs with the leader of the log among them.
func TestOneWayCut(t *testing.T) {
	s := newStage(t, settings{})
	for i, pair := range [][2]string{{one, two}, {two, three}, {three, one}} {
		t.Logf("%s no longer reaches %s", pair[0], pair[1])
		before := s.nodes[pair[0]].losses() + s.nodes[pair[1]].losses()
		s.faults(drop(pair[0], pair[1]))
		rig.Until(t, "one of them has lost the other", func() bool {
			return s.nodes[pair[0]].losses()+s.nodes[pair[1]].losses() > before
		})
		s.lookedAlone(3, nodes...)
		s.host.Down()
		s.awaitTold(i+1, i)
		s.lookedAlone(2, nodes...)
		s.up()
		s.awaitTold(i+1, i+1)
		s.heal()
		s.whole()
		for j := range 2 {
			s.missedAtMost(2*i+j, pair[:])
		}
		s.told(i+1, i+1, nodes...)
	}
}
