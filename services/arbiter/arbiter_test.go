package arbiter

import (
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// TestThreeArbiters tells the whole story on a real bus of three members: an arbiter and a stand-in for the prober on
// each. The parts share the bus, and each has a host of its own.
func TestThreeArbiters(t *testing.T) {
	c := bustest.New(t, 3)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *bustest.Cluster)
	}{
		{"opened and closed once", openedAndClosedOnce},
		{"the others are asked", othersAreAsked},
		{"one node alone", oneNodeAlone},
		{"restart while down", restartWhileDown},
		{"late with an old view", lateWithAnOldView},
		{"silent node", silentNode},
		{"a log that has forgotten", logForgets},
		{"log not writable", logNotWritable},
		{"member stopped", memberStopped}, // last: it leaves one member that has just come back
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, c) })
	}
}

// court starts an arbiter on each member, and waits until all of them see all nodes of a check.
func court(t *testing.T, l *lab, host string, agree int) (events.Check, []*runningArbiter) {
	t.Helper()
	check := l.configure(host, agree)
	t.Cleanup(func() {
		for _, p := range l.probers {
			p.forget(check)
		}
	})
	var all []*runningArbiter
	for i := range l.cluster.Len() {
		all = append(all, startArbiter(t, l.cluster.Bus(i), l.cluster.Name(i)))
	}
	for _, a := range all {
		ready(t, a, check, len(l.probers))
	}
	return check, all
}

// ready waits until an arbiter has heard live results of all nodes.
func ready(t *testing.T, a *runningArbiter, c events.Check, nodes int) {
	t.Helper()
	eventually(t, "the arbiter knows all nodes", func() bool {
		v := a.view(c)
		return len(v.Able) == nodes && len(v.Words) == nodes && time.Since(a.began) > listen
	})
}

// agreed waits until all arbiters believe the same as the log.
func agreed(t *testing.T, all []*runningArbiter, c events.Check, want round.Condition, seq uint64) {
	t.Helper()
	for _, a := range all {
		eventually(t, "all arbiters believe that it is "+string(want), func() bool {
			v := a.view(c)
			return v.Condition == want && v.Seq == seq
		})
	}
}

func openedAndClosedOnce(t *testing.T, cl *bustest.Cluster) {
	l := newLab(t, cl, 3)
	told := make(chan bus.Committed, 100)
	sub, err := cl.Client(t).SubscribeOutages(func(o bus.Committed) { told <- o })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Stop()
	check, all := court(t, l, "once.example.com", 2)

	l.probers[0].see(check, events.Fail)
	l.probers[1].see(check, events.Timeout)
	opened := <-told
	if opened.Event != events.Opened || opened.Check != check || len(opened.Witnesses(events.Down)) != 2 || opened.Reason == "" {
		t.Fatalf("told %+v", opened.Outage)
	}
	agreed(t, all, check, round.IsDown, opened.Seq)
	mustSay(t, cl.Bus(0), check, events.Opened)

	l.all(check, events.OK)
	closed := <-told
	if closed.Event != events.Closed || closed.Outage.Outage != opened.Outage.Outage || !closed.Opened.Equal(opened.Opened) {
		t.Fatalf("told %+v", closed.Outage)
	}
	agreed(t, all, check, round.IsUp, closed.Seq)
	mustSay(t, cl.Bus(0), check, events.Opened, events.Closed)
	for _, a := range all {
		if !a.said("outage opened: ") || !a.said("outage closed: ") {
			t.Errorf("an arbiter's log doesn't tell the story")
		}
	}
	if len(told) > 0 {
		t.Errorf("told once more: %+v", (<-told).Outage)
	}
}

// othersAreAsked: all but one node only look when they are asked.
func othersAreAsked(t *testing.T, cl *bustest.Cluster) {
	l := newLab(t, cl, 3)
	check, _ := court(t, l, "asked.example.com", 2)
	l.probers[1].routine.Store(false)
	l.probers[2].routine.Store(false)
	l.all(check, events.Fail)
	eventually(t, "opened by an answer", lastIs(cl.Bus(0), check, events.Opened))
	mustSay(t, cl.Bus(0), check, events.Opened)
	opened := history(t, cl.Bus(0), check)[0]
	for _, v := range opened.Votes {
		if v.Node != "p0" && v.Status != "" && v.Result != events.ConfirmedID(opened.Round, v.Node) {
			t.Errorf("%s voted with %q, which is no answer", v.Node, v.Result)
		}
	}
	l.all(check, events.OK)
	eventually(t, "closed by an answer", lastIs(cl.Bus(0), check, events.Closed))
}

func oneNodeAlone(t *testing.T, cl *bustest.Cluster) {
	l := newLab(t, cl, 3)
	check, all := court(t, l, "alone.example.com", 2)
	l.probers[2].see(check, events.Fail)
	for _, a := range all {
		eventually(t, "the suspicion is dismissed", func() bool { return a.said("dismissed: only p2 failed") })
	}
	nothingIn(t, cl.Bus(0), check)
}

func restartWhileDown(t *testing.T, cl *bustest.Cluster) {
	l := newLab(t, cl, 3)
	check, all := court(t, l, "restart.example.com", 2)
	l.all(check, events.Fail)
	eventually(t, "opened", lastIs(cl.Bus(0), check, events.Opened))
	for _, a := range all {
		a.stop()
	}
	a := startArbiter(t, cl.Bus(0), cl.Name(0))
	ready(t, a, check, 3)
	eventually(t, "the log was read", func() bool { return a.view(check).Condition == round.IsDown })
	first := a.view(check)
	eventually(t, "new results say that it is down", func() bool {
		v := a.view(check)
		return v.Condition == round.IsDown && len(v.Words) == 3 && v.Words[0].Time.Sub(first.Words[0].Time) > time.Second
	})
	mustSay(t, cl.Bus(0), check, events.Opened)
	l.all(check, events.OK)
	eventually(t, "closed by the arbiter that was restarted", lastIs(cl.Bus(0), check, events.Closed))
	mustSay(t, cl.Bus(0), check, events.Opened, events.Closed)
}

// lateWithAnOldView stops one arbiter between its decision and its write, and the rest of it as well. Meanwhile the others
// open and close the outage. When it goes on it still wants to open the outage, after no event at all.
func lateWithAnOldView(t *testing.T, cl *bustest.Cluster) {
	l := newLab(t, cl, 3)
	check, all := court(t, l, "late.example.com", 2)
	late := all[2]
	for range writers {
		late.writing <- struct{}{}
	}
	all[0].stop() // The second one alone could be faster than the late one's decision.
	all[1].stop()
	l.all(check, events.Fail)
	eventually(t, "the late one has decided", func() bool { return late.view(check).Pending != nil })
	goOn := make(chan struct{})
	resume := sync.OnceFunc(func() { close(goOn) })
	defer resume()
	late.looks <- func() { <-goOn }

	other := startArbiter(t, cl.Bus(0), cl.Name(0))
	eventually(t, "opened by another", lastIs(cl.Bus(0), check, events.Opened))
	l.all(check, events.OK)
	eventually(t, "closed by another", lastIs(cl.Bus(0), check, events.Closed))
	mustSay(t, cl.Bus(0), check, events.Opened, events.Closed)
	last := history(t, cl.Bus(0), check)
	if last[0].By != cl.Name(0) {
		t.Fatalf("the log says %+v", last)
	}
	<-late.writing // The late one, which waits in line, writes now; and when it is done there is room again.
	late.writing <- struct{}{}
	for range writers {
		<-late.writing
	}
	resume()
	seq := last[len(last)-1].Seq
	agreed(t, []*runningArbiter{late, other}, check, round.IsUp, seq)
	mustSay(t, cl.Bus(0), check, events.Opened, events.Closed)
}

// logForgets drops what the log has of a check, as it does after a year. The next outage is declared all the same.
func logForgets(t *testing.T, cl *bustest.Cluster) {
	l := newLab(t, cl, 2)
	check, _ := court(t, l, "forgotten.example.com", 2)
	l.all(check, events.Fail)
	eventually(t, "opened", lastIs(cl.Bus(0), check, events.Opened))
	l.all(check, events.OK)
	eventually(t, "closed", lastIs(cl.Bus(0), check, events.Closed))
	stream, err := cl.Bus(0).JetStream().Stream(t.Context(), events.StreamOutages)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(events.ProposeFilter(check))); err != nil {
		t.Fatal(err)
	}
	l.all(check, events.Fail)
	eventually(t, "opened once more", lastIs(cl.Bus(0), check, events.Opened))
}

func silentNode(t *testing.T, cl *bustest.Cluster) {
	l := newLab(t, cl, 2)
	check, all := court(t, l, "silent.example.com", 2)
	l.all(check, events.Fail)
	eventually(t, "opened", lastIs(cl.Bus(0), check, events.Opened))
	l.probers[0].stop()
	l.probers[1].stop()
	for _, a := range all {
		eventually(t, "both nodes are gone and the check is blind", func() bool {
			v := a.view(check)
			return len(v.Able) == 0 && v.Blind
		})
		if !a.said("is gone: it has not said") || !a.said("blind: no site is able to look") {
			t.Error("the log doesn't tell of the gone nodes")
		}
	}
	mustSay(t, cl.Bus(0), check, events.Opened)
}

// logNotWritable takes the majority away while an outage is agreed. It is written when the majority is back.
func logNotWritable(t *testing.T, cl *bustest.Cluster) {
	l := &lab{t: t, cluster: cl}
	for _, name := range []string{"p0", "p1", "p2"} { // All on one member, so that they hear each other.
		l.probers = append(l.probers, startStandIn(t, cl.Bus(0), name))
	}
	check := l.configure("minority.example.com", 2)
	a := startArbiter(t, cl.Bus(0), cl.Name(0))
	ready(t, a, check, 3)
	cl.Cut(1)
	cl.Cut(2)
	healed := false
	heal := func() {
		if !healed {
			healed = true
			cl.Heal(1)
			cl.Heal(2)
		}
	}
	defer heal()
	l.all(check, events.Fail)
	eventually(t, "the proposal was tried twice", func() bool { return a.view(check).Tries > 1 })
	l.all(check, events.OK)
	heal()
	eventually(t, "opened and closed once the majority is back", lastIs(cl.Bus(0), check, events.Closed))
	mustSay(t, cl.Bus(0), check, events.Opened, events.Closed)
}

func memberStopped(t *testing.T, cl *bustest.Cluster) {
	l := newLab(t, cl, 3)
	check, all := court(t, l, "stopped.example.com", 2)
	l.probers[2].stop()
	all[2].stop()
	cl.Stop(2)
	l.all(check, events.Fail)
	eventually(t, "opened by the two that are left", lastIs(cl.Bus(0), check, events.Opened))
	l.all(check, events.OK)
	eventually(t, "closed by the two that are left", lastIs(cl.Bus(0), check, events.Closed))
	mustSay(t, cl.Bus(0), check, events.Opened, events.Closed)
	cl.Start(2)
}
