package trouble_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

func there(w *world) { w.all(trouble.Majority{There: true}) }

// heard says of nodes that they are there, to every arbiter.
func heard(w *world, nodes ...string) func() {
	return func() {
		for _, n := range nodes {
			w.all(trouble.NodePresent{Node: n})
		}
	}
}

// TestBlindTogether: what goes blind within a grace is told in one event, by one arbiter.
func TestBlindTogether(t *testing.T) {
	w := newWorld(t, 3)
	there(w)
	w.pass(time.Minute)
	w.all(blind("a"))
	w.pass(20 * time.Second)
	w.all(blind("b"))
	w.pass(9 * time.Second)
	w.mustSay()
	w.pass(time.Second)
	w.mustSay("began blind 2")
	if b := w.log[0]; !b.Began.Equal(start.Add(time.Minute)) || b.Checks[1].Host != "b" ||
		b.Reason != "too few sites are able to judge 2 checks: a/ssh: only fra is able to look; 2 sites have to agree" {
		t.Errorf("said %+v", b)
	}
	if p := trouble.Presumed(w.arbiters[0].state); len(p) > 0 {
		t.Errorf("presumed are %v, which are known", p)
	}
	w.all(sighted("a"))
	w.pass(time.Hour)
	w.mustSay("began blind 2")
	w.all(sighted("b"))
	w.pass(29 * time.Second)
	w.all(blind("a")) // Within the grace it is the same trouble.
	w.pass(time.Second)
	w.all(sighted("a"))
	w.pass(29 * time.Second)
	w.mustSay("began blind 2")
	w.pass(time.Second)
	w.mustSay("began blind 2", "ended blind")
}

// TestBlindForAMoment: what is over within the grace is not told.
func TestBlindForAMoment(t *testing.T) {
	w := newWorld(t, 1)
	there(w)
	for range 20 {
		w.all(blind("a"))
		w.pass(29 * time.Second)
		w.all(sighted("a"))
	}
	w.pass(time.Hour)
	w.mustSay()
}

// TestBlindGrows: more checks are told after the grace, at most every ten minutes, and all that are blind then.
func TestBlindGrows(t *testing.T) {
	w := newWorld(t, 2)
	there(w)
	w.all(blind("a"))
	w.pass(30 * time.Second)
	w.all(blind("b"))
	w.pass(9 * time.Minute)
	w.mustSay("began blind 1")
	w.all(blind("c"))
	w.pass(time.Minute)
	w.mustSay("began blind 1", "grew blind 3")
	w.pass(time.Hour)
	w.all(blind("d"))
	w.pass(29 * time.Second)
	w.mustSay("began blind 1", "grew blind 3")
	w.pass(time.Second)
	w.mustSay("began blind 1", "grew blind 3", "grew blind 4")
	w.pass(24 * time.Hour)
	w.mustSay("began blind 1", "grew blind 3", "grew blind 4")
}

// TestBlindAcrossRestarts: an open trouble isn't told again by an arbiter that starts, and not ended before it has looked.
func TestBlindAcrossRestarts(t *testing.T) {
	w := newWorld(t, 1)
	there(w)
	w.all(blind("a"))
	w.all(blind("b"))
	w.pass(time.Minute)
	w.mustSay("began blind 2")
	a := w.arbiters[0]
	for range 3 {
		a.boot()
		there(w)
		w.pass(10 * time.Minute) // The checks' intervals are long: nothing is known of them yet.
		w.all(blind("a"))
		w.pass(10 * time.Minute)
		w.mustSay("began blind 2")
		if p := trouble.Presumed(a.state); len(p) != 1 || p[0].Host != "b" {
			t.Fatalf("presumed are %v", p)
		}
	}
	w.all(sighted("b"))
	w.pass(time.Hour)
	w.mustSay("began blind 2")
	w.all(trouble.Configured{}) // a is checked no more.
	w.pass(time.Minute)
	w.mustSay("began blind 2", "ended blind")
	w.all(blind("b"))
	a.boot()
	there(w)
	w.pass(time.Hour)
	w.mustSay("began blind 2", "ended blind")
}

// TestEndedByAnother: what another arbiter ended is presumed no more.
func TestEndedByAnother(t *testing.T) {
	w := newWorld(t, 2)
	there(w)
	w.all(blind("a"))
	w.pass(time.Minute)
	w.arbiters[0].boot()
	if p := trouble.Presumed(w.arbiters[0].state); len(p) != 1 {
		t.Fatalf("presumed are %v", p)
	}
	w.arbiters[1].give(sighted("a"))
	w.pass(time.Minute)
	w.mustSay("began blind 1", "ended blind")
	if p := trouble.Presumed(w.arbiters[0].state); len(p) > 0 {
		t.Fatalf("presumed are %v, after the end", p)
	}
}

// TestManyBlind: more than an event lists are counted, and those not listed are not told again.
func TestManyBlind(t *testing.T) {
	w := newWorld(t, 1)
	there(w)
	for i := range events.MaxBlindListed + 50 {
		w.all(blind(fmt.Sprintf("h%03d", i)))
	}
	w.pass(24 * time.Hour)
	w.mustSay("began blind 250")
	w.all(blind("one-more"))
	w.pass(time.Hour)
	w.mustSay("began blind 250", "grew blind 251")
}

// TestNode: silent for a minute, told; back for ten seconds, ended.
func TestNode(t *testing.T) {
	w := newWorld(t, 3)
	there(w)
	w.pass(time.Minute, heard(w, "fra", "nyc"))
	lost := w.now
	w.pass(5*time.Second, heard(w, "fra"))
	w.all(trouble.NodeGone{Node: "nyc"})
	w.pass(53*time.Second, heard(w, "fra"))
	w.mustSay()
	w.pass(2*time.Second, heard(w, "fra"))
	w.mustSay("began node nyc")
	if b := w.log[0]; lost.Sub(b.Began) > time.Second || !strings.HasPrefix(b.Reason, "node nyc has not said for 1m0s that it is there; it was heard last at 2026-03-01 03:0") {
		t.Errorf("said %+v", b)
	}
	w.pass(8*time.Second, heard(w, "fra", "nyc"))
	w.all(trouble.NodeGone{Node: "nyc"})
	w.pass(time.Hour, heard(w, "fra"))
	w.mustSay("began node nyc")
	for _, a := range w.arbiters { // The log says who is missed.
		a.boot()
	}
	there(w)
	w.pass(time.Hour, heard(w, "fra"))
	w.mustSay("began node nyc")
	w.pass(12*time.Second, heard(w, "fra", "nyc"))
	w.mustSay("began node nyc", "ended node nyc")
	if e := w.log[1]; !strings.HasPrefix(e.Reason, "node nyc is there again, after 2h") {
		t.Errorf("said %+v", e)
	}
}

// TestNodeGoneElsewhereFirst: an arbiter to which a silent node is not yet gone doesn't end what another has just begun.
// One that goes on hearing it does, after a while.
func TestNodeGoneElsewhereFirst(t *testing.T) {
	w := newWorld(t, 2)
	there(w)
	w.pass(time.Minute, heard(w, "nyc"))
	w.arbiters[0].give(trouble.NodeGone{Node: "nyc"})
	w.pass(62 * time.Second)
	w.mustSay("began node nyc")
	w.arbiters[1].give(trouble.NodeGone{Node: "nyc"})
	w.pass(time.Minute)
	w.mustSay("began node nyc")
	w.pass(12*time.Second, heard(w, "nyc"))
	w.mustSay("began node nyc", "ended node nyc")

	w.arbiters[0].give(trouble.NodeGone{Node: "nyc"})
	hears := func() { w.arbiters[1].give(trouble.NodePresent{Node: "nyc"}) }
	w.pass(62*time.Second, hears)
	w.mustSay("began node nyc", "ended node nyc", "began node nyc")
	w.pass(20*time.Second, hears)
	w.mustSay("began node nyc", "ended node nyc", "began node nyc", "ended node nyc")
}

// TestNodeAway: less than a minute isn't told; nor is a restart, which says goodbye. Who doesn't come back is.
func TestNodeAway(t *testing.T) {
	w := newWorld(t, 1)
	there(w)
	for range 10 {
		w.pass(2*time.Second, heard(w, "nyc"))
		w.all(trouble.NodeGone{Node: "nyc"})
		w.pass(58 * time.Second)
	}
	w.pass(time.Second, heard(w, "nyc"))
	w.all(trouble.NodeGone{Node: "nyc", Goodbye: true})
	w.pass(5 * time.Minute)
	w.all(trouble.NodeGone{Node: "nyc", Goodbye: true}) // Said twice.
	w.pass(4*time.Minute + 59*time.Second)
	w.mustSay()
	w.pass(time.Second)
	w.mustSay("began node nyc")
	if want := "node nyc said goodbye 10m0s ago, at "; !strings.HasPrefix(w.log[0].Reason, want) {
		t.Errorf("said %q, want %q…", w.log[0].Reason, want)
	}
}

// TestMajority: away for 45 s, told again and again; back, it is put on record and ended, once for all arbiters.
func TestMajority(t *testing.T) {
	w := newWorld(t, 3)
	there(w)
	w.pass(time.Minute, heard(w, "fra", "nyc"))
	w.all(trouble.Majority{})
	w.all(trouble.NodeGone{Node: "nyc"})
	w.pass(44 * time.Second)
	there(w)
	w.pass(time.Minute, heard(w, "fra", "nyc"))
	w.mustSay()

	w.all(trouble.Majority{Why: "2 of 3 members away"})
	w.all(trouble.NodeGone{Node: "nyc"})
	away := w.now
	w.pass(44 * time.Second)
	for _, a := range w.arbiters {
		if len(a.said) > 0 {
			t.Fatalf("said %+v", a.said[0])
		}
	}
	w.pass(11 * time.Second)
	for _, a := range w.arbiters {
		if len(a.said) != 3 || a.said[0].ID != a.said[2].ID || !a.said[2].Began.Equal(away) || a.said[2].Reason !=
			a.name+" reaches no majority of the members of the bus, so it has not been able to commit a decision for 55s: "+
				"2 of 3 members away; nyc does not say that it is there" {
			t.Fatalf("said %d times, last %+v", len(a.said), a.said[len(a.said)-1])
		}
	}
	there(w)
	w.pass(9*time.Second, heard(w, "fra"))
	w.mustSay()
	w.pass(time.Second, heard(w, "fra"))
	w.mustSay("began majority", "ended majority")
	if first := w.arbiters[0].said[2]; w.log[0].ID != first.ID || w.log[0].By != "a0" {
		t.Errorf("on record is %+v, said was %+v", w.log[0], first)
	}
	w.pass(45*time.Second, heard(w, "fra"))
	w.mustSay("began majority", "ended majority")
	w.pass(6*time.Second, heard(w, "fra")) // Missed for longer, but not with a majority.
	w.mustSay("began majority", "ended majority", "began node nyc")
	w.all(trouble.Majority{}) // It can be told anew.
	w.pass(time.Minute)
	there(w)
	w.pass(time.Minute, heard(w, "fra"))
	w.mustSay("began majority", "ended majority", "began node nyc", "began majority", "ended majority")
}

// TestMajorityNoticedLate: an arbiter that notices later than another that the majority is back takes the other's word for
// it, and says nothing of its own.
func TestMajorityNoticedLate(t *testing.T) {
	w := newWorld(t, 2)
	there(w)
	w.pass(time.Minute)
	w.all(trouble.Majority{Why: "2 of 4 members away"})
	w.pass(time.Minute)
	w.arbiters[0].give(trouble.Majority{There: true})
	w.pass(20 * time.Second)
	w.mustSay("began majority", "ended majority")
	said := len(w.arbiters[1].said)
	w.pass(20 * time.Second)
	if more := len(w.arbiters[1].said) - said; more > 0 {
		t.Errorf("it was said %d times more after it had ended", more)
	}
	there(w)
	w.pass(time.Minute)
	w.mustSay("began majority", "ended majority")
	w.arbiters[1].give(trouble.Majority{Why: "1 of 4 members away"}) // Its own absence is still told.
	w.pass(time.Minute)
	there(w)
	w.pass(time.Minute)
	w.mustSay("began majority", "ended majority", "began majority", "ended majority")
}

// TestMajorityAskedOften: the bus is asked every few seconds and says the same each time.
func TestMajorityAskedOften(t *testing.T) {
	w := newWorld(t, 1)
	w.pass(50*time.Second, func() { w.all(trouble.Majority{}) })
	if said := len(w.arbiters[0].said); said != 2 {
		t.Errorf("said %d times", said)
	}
	w.pass(15*time.Second, func() { there(w) })
	w.mustSay("began majority", "ended majority")
}

// TestMajorityOnRecord: while the log says that the majority is away, it need not be said; and what the log says of an
// earlier time is not what was said now.
func TestMajorityOnRecord(t *testing.T) {
	w := newWorld(t, 2)
	a, b := w.arbiters[0], w.arbiters[1]
	w.pass(time.Minute)
	b.give(trouble.Majority{There: true})
	w.now = w.now.Add(10 * time.Second)
	b.give(trouble.Tick{})
	b.write(true, true) // Began; the end is not written.
	b.proposals = nil
	w.mustSay("began majority")
	said := len(b.said)
	b.give(trouble.Majority{})
	w.pass(5 * time.Minute)
	if len(b.said) > said {
		t.Error("said although it is on record")
	}
	a.boot()
	there(w)
	w.pass(time.Minute)
	w.mustSay("began majority", "ended majority")

	w.now = w.now.Add(time.Hour)
	a.state = trouble.New("a0", trouble.DefaultRules()) // It has not read the log.
	a.give(trouble.Tick{})
	w.now = w.now.Add(time.Minute)
	a.give(trouble.Tick{})
	there(w)
	w.pass(time.Minute)
	w.mustSay("began majority", "ended majority", "began majority", "ended majority")
}

// TestMajorityNeverThere: an arbiter that starts without a majority says so as well.
func TestMajorityNeverThere(t *testing.T) {
	w := newWorld(t, 1)
	w.pass(46 * time.Second)
	if said := w.arbiters[0].said; len(said) != 1 || !strings.HasSuffix(said[0].Reason, "commit a decision for 45s") {
		t.Fatalf("said %v", said)
	}
}

// TestMinority: an arbiter that was cut off believes that all others are gone, and all checks blind. When it is back it
// looks anew and tells nothing of that.
func TestMinority(t *testing.T) {
	w := newWorld(t, 1)
	there(w)
	w.pass(time.Minute, heard(w, "fra", "nyc", "sgp"))
	w.all(trouble.Majority{})
	w.all(trouble.NodeGone{Node: "nyc"})
	w.all(trouble.NodeGone{Node: "sgp"})
	w.all(blind("a"))
	w.pass(time.Hour, heard(w, "fra"))
	there(w)
	w.pass(10*time.Second, heard(w, "fra", "sgp"))
	w.all(sighted("a"))
	w.pass(10*time.Second, heard(w, "fra", "sgp", "nyc"))
	w.pass(time.Hour, heard(w, "fra", "sgp", "nyc"))
	w.mustSay("began majority", "ended majority")
}

// TestShortElection doesn't make the graces begin anew.
func TestShortElection(t *testing.T) {
	w := newWorld(t, 1)
	there(w)
	w.all(blind("a"))
	w.pass(22 * time.Second)
	w.all(trouble.Majority{})
	w.pass(7 * time.Second)
	there(w)
	w.pass(time.Second)
	w.mustSay("began blind 1")
}

// TestNoLongerTrue: a proposal that failed is forgotten if it is not true any more, and made anew if it is.
func TestNoLongerTrue(t *testing.T) {
	for _, again := range []bool{false, true} {
		w := newWorld(t, 1)
		a := w.arbiters[0]
		there(w)
		a.give(blind("a"))
		w.now = w.now.Add(30 * time.Second)
		a.give(trouble.Tick{})
		if len(a.proposals) != 1 {
			t.Fatal("nothing was proposed")
		}
		if !again {
			a.give(sighted("a"))
		}
		a.give(trouble.ProposalFailed{Key: a.proposals[0].Trouble.TroubleKey, ID: "another"})
		w.now = w.now.Add(6 * time.Second)
		if a.give(trouble.Tick{}); len(a.proposals) != 1 {
			t.Fatalf("%d proposals are on their way", len(a.proposals))
		}
		a.write(false, false)
		if w.now = w.now.Add(4 * time.Second); len(a.proposals) > 0 {
			t.Fatal("proposed again at once")
		}
		if a.give(trouble.Tick{}); len(a.proposals) > 0 {
			t.Fatal("proposed again too soon")
		}
		w.mustSay()
		w.pass(time.Minute)
		if again {
			w.mustSay("began blind 1")
		} else {
			w.mustSay()
		}
	}
}

// TestForgottenLog: what the log has dropped for its age is told anew if it is still so.
func TestForgottenLog(t *testing.T) {
	w := newWorld(t, 1)
	a := w.arbiters[0]
	there(w)
	a.give(blind("a"))
	w.pass(time.Minute)
	w.mustSay("began blind 1")
	w.log = nil
	a.give(sighted("a"))
	w.now = w.now.Add(time.Minute)
	a.give(trouble.Tick{})
	d := a.proposals[0]
	a.proposals = nil
	a.give(trouble.ProposalFailed{Key: d.Trouble.TroubleKey, ID: d.Trouble.ID, Forgotten: true})
	w.pass(time.Minute)
	w.mustSay()
	a.give(blind("a"))
	w.pass(time.Minute)
	w.mustSay("began blind 1")
}

// TestDispute: two arbiters that see a node differently for a week don't tell of it every minute.
func TestDispute(t *testing.T) {
	w := newWorld(t, 2)
	there(w)
	w.pass(time.Minute, heard(w, "nyc"))
	w.arbiters[0].give(trouble.NodeGone{Node: "nyc"})
	see := func() { w.arbiters[1].give(trouble.NodePresent{Node: "nyc"}) }
	for range 7 * 24 * 60 {
		see()
		w.pass(time.Minute)
	}
	if n := len(w.log); n < 4 || n > 24 {
		t.Errorf("told %d times in a week", n)
	}
	w.checkLog()
	w.all(trouble.NodePresent{Node: "nyc"}) // They agree, and then the node is gone for all.
	for range 12 {
		heard(w, "nyc")()
		w.pass(time.Hour)
	}
	n := len(w.log)
	if !slices.Contains([]events.TroubleEvent{events.Ended}, w.log[n-1].Event) {
		t.Fatalf("the last event is %s", w.log[n-1].Event)
	}
}

// TestEndedTooLate: who sees a node gone again for a moment when another arbiter says that it is back is not contradicted.
func TestEndedTooLate(t *testing.T) {
	w := newWorld(t, 2)
	there(w)
	w.pass(time.Second, heard(w, "nyc"))
	w.all(trouble.NodeGone{Node: "nyc"})
	w.pass(2 * time.Minute)
	w.all(trouble.NodePresent{Node: "nyc"})
	w.now = w.now.Add(9 * time.Second)
	w.arbiters[0].give(trouble.NodePresent{Node: "nyc"})
	w.arbiters[0].give(trouble.NodeGone{Node: "nyc"})
	w.pass(2 * time.Second)
	w.mustSay("began node nyc", "ended node nyc")
	w.all(trouble.NodeGone{Node: "nyc"})
	w.pass(time.Minute)
	w.mustSay("began node nyc", "ended node nyc", "began node nyc")
}

// TestOldNews: what the log said before changes nothing.
func TestOldNews(t *testing.T) {
	w := newWorld(t, 1)
	a := w.arbiters[0]
	there(w)
	a.give(blind("a"))
	w.pass(time.Minute)
	a.give(sighted("a"))
	w.pass(time.Minute)
	w.mustSay("began blind 1", "ended blind")
	a.give(trouble.Committed{Trouble: &w.log[0], Seq: 1})
	if len(a.open()) > 0 {
		t.Errorf("open are %q", a.open())
	}
}

// TestNewerEvent: an event this version can't read moves the sequence and nothing else.
func TestNewerEvent(t *testing.T) {
	w := newWorld(t, 1)
	a := w.arbiters[0]
	there(w)
	a.give(blind("a"))
	w.pass(time.Minute)
	adopted := a.adopted
	a.give(trouble.Committed{Trouble: &w.log[0], Seq: 7})
	a.give(trouble.Committed{Trouble: &events.Trouble{TroubleKey: w.log[0].TroubleKey}, Seq: 8}) // there is nothing else
	if a.adopted != adopted {
		t.Error("the same event was adopted twice")
	}
	a.give(sighted("a"))
	w.now = w.now.Add(time.Minute)
	a.give(trouble.Tick{})
	if a.proposals[0].Last != 8 {
		t.Errorf("proposed after %d", a.proposals[0].Last)
	}
}

// TestMajorityRemembered: an arbiter that was restarted before the majority was back remembers that it told of the absence,
// and puts it on record with the same id; but not twice, and nothing that another has put on record.
func TestMajorityRemembered(t *testing.T) {
	w := newWorld(t, 2)
	a := w.arbiters[0]
	there(w)
	w.pass(time.Minute)
	w.all(trouble.Majority{Why: "2 of 3 members away"})
	w.pass(50 * time.Second)
	told := a.said[0]
	if trouble.Told(a.state) == nil || trouble.Told(a.state).ID != told.ID {
		t.Fatalf("told is %+v, said was %+v", trouble.Told(a.state), told)
	}
	w.arbiters = w.arbiters[:1]
	a.boot()
	a.give(trouble.Remembered{Trouble: told})
	a.said = nil
	w.pass(44 * time.Second)
	if len(a.said) > 0 {
		t.Fatal("said again at once")
	}
	w.pass(2 * time.Second)
	if len(a.said) != 1 || a.said[0].ID != told.ID || !a.said[0].Began.Equal(told.Began) {
		t.Fatalf("said %+v, before that %+v", a.said, told)
	}
	a.boot()
	a.give(trouble.Remembered{Trouble: told})
	there(w)
	w.pass(9 * time.Second)
	w.mustSay()
	w.pass(time.Minute)
	w.mustSay("began majority", "ended majority")
	if w.log[0].ID != told.ID || !w.log[0].Began.Equal(told.Began) {
		t.Errorf("on record is %+v, told was %+v", w.log[0], told)
	}
	if trouble.Told(a.state) != nil {
		t.Error("what is on record still waits")
	}
	a.boot()
	a.give(trouble.Remembered{Trouble: told})
	there(w)
	w.pass(time.Minute)
	w.mustSay("began majority", "ended majority")

	a.state = trouble.New("a0", trouble.DefaultRules()) // The log could not be read; it has the absence.
	a.give(trouble.Remembered{Trouble: told})
	a.reread()
	there(w)
	w.pass(time.Minute)
	w.mustSay("began majority", "ended majority")

	a.state = trouble.New("a0", trouble.DefaultRules())
	end, other := *told, *told
	end.Event, other.TroubleKey = events.Ended, events.TroubleKey{Kind: events.TroubleBlind}
	for _, in := range []*events.Trouble{&end, &other} { // Only the beginning of an absence is remembered.
		a.give(trouble.Remembered{Trouble: in})
		if trouble.Told(a.state) != nil {
			t.Errorf("remembered as an absence: %+v", in)
		}
	}
	w.pass(time.Minute) // What was said since the start stays.
	before := *told
	before.Time, before.Began = w.now, w.now
	if a.give(trouble.Remembered{Trouble: &before}); trouble.Told(a.state) == nil || trouble.Told(a.state).ID == told.ID {
		t.Errorf("told is %+v", trouble.Told(a.state))
	}
}

// TestMajorityRememberedLater: what the log has of an earlier absence is no reason to forget what was told of a later one;
// and while an absence is open nothing waits.
func TestMajorityRememberedLater(t *testing.T) {
	w := newWorld(t, 1)
	a := w.arbiters[0]
	w.pass(time.Minute)
	there(w)
	w.pass(time.Minute)
	w.mustSay("began majority", "ended majority")
	w.pass(time.Hour)
	a.said = nil
	w.all(trouble.Majority{})
	w.pass(time.Minute)
	told := a.said[0]
	a.boot()
	a.give(trouble.Remembered{Trouble: told})
	there(w)
	w.now = w.now.Add(10 * time.Second)
	a.give(trouble.Tick{})
	a.write(true, true)
	a.proposals = nil
	w.mustSay("began majority", "ended majority", "began majority")
	a.boot()
	next := *told
	next.Time, next.Began = told.Time.Add(time.Hour), told.Began.Add(time.Hour)
	for _, in := range []*events.Trouble{told, &next} {
		a.give(trouble.Remembered{Trouble: in})
		if trouble.Told(a.state) != nil {
			t.Errorf("it waits although one is open: %+v", in)
		}
	}
	there(w)
	w.pass(time.Minute)
	w.mustSay("began majority", "ended majority", "began majority", "ended majority")
}
