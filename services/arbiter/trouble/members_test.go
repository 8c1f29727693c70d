package trouble_test

import (
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

// answer has all arbiters hear, every second for so long, that there is a majority, and who answers.
func answer(w *world, long time.Duration, listed []string, here map[string]string) {
	for range int(long / time.Second) {
		there(w)
		w.all(trouble.Members{Here: here, Listed: listed})
		w.pass(time.Second)
	}
}

var lists = []string{"a:2929", "b:2929"}

// TestBusOnly: a node that only carries the bus is missed when it doesn't answer any more.
func TestBusOnly(t *testing.T) {
	w := newWorld(t, 2)
	answer(w, 20*time.Second, lists, map[string]string{"a": "a:2929", "b": "b:2929"})
	answer(w, 50*time.Second, lists, map[string]string{"a": "a:2929"})
	w.mustSay()
	answer(w, 30*time.Second, lists, map[string]string{"a": "a:2929"})
	w.mustSay("began node b")
	answer(w, 20*time.Second, lists, map[string]string{"a": "a:2929", "b": "b:2929"})
	w.mustSay("began node b", "ended node b")
}

// TestTakenAway: a node whose line is taken out of all lists isn't missed any more, and is said to be retired, not back.
func TestTakenAway(t *testing.T) {
	w := newWorld(t, 1)
	answer(w, 20*time.Second, lists, map[string]string{"a": "a:2929", "b": "b:2929"})
	answer(w, 90*time.Second, lists, map[string]string{"a": "a:2929"})
	w.mustSay("began node b")
	answer(w, time.Minute, lists[:1], map[string]string{"a": "a:2929"})
	w.mustSay("began node b", "ended node b")
	if last := w.log[len(w.log)-1]; !last.Retired {
		t.Errorf("%+v", last)
	}
	if known := trouble.Known(w.arbiters[0].state); len(known) != 1 || known["a"] == "" {
		t.Errorf("known: %v", known)
	}
	// And who is taken away before anybody missed it is not missed at all.
	answer(w, 20*time.Second, lists, map[string]string{"a": "a:2929", "b": "b:2929"})
	answer(w, 3*time.Minute, lists[:1], map[string]string{"a": "a:2929"})
	w.mustSay("began node b", "ended node b")
}

// TestNeverSeen: who was there before this arbiter started, and doesn't come, is missed.
func TestNeverSeen(t *testing.T) {
	w := newWorld(t, 1)
	w.all(trouble.Expected{Nodes: map[string]string{"a": "a:2929", "b": "b:2929"}})
	answer(w, 30*time.Second, lists, map[string]string{"a": "a:2929"})
	w.mustSay()
	answer(w, time.Minute, lists, map[string]string{"a": "a:2929"})
	w.mustSay("began node b")
}

// TestForgottenByHand: a node of which the log says that it was taken away isn't missed again, until it is there again.
func TestForgottenByHand(t *testing.T) {
	w := newWorld(t, 2)
	here := map[string]string{"a": "a:2929"}
	answer(w, 20*time.Second, lists, map[string]string{"a": "a:2929", "b": "b:2929"})
	answer(w, 90*time.Second, lists, here)
	w.mustSay("began node b")
	forgotten := w.log[0]
	forgotten.Event, forgotten.Step, forgotten.Retired, forgotten.Time = events.Ended, 2, true, w.now
	forgotten.ID = events.TroubleEventID(forgotten.Trouble, 2)
	w.log = append(w.log, forgotten)
	w.all(trouble.Committed{Trouble: &forgotten, Seq: 2})
	answer(w, time.Hour, lists, here)
	w.mustSay("began node b", "ended node b")
	answer(w, 20*time.Second, lists, map[string]string{"a": "a:2929", "b": "b:2929"})
	answer(w, 2*time.Minute, lists, here)
	w.mustSay("began node b", "ended node b", "began node b")
}
