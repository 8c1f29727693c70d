package cluster

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// Two nodes of one site have one vote together: what both see is no outage, until another site sees it too. The votes in
// the event and in the mail say whose site is where.
func TestSitesVoteOnce(t *testing.T) {
	t.Parallel()
	s := rig.NewStage(t, 3, time.Second)
	rig.WaitClients(t, s.Nodes)
	for _, n := range s.Nodes[:2] { // one after the other, so that there is a majority all the time
		n.Stop()
		n.Set("DMONITOR_SITE", "frankfurt")
		n.Start()
		rig.WaitClients(t, s.Nodes)
	}
	results := rig.Subscribe(t, s.Nodes[0].Addr+":4222", "dmonitor.results.>")
	outages := rig.Subscribe(t, s.Nodes[0].Addr+":4222", "dmonitor.outages.>")
	s.WaitLooking(t, results, 3)
	rig.Until(t, "the sites are known", func() bool {
		out, _ := s.Nodes[0].Run("status")
		return strings.Count(out, " frankfurt ") == 2 && !strings.Contains(out, "BLIND")
	})
	s.Nodes[2].Stop()
	s.Host.Down()
	s.Settle(t, results, 2)
	if e := outages.Events(); len(e) != 0 {
		t.Fatalf("one site declared an outage: %s", e[0].Data)
	}
	s.Nodes[2].Start()
	rig.Until(t, "an opened event", func() bool { return len(outages.Events()) == 1 })
	e := outages.Events()[0]
	o, err := events.Decode[events.Outage](e.Subject, e.Data)
	if err != nil {
		t.Fatal(err)
	}
	if sites := strings.Join(o.Witnesses(events.Down), " "); sites != "frankfurt node-3" {
		t.Errorf("witnesses %q: %+v", sites, o.Votes)
	}
	rig.Until(t, "a mail", func() bool { return len(s.Inbox.Mails()) >= 1 })
	if m, err := json.Marshal(s.Inbox.Mails()[0]); err != nil || !strings.Contains(string(m), "2 of 2 sites") || !strings.Contains(string(m), "frankfurt") {
		t.Errorf("the mail doesn't speak of sites: %v\n%s", err, m)
	}
}
