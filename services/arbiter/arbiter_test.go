package arbiter

import (
	"context"
	"slices"
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
		{"an event of a newer version", newerEvent},
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
		return len(v.Able) == nodes && len(v.Words) == nodes && time.Since(a.began) > round.Listen
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
	// It reads the log before it does anything, and not only when it reads it once more.
	for first := a.view(check).Condition; ; first = a.view(check).Condition {
		if time.Since(a.began) < rereadSoon {
			if first != round.IsDown {
				t.Errorf("an arbiter that has just started believes that the check is %s", first)
			}
			break
		}
		a.stop() // Too slow to tell.
		a = startArbiter(t, cl.Bus(0), cl.Name(0))
	}
	ready(t, a, check, 3)
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

// newerEvent: an event that this version doesn't know doesn't stand in the way, also as the first of its check.
func newerEvent(t *testing.T, cl *bustest.Cluster) {
	l := newLab(t, cl, 2)
	check, _ := court(t, l, "noted.example.com", 2)
	note := func() {
		if _, err := cl.Bus(0).JetStream().Publish(t.Context(), events.ProposeSubject("noted", check), []byte(`{"v":1,"event":"noted"}`)); err != nil {
			t.Fatal(err)
		}
	}
	note()
	l.all(check, events.Fail)
	eventually(t, "opened", lastIs(cl.Bus(0), check, events.Opened))
	note()
	l.all(check, events.OK)
	eventually(t, "closed", lastIs(cl.Bus(0), check, events.Closed))
	mustSay(t, cl.Bus(0), check, events.Opened, events.Closed)
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

	blind, p0 := events.TroubleKey{Kind: events.TroubleBlind}, events.TroubleKey{Kind: events.TroubleNode, Node: "p0"}
	eventually(t, "the operators are told that checks are blind", troubleIs(cl.Bus(0), blind, events.Ended, false))
	eventually(t, "the operators are told that a node is gone", troubleIs(cl.Bus(0), p0, events.Began, true))
	for _, a := range all {
		a.stop()
	}
	l.probers = []*standIn{startStandIn(t, cl.Bus(0), "p0"), startStandIn(t, cl.Bus(1), "p1")}
	l.all(check, events.Fail)
	a := startArbiter(t, cl.Bus(0), cl.Name(0)) // It only knows from the log that anything was wrong.
	if eventually(t, "it starts", func() bool { return a.view(check).Seq > 0 }); !a.said("still so, as far as is known: too few sites") {
		t.Error("the log doesn't tell what was still wrong at the start")
	}
	eventually(t, "they are told that it is back", troubleIs(cl.Bus(0), p0, events.Ended, true))
	l.all(check, events.OK)
	eventually(t, "closed", lastIs(cl.Bus(0), check, events.Closed))
	eventually(t, "and that all checks are judged again", troubleIs(cl.Bus(0), blind, events.Ended, true))
}

// troubleIs tells whether the last event of a trouble is the one that is wanted, or is there and isn't it.
func troubleIs(b *bus.Bus, k events.TroubleKey, event events.TroubleEvent, want bool) func() bool {
	return func() bool {
		ctx, stop := context.WithTimeout(context.Background(), bustest.Patience)
		defer stop()
		last, err := b.LastTroubles(ctx)
		return err == nil && last[k].Event != "" && (last[k].Event == event) == want
	}
}

// logNotWritable takes the majority away while an outage is agreed. It is written when the majority is back.
func logNotWritable(t *testing.T, cl *bustest.Cluster) {
	l := &lab{t: t, cluster: cl}
	for _, name := range []string{"p0", "p1", "p2"} { // All on one member, so that they hear each other.
		l.probers = append(l.probers, startStandIn(t, cl.Bus(0), name))
	}
	check, data := l.configure("minority.example.com", 2), t.TempDir()
	a := startWith(t, Options{Bus: cl.Bus(0), Node: cl.Name(0), Data: data})
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
	heard, away := make(chan events.Uncommitted, 100), make(chan events.Uncommitted, 100)
	sub, err := bus.Subscribe(cl.Bus(0), events.AllUncommitted, func(u events.Uncommitted) {
		if u.Trouble != nil {
			away <- u
			return
		}
		heard <- u
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Stop()
	l.all(check, events.Fail)
	eventually(t, "the proposal was tried twice", func() bool { return a.view(check).Tries > 1 })
	late := startArbiter(t, cl.Bus(0), "late") // One that starts without a majority decides as well.
	eventually(t, "the late one has decided", func() bool { return late.view(check).Pending != nil })
	late.stop()
	said := <-away
	for said.By != cl.Name(0) { // The late one may be sooner to notice.
		said = <-away
	}
	if u := said; u.Trouble.Kind != events.TroubleMajority || u.Trouble.Event != events.Began {
		t.Errorf("said %+v", u.Trouble)
	}
	eventually(t, "its log says so too", func() bool { return a.said(said.Trouble.Trouble) }) // after it was published
	u := <-heard
	if again := <-heard; u.By != cl.Name(0) || u.Outage == nil || u.Outage.Check != check || !again.Since.Equal(u.Since) ||
		time.Since(u.Since) < events.UncommittedAfter || len(u.Outage.Witnesses(events.Down)) < 2 {
		t.Errorf("said %+v, then %+v", u, again)
	}
	if !a.said("opened and not committed for 30s") {
		t.Errorf("the log doesn't say that it is uncommitted")
	}
	eventually(t, "what was said is kept", func() bool {
		all, err := readKept(data, cl.Name(0), time.Now())
		return err == nil && len(all) == 2 &&
			slices.ContainsFunc(all, func(k events.Uncommitted) bool { return eventOf(k) == u.Outage.ID && k.Since.Equal(u.Since) }) &&
			slices.ContainsFunc(all, func(k events.Uncommitted) bool { return k.Trouble != nil })
	})
	l.all(check, events.OK)
	heal()
	eventually(t, "opened and closed once the majority is back", lastIs(cl.Bus(0), check, events.Closed))
	mustSay(t, cl.Bus(0), check, events.Opened, events.Closed)
	eventually(t, "that there was no majority is on record, and over", troubleIs(cl.Bus(0), events.TroubleKey{Kind: events.TroubleMajority}, events.Ended, true))
	eventually(t, "nothing is kept any more", func() bool {
		all, err := readKept(data, cl.Name(0), time.Now())
		return err == nil && len(all) == 0
	})
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

// The goodbye of another process that bore a node's name is none of the node.
func TestGoodbyeOfAnotherProcess(t *testing.T) {
	t.Parallel()
	b := bustest.New(t, 1).Bus(0)
	a := startArbiter(t, b, "n0")
	say := func(instance string, leaving bool) {
		t.Helper()
		if err := b.Publish(&events.Presence{Node: "fra", Site: "eu", Instance: instance, Leaving: leaving}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the node is there", func() bool { say("1", false); return a.said("node fra is there") })
	say("2", true)
	eventually(t, "the goodbye was heard", func() bool { return a.said("another process of node fra has ended") })
	if a.said("is gone") {
		t.Error("the node is taken for gone")
	}
	say("1", true)
	eventually(t, "its own goodbye", func() bool { return a.said("node fra is gone: it said goodbye") })
}
