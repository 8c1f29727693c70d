package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// Of three nodes one is left. It says so when it is asked, and who is there, rather than that it can't be reached.
func TestStatusWithoutMajority(t *testing.T) {
	s := rig.NewStage(t, 3, time.Second)
	rig.WaitClients(t, s.Nodes)
	s.WaitLooking(t, rig.Subscribe(t, s.Nodes[0].Addr+":4222", "dmonitor.results.>"), 3)
	s.Nodes[1].Kill()
	s.Nodes[2].Kill()
	rig.Until(t, "the last node says that there is no majority", func() bool {
		out, code := s.Nodes[0].Run("status")
		return code == 1 && strings.Contains(out, "TROUBLE  there is no majority") && strings.Contains(out, "node-1 ") &&
			!strings.Contains(out, "node-2 ") && strings.Contains(out, "BLIND")
	})
	if out, code := s.Nodes[0].Run("outages"); code != 0 || !strings.Contains(out, "no outages") {
		t.Errorf("outages: exit code %d\n%s", code, out)
	}
}
