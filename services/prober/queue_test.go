package prober

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func newQueue(slots, reserve, most int) *queue {
	return &queue{slots: slots, reserve: reserve, most: most, known: newMemory()}
}

func jobOrder(id string, arrived time.Time) order {
	return order{id: id, arrived: arrived, patience: time.Minute}
}

func confirmOrder(id string, arrived time.Time) order {
	return order{id: id, confirms: id, arrived: arrived, patience: 12 * time.Second}
}

// wantNext takes orders out until there is none, and compares their ids.
func wantNext(t *testing.T, q *queue, now time.Time, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if o, ok, _ := q.next(now); !ok || o.id != id {
			t.Fatalf("next is %q, %v; want %q", o.id, ok, id)
		}
	}
	if o, ok, _ := q.next(now); ok {
		t.Fatalf("next is %q, want none", o.id)
	}
}

func TestConfirmationsGoBeforeJobs(t *testing.T) {
	q := newQueue(2, 1, 10)
	for _, o := range []order{jobOrder("j1", noon), jobOrder("j2", noon), confirmOrder("c1", noon), jobOrder("j3", noon), confirmOrder("c2", noon)} {
		if got := q.add(o); got != accepted {
			t.Fatalf("add %s: %v", o.id, got)
		}
	}
	wantNext(t, q, noon, "c1", "c2") // both slots
	q.done()
	wantNext(t, q, noon, "j1")
}

func TestReserveIsForConfirmationsOnly(t *testing.T) {
	q := newQueue(1, 1, 10)
	q.add(jobOrder("j1", noon))
	q.add(jobOrder("j2", noon))
	wantNext(t, q, noon, "j1")
	q.add(confirmOrder("c1", noon))
	q.add(confirmOrder("c2", noon))
	wantNext(t, q, noon, "c1") // the reserve, and then it is full too
	q.done()
	wantNext(t, q, noon, "c2") // still before j2
	q.done()
	wantNext(t, q, noon)
	q.done()
	wantNext(t, q, noon, "j2")
}

func TestWhatWaitedTooLongIsDroppedAndCounted(t *testing.T) {
	q := newQueue(1, 1, 10)
	q.add(jobOrder("late job", noon))
	q.add(confirmOrder("late confirmation", noon))
	q.add(jobOrder("job in time", noon.Add(time.Second)))
	now := noon.Add(time.Minute + 1)
	_, _, dropped := q.next(now)
	if len(dropped) != 2 || dropped[0].id != "late confirmation" || dropped[1].id != "late job" {
		t.Errorf("dropped %v", dropped)
	}
	if q.late != 2 || q.running != 1 {
		t.Errorf("late %d, running %d; want 2, 1", q.late, q.running)
	}
}

func TestWhatWaitedExactlyAsLongAsItMayIsRun(t *testing.T) {
	q := newQueue(1, 1, 10)
	q.add(jobOrder("j", noon))
	wantNext(t, q, noon.Add(time.Minute), "j")
}

func TestAnIDIsTakenOnce(t *testing.T) {
	q := newQueue(1, 1, 10)
	q.add(jobOrder("j", noon))
	if got := q.add(jobOrder("j", noon)); got != double {
		t.Errorf("taken twice: %v", got)
	}
	wantNext(t, q, noon, "j")
	q.done()
	if got := q.add(jobOrder("j", noon.Add(memoryAge-1))); got != double {
		t.Errorf("taken again after it ran: %v", got)
	}
	if q.late != 0 {
		t.Errorf("a double is counted as late")
	}
}

func TestTooManyWaitingAreDroppedAndCounted(t *testing.T) {
	q := newQueue(1, 1, 2)
	q.add(jobOrder("1", noon))
	q.add(jobOrder("2", noon))
	if got := q.add(jobOrder("3", noon)); got != full || q.late != 1 {
		t.Errorf("%v, late %d; want full, 1", got, q.late)
	}
	if got := q.add(confirmOrder("c", noon)); got != accepted {
		t.Errorf("jobs take the confirmations' room: %v", got)
	}
	wantNext(t, q, noon, "c")
	q.done()
	wantNext(t, q, noon, "1")
	if got := q.add(jobOrder("3", noon)); got != accepted {
		t.Errorf("an id that was dropped for want of room may come again: %v", got)
	}
}

// TestQueueKeepsItsPromises plays at random and compares with what must hold at every step.
func TestQueueKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue(rapid.IntRange(1, 4).Draw(t, "slots"), rapid.IntRange(0, 2).Draw(t, "reserve"), rapid.IntRange(1, 8).Draw(t, "most"))
		now, n := noon, 0
		var taken, ran, dropped uint64
		var lastJob, lastConfirmation int
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n++
				o := jobOrder(fmt.Sprint(n), now)
				if rapid.Bool().Draw(t, "confirmation") {
					o = confirmOrder(fmt.Sprint(n), now)
				}
				taken++
				q.add(o)
			},
			"next": func(t *rapid.T) {
				waiting := q.confirmations.len()
				o, ok, gone := q.next(now)
				dropped += uint64(len(gone))
				if !ok {
					return
				}
				ran++
				last := &lastJob
				if o.confirms != "" {
					last = &lastConfirmation
				} else if waiting > len(gone) {
					t.Fatalf("a job ran while %d confirmations waited", waiting)
				}
				var id int
				_, _ = fmt.Sscan(o.id, &id)
				if id <= *last {
					t.Fatalf("%d ran after %d of its kind", id, *last)
				}
				*last = id
				if now.Sub(o.arrived) > o.patience {
					t.Fatalf("ran %v after it came", now.Sub(o.arrived))
				}
			},
			"done": func(t *rapid.T) {
				if q.running == 0 {
					t.Skip("nothing runs")
				}
				q.done()
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Second)).Draw(t, "wait")))
			},
			"": func(t *rapid.T) {
				if q.running > q.slots+q.reserve {
					t.Fatalf("%d run at once", q.running)
				}
				waiting := uint64(q.jobs.len() + q.confirmations.len())
				if taken != ran+q.late+waiting || q.late < dropped {
					t.Fatalf("%d taken, %d ran, %d late, %d waiting", taken, ran, q.late, waiting)
				}
				if q.jobs.len() > q.most || q.confirmations.len() > q.most {
					t.Fatalf("%d and %d wait, at most %d may", q.jobs.len(), q.confirmations.len(), q.most)
				}
			},
		})
	})
}

func TestMemoryForgets(t *testing.T) {
	m := newMemory()
	m.add("old", noon)
	for i := range 100 {
		m.add(fmt.Sprint(i), noon.Add(time.Second))
	}
	m.add("new", noon.Add(memoryAge+1))
	if m.has("old") || !m.has("0") || !m.has("99") || !m.has("new") {
		t.Error("it must forget what is older than memoryAge, and nothing else")
	}
	for i := range 2 * memoryMost {
		m.add(fmt.Sprint("flood", i), noon.Add(memoryAge))
	}
	if len(m.taken) > memoryMost || len(m.order) > 3*memoryMost {
		t.Errorf("it holds %d ids in %d places", len(m.taken), len(m.order))
	}
	if m.has("flood0") || !m.has(fmt.Sprint("flood", 2*memoryMost-1)) {
		t.Error("it must forget the oldest first")
	}
}
