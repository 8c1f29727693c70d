package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// A second process on a data folder, and a second member of the same name, would each destroy what the first keeps. Both
// are refused with a word on why; who was there first goes on.
func TestSecondsAreRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3, 1)
	others := rig.NewNodes(t, 3, nil)

	folder := others[0]
	folder.Set("DMONITOR_DATA", s.nodes[0].Data())
	wantRefused(t, folder, "another process", s.nodes[0].Data())

	s.fell(stop, s.nodes[2])
	name := others[1] // It takes the place of the third, with the name of the second.
	for _, v := range []struct{ name, value string }{
		{"DMONITOR_CONFIG", s.nodes[2].Etc()}, {"DMONITOR_LISTEN", s.nodes[2].Addr + ":2929"}, {"DMONITOR_NODE", "node-2"},
	} {
		name.Set(v.name, v.value)
	}
	wantRefused(t, name, "node-2", "DMONITOR_NODE")

	s.back(s.nodes[2])
	s.down(0)
	s.awaitTold("opened", 0)
	s.up(0)
	s.awaitTold("closed", 0)
	stopAll(t, s)
}

// wantRefused starts a node that has to end by itself, and say why in some words.
func wantRefused(t *testing.T, n *rig.Node, words ...string) {
	t.Helper()
	began := time.Now()
	n.Start()
	rig.Until(t, "the node is refused", func() bool { _, ended := n.Ended(); return ended })
	if code, _ := n.Ended(); code == 0 {
		t.Errorf("a node that was refused ended with code 0 after %v", time.Since(began))
	}
	for _, w := range words {
		if !strings.Contains(n.Log(), w) {
			t.Errorf("the log of a node that was refused doesn't say %q:\n%s", w, n.Log())
		}
	}
}
