package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// grace is short in these tests, so that what is told about dmonitor itself is told soon. Twice the grace is longer than
// the five seconds after which a node counts as gone, for all arbiters.
const grace = "DMONITOR_GRACE=4s"

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
			!strings.Contains(out, "\nnode-2 ") && strings.Contains(out, "BLIND")
	})
	if out, code := s.Nodes[0].Run("outages"); code != 0 || !strings.Contains(out, "no outages") {
		t.Errorf("outages: exit code %d\n%s", code, out)
	}
}

// Two of four nodes are left, and the log can't be written. What the two agree on is told all the same, and said to be
// so; when the others are back it is committed, and nobody is told again.
func TestTwoOfFourTellAnOutage(t *testing.T) {
	t.Parallel()
	s := newStage(t, 4, 1, grace)
	gone := s.copies(events.StreamOutages)[:2]
	s.fell(kill, gone...)
	s.down(0)
	s.awaitTold("opened", 0)
	s.wantUncommitted(t, "opened", true)
	s.awaitTrouble("majority", "began", 1)
	s.back(gone...)
	s.awaitLog("opened")
	s.awaitTrouble("majority", "ended", 1)
	s.up(0)
	s.awaitTold("closed", 0)
	s.wantUncommitted(t, "closed", false)
	s.toldOnce(t, 0)
	stopAll(t, s)
}

// The two that told end too, and all four are started again. What was told is on the disks of those who told it: nobody is
// told again, though no arbiter remembers what it had decided.
func TestToldIsRememberedOnDisk(t *testing.T) {
	t.Parallel()
	s := newStage(t, 4, 1, grace)
	gone := s.copies(events.StreamOutages)[:2]
	s.fell(kill, gone...)
	s.down(0)
	s.awaitTold("opened", 0)
	s.awaitTrouble("majority", "began", 1)
	s.fell(kill, s.wells()...)
	s.back(s.nodes...)
	s.awaitLog("opened")
	s.up(0)
	s.awaitTold("closed", 0)
	s.quieten()
	for _, event := range []string{"opened", "closed"} {
		if got := s.told(checkName(0), event); got != len(recipients) {
			t.Errorf("told %d times that it %s, want %d", got, event, len(recipients))
		}
	}
	stopAll(t, s)
}

// The same when an outage ends. Three sites have to agree, so that the two that are gone can't keep it open.
func TestTwoOfFourTellARecovery(t *testing.T) {
	t.Parallel()
	s := newStage(t, 4, 1, grace, "DMONITOR_AGREE=3")
	s.down(0)
	s.awaitTold("opened", 0)
	s.wantUncommitted(t, "opened", false)
	gone := s.copies(events.StreamOutages)[1:]
	s.fell(kill, gone...)
	s.up(0)
	s.awaitTold("closed", 0)
	s.wantUncommitted(t, "closed", true)
	s.awaitTrouble("majority", "began", 1)
	s.back(gone...)
	s.awaitLog("closed")
	s.awaitTrouble("majority", "ended", 1)
	s.toldOnce(t, 0)
	stopAll(t, s)
}

// Two of three witnesses are gone, as many as make an outage: they may still see it down. So it isn't closed until they
// are back, and say so.
func TestVanishingClosesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, 4, 1, grace)
	s.down(0)
	s.awaitTold("opened", 0)
	s.settle()
	s.fell(kill, s.nodes[0], s.nodes[1])
	s.up(0)
	for range 3 {
		s.settle()
	}
	if n := s.told(checkName(0), "closed"); n > 0 {
		t.Errorf("%d mails that it is up, while two that saw it down are gone", n)
	}
	s.back(s.nodes[0], s.nodes[1])
	s.awaitTold("closed", 0)
	s.end()
	stopAll(t, s)
}

// One of three nodes is left while a host goes down. It can't agree with anybody, so nobody is told of the host; the
// operators are told once that there is no majority. When the others are back everybody is told of the outage, once.
func TestOneOfThreeTellsOperators(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3, 1, grace)
	s.fell(kill, s.nodes[0], s.nodes[2])
	s.down(0)
	s.awaitTrouble("majority", "began", 1)
	s.settle()
	if n := s.told(checkName(0), "opened"); n > 0 {
		t.Errorf("%d mails of an outage that one node saw", n)
	}
	s.back(s.nodes[0], s.nodes[2])
	s.awaitTold("opened", 0)
	s.awaitTrouble("majority", "ended", 1)
	s.up(0)
	s.awaitTold("closed", 0)
	s.end()
	for _, event := range []string{"began", "ended"} {
		if got := len(s.troubles("majority", event)); got != 1 {
			t.Errorf("told %d times that the trouble %s, want once", got, event)
		}
	}
	stopAll(t, s)
}

// All three sites have to agree, and one is gone: the operators are told in one mail which checks nobody can judge, and
// in one mail that they can be judged again.
func TestBlindIsToldOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3, 3, grace, "DMONITOR_AGREE=3")
	for i, k := range []kind{kill, freeze} {
		s.fell(k, s.nodes[2])
		s.awaitTrouble("blind", "began", i+1)
		s.awaitTrouble("node node-3", "began", i+1)
		s.down(0)
		s.settle()
		s.back(s.nodes[2])
		s.awaitTold("opened", 0)
		s.up(0)
		s.awaitTold("closed", 0)
		s.awaitTrouble("blind", "ended", i+1)
		s.awaitTrouble("node node-3", "ended", i+1)
	}
	for _, l := range s.troubles("blind", "began") {
		for h := range s.hosts {
			if !strings.Contains(l.Text, checkName(h)) {
				t.Errorf("a blind check is missing: %s\n%s", checkName(h), l.Text)
			}
		}
	}
	s.end()
	for _, what := range []string{"blind", "node node-3"} {
		for _, event := range []string{"began", "ended"} {
			if got := len(s.troubles(what, event)); got != 2 {
				t.Errorf("told %d times that %s %s, want twice", got, what, event)
			}
		}
	}
	stopAll(t, s)
}

// toldOnce waits until nothing more comes, and counts. What the log says of an outage that was told without a majority may
// have been decided anew, with another name; so the mails are counted by check.
func (s *stage) toldOnce(t *testing.T, h int) {
	t.Helper()
	s.quieten()
	for _, event := range []string{"opened", "closed"} {
		if got, want := s.told(checkName(h), event), len(recipients)*s.outages[checkName(h)]; got != want {
			t.Errorf("told %d times that it %s, want %d", got, event, want)
		}
		if got := len(s.troubles("majority", map[string]string{"opened": "began", "closed": "ended"}[event])); got != 1 {
			t.Errorf("told %d times that there is no majority, or is one again (%s), want once", got, event)
		}
	}
	if log, ok := s.readLog(); ok {
		if _, wrong := checkLog(log, s.outages); len(wrong) > 0 {
			t.Errorf("the log is wrong: %q", wrong)
		}
	}
}

// copies lists the nodes that have a copy of a stream, its leader first.
func (s *stage) copies(stream string) (all []*actor) {
	s.t.Helper()
	nc, err := nats.Connect("nats://"+s.wells()[0].Addr+":4222", rig.Login(s.t)...)
	if err != nil {
		s.t.Fatal(err)
	}
	defer nc.Close()
	var info struct {
		Cluster struct {
			Leader   string
			Replicas []struct{ Name string }
		}
	}
	s.until("the stream has three copies", func() bool {
		m, err := nc.Request("$JS.API.STREAM.INFO."+stream, nil, time.Second)
		return err == nil && json.Unmarshal(m.Data, &info) == nil && info.Cluster.Leader != "" && len(info.Cluster.Replicas) == 2
	})
	names := []string{info.Cluster.Leader, info.Cluster.Replicas[0].Name, info.Cluster.Replicas[1].Name}
	for _, name := range names {
		for _, a := range s.nodes {
			if fmt.Sprintf("node-%d", a.i+1) == name {
				all = append(all, a)
			}
		}
	}
	return all
}

// wantUncommitted looks whether the mails of the last event say that they are sent without a majority.
func (s *stage) wantUncommitted(t *testing.T, event string, want bool) {
	t.Helper()
	left := len(recipients)
	for _, l := range slices.Backward(s.post.Letters()) {
		all, _ := tellings(l)
		if left == 0 || len(all) == 0 || all[0].event != event {
			continue
		}
		left--
		if got := strings.Contains(strings.ToLower(l.Text), "sent without a majority"); got != want {
			t.Errorf("sent without a majority: %v, want %v:\n%s\n%s", got, want, l.Subject, l.Text)
		}
	}
}

// troubles lists the mails about dmonitor itself, of one kind.
func (s *stage) troubles(what, event string) (all []rig.Letter) {
	for _, l := range s.post.Letters() {
		if l.Header.Get("X-Dmonitor-Trouble") == what && l.Header.Get("X-Dmonitor-Event") == event {
			all = append(all, l)
		}
	}
	return all
}

func (s *stage) awaitTrouble(what, event string, n int) {
	s.t.Helper()
	s.until(fmt.Sprintf("mail %d that %s %s", n, what, event), func() bool { return len(s.troubles(what, event)) >= n })
}

// awaitLog waits until the log has one such event for each outage there was.
func (s *stage) awaitLog(event string) {
	s.t.Helper()
	s.until("the log has all outages", func() bool {
		log, ok := s.readLog()
		got := map[string]int{}
		for _, l := range log {
			if l.Event == event {
				got[l.check()]++
			}
		}
		for check, n := range s.outages {
			ok = ok && got[check] == n
		}
		return ok
	})
}
