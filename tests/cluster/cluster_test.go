package cluster

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/tests/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// Three nodes on three addresses form a cluster; only one has the configuration. One outage gives exactly one opened
// and one closed event to a client of another node, and one mail each. This is what dmonitor is for.
func TestOneOutageIsToldOnce(t *testing.T) {
	s := rig.NewStage(t, 3, time.Second)
	rig.WaitClients(t, s.Nodes)
	outages := rig.Subscribe(t, s.Nodes[1].Addr+":4222", "dmonitor.outages.>")
	proposals := "dmonitor.results.>"
	results := rig.Subscribe(t, s.Nodes[2].Addr+":4222", proposals)
	s.WaitLooking(t, results, 3)

	s.Host.Down()
	rig.Until(t, "an opened event", func() bool { return len(outages.Events()) >= 1 })
	rig.Until(t, "a mail", func() bool { return len(s.Inbox.Mails()) >= 1 })
	if out, code := s.Nodes[2].Run("status"); code != 1 || !strings.Contains(out, "DOWN   127.0.0.1/tcp") {
		t.Errorf("status while down: exit code %d\n%s", code, out)
	}
	s.Settle(t, results, 3)

	s.Up(t)
	rig.Until(t, "a closed event", func() bool { return len(outages.Events()) >= 2 })
	rig.Until(t, "a second mail", func() bool { return len(s.Inbox.Mails()) >= 2 })
	s.Settle(t, results, 3)

	seen := outages.Events()
	if len(seen) != 2 || seen[0].Subject != "dmonitor.outages.opened.tcp.127.0.0.1" || seen[1].Subject != "dmonitor.outages.closed.tcp.127.0.0.1" {
		t.Fatalf("events: %+v, want one opened and one closed", seen)
	}
	if seen[0].Body.Outage != seen[1].Body.Outage || !strings.Contains(seen[0].Headers, "ce-type: org.dmonitor.outage.opened") {
		t.Errorf("events don't belong together or lack headers: %+v", seen)
	}
	if mails := s.Inbox.Mails(); len(mails) != 2 || mails[1].InReplyTo != mails[0].MessageID {
		t.Errorf("mails: %+v, want two, threaded", mails)
	}
	checkCommands(t, s)
	for _, n := range s.Nodes {
		n.Stop()
	}
}

// checkCommands asks a node that all is over.
func checkCommands(t *testing.T, s *rig.Stage) {
	t.Helper()
	out, code := s.Nodes[0].Run("status", "--json")
	var status struct {
		Nodes []struct{ Node string }
		Down  []any
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 || len(status.Nodes) != 3 || len(status.Down) != 0 {
		t.Errorf("status --json: exit code %d, %v\n%s", code, err, out)
	}
	if out, code := s.Nodes[1].Run("outages"); code != 0 || !strings.Contains(out, "over") || !strings.Contains(out, "127.0.0.1/tcp") {
		t.Errorf("outages: exit code %d\n%s", code, out)
	}
	if out, _ := s.Nodes[1].Run("outages", "--json"); strings.Count(out, "\n") != 2 {
		t.Errorf("outages --json: want two lines\n%s", out)
	}
}

// Any node may be killed without a word, in the middle of an outage: the recovery is still told, once.
func TestKilledNodeLosesNothing(t *testing.T) {
	s := rig.NewStage(t, 3, time.Second)
	rig.WaitClients(t, s.Nodes)
	outages := rig.Subscribe(t, s.Nodes[0].Addr+":4222", "dmonitor.outages.>")
	results := rig.Subscribe(t, s.Nodes[0].Addr+":4222", "dmonitor.results.>")
	s.WaitLooking(t, results, 3)
	s.Host.Down()
	rig.Until(t, "a mail", func() bool { return len(s.Inbox.Mails()) >= 1 })
	s.Nodes[2].Kill()
	s.Up(t)
	rig.Until(t, "a closed event", func() bool { return len(outages.Events()) >= 2 })
	rig.Until(t, "a second mail", func() bool { return len(s.Inbox.Mails()) >= 2 })
	s.Settle(t, results, 2)
	if n, m := len(outages.Events()), len(s.Inbox.Mails()); n != 2 || m != 2 {
		t.Errorf("%d events and %d mails, want 2 and 2", n, m)
	}
}

// One node alone is blind by definition: it declares nothing, and says how to mend that.
func TestLoneNodeIsBlind(t *testing.T) {
	s := rig.NewStage(t, 1, time.Second)
	rig.WaitClients(t, s.Nodes)
	results := rig.Subscribe(t, s.Nodes[0].Addr+":4222", "dmonitor.results.>")
	outages := rig.Subscribe(t, s.Nodes[0].Addr+":4222", "dmonitor.outages.>")
	s.WaitLooking(t, results, 1)
	s.Host.Down()
	s.Settle(t, results, 1)
	if e := outages.Events(); len(e) != 0 {
		t.Errorf("a lone node declared %+v", e)
	}
	out, code := s.Nodes[0].Run("status")
	if code != 1 || !strings.Contains(out, "BLIND") || !strings.Contains(out, "DMONITOR_AGREE=1") {
		t.Errorf("status: exit code %d\n%s", code, out)
	}
	rig.Until(t, "the log says that it is blind", func() bool { return strings.Contains(s.Nodes[0].Log(), "DMONITOR_AGREE=1") })
}

// A bad edit is reported with file and line, and what was valid before stays in force.
func TestBadEditKeepsTheOldOne(t *testing.T) {
	s := rig.NewStage(t, 1, time.Second)
	rig.WaitClients(t, s.Nodes)
	results := rig.Subscribe(t, s.Nodes[0].Addr+":4222", "dmonitor.results.>")
	s.WaitLooking(t, results, 1)
	rig.Write(t, filepath.Join(s.Nodes[0].Etc(), "hosts.d/127.0.0.1/tcp"), "interval: 1s\ntimeuot: 1s\n")
	rig.Until(t, "the log names file and line", func() bool {
		return strings.Contains(s.Nodes[0].Log(), "hosts.d/127.0.0.1/tcp:2")
	})
	s.Settle(t, results, 1)
	if out, code := s.Nodes[0].Run("validate"); code != 1 {
		t.Errorf("validate: exit code %d\n%s", code, out)
	}
}
