package prober

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func newQueue(slots, reserve, most int) *queue {
	return &queue{slots: slots, reserve: reserve, most: most, mostBytes: 1 << 20, known: newMemory()}
}

// jobOrder is a job of a check of its own.
func jobOrder(id string, arrived time.Time) order {
	return order{Run: events.Run{Check: events.Check{Host: id, Test: "web"}}, id: id, arrived: arrived, patience: time.Minute}
}

func confirmOrder(id string, arrived time.Time) order {
	o := jobOrder(id, arrived)
	o.confirms, o.patience = id, 12*time.Second
	return o
}

func ids(orders []order) (ids []string) {
	for _, o := range orders {
		ids = append(ids, o.id)
	}
	return ids
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
	if got := q.add(jobOrder("3", noon)); got != double || q.late != 1 {
		t.Errorf("%v, late %d: an id that was dropped was answered, and is not taken again", got, q.late)
	}
	if got := q.add(jobOrder("4", noon)); got != accepted {
		t.Errorf("there is room again: %v", got)
	}
}

func TestWhatIsHeldWaitingIsBounded(t *testing.T) {
	q := newQueue(1, 1, 10)
	q.mostBytes = 1000
	long := func(id string, n int) order {
		o := jobOrder(id, noon)
		o.Args = []string{"-x", strings.Repeat("x", n)}
		return o
	}
	for id, want := range map[string]taken{"much too long": full, "as long as may be": accepted} {
		if got := q.add(long(id, map[taken]int{full: 1000, accepted: 950}[want])); got != want {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
	if got := q.add(long("one too many", 50)); got != full || q.late != 2 {
		t.Errorf("%v, late %d; want full, 2", got, q.late)
	}
	wantNext(t, q, noon, "as long as may be")
	if got := q.add(long("room again", 900)); got != accepted || q.jobs.bytes < 900 {
		t.Errorf("%v with %d bytes", got, q.jobs.bytes)
	}
	if q.expire(noon.Add(time.Hour)); q.jobs.bytes != 0 {
		t.Errorf("%d bytes in an empty line", q.jobs.bytes)
	}
}

// What waited too long is dropped although all slots are taken: somebody waits for the answer.
func TestExpireNeedsNoSlot(t *testing.T) {
	q := newQueue(1, 1, 10)
	for _, id := range []string{"runs", "c runs"} {
		q.add(jobOrder(id, noon))
	}
	q.add(confirmOrder("c too", noon))
	wantNext(t, q, noon, "c too")
	q.add(confirmOrder("c1", noon))
	q.add(confirmOrder("c2", noon))
	q.add(confirmOrder("c3", noon.Add(time.Second)))
	patient := jobOrder("patient", noon)
	patient.patience = time.Hour
	q.add(patient)
	q.add(jobOrder("j1", noon))
	if got := q.expire(noon.Add(12 * time.Second)); got != nil {
		t.Errorf("dropped in time: %q", ids(got))
	}
	if got := ids(q.expire(noon.Add(12*time.Second + 1))); !slices.Equal(got, []string{"c1", "c2"}) {
		t.Errorf("dropped %q", got)
	}
	if got := ids(q.expire(noon.Add(time.Minute + 1))); !slices.Equal(got, []string{"c3", "runs", "c runs", "j1"}) {
		t.Errorf("dropped %q", got)
	}
	if q.late != 6 || q.running != 1 || q.waiting() != 1 {
		t.Errorf("late %d, running %d, waiting %d; want 6, 1, 1", q.late, q.running, q.waiting())
	}
	q.done()
	wantNext(t, q, noon.Add(2*time.Minute), "patient") // it has kept its turn
}

// A confirmation is the look that jobs of the same check were waiting for.
func TestConfirmationTakesTheTurnOfItsJobs(t *testing.T) {
	q := newQueue(1, 0, 2)
	q.slots = 0
	for _, id := range []string{"a", "b"} {
		q.add(jobOrder(id, noon))
	}
	c := confirmOrder("c", noon)
	c.Check = jobOrder("a", noon).Check
	q.add(c)
	if got := q.add(jobOrder("d", noon)); got != accepted {
		t.Errorf("it left its room: %v", got)
	}
	q.slots = 4
	wantNext(t, q, noon, "c", "b", "d")
	if q.late != 0 {
		t.Errorf("%d late: what is looked at is not dropped", q.late)
	}
}

// Who finds no room takes nobody's turn.
func TestConfirmationWithoutRoomLeavesItsJobs(t *testing.T) {
	q := newQueue(1, 0, 1)
	q.add(confirmOrder("other", noon))
	q.add(jobOrder("a", noon))
	c := confirmOrder("c", noon)
	c.Check = jobOrder("a", noon).Check
	if got := q.add(c); got != full || q.jobs.len() != 1 {
		t.Errorf("%v, %d jobs wait; want full, 1", got, q.jobs.len())
	}
}

// TestQueueKeepsItsPromises plays at random and compares with what must hold at every step.
func TestQueueKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue(rapid.IntRange(1, 4).Draw(t, "slots"), rapid.IntRange(0, 2).Draw(t, "reserve"), rapid.IntRange(1, 8).Draw(t, "most"))
		now, n := noon, 0
		var taken, ran, dropped, expired uint64
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
			"expire": func(t *rapid.T) {
				gone := q.expire(now)
				expired += uint64(len(gone))
				for _, o := range gone {
					if now.Sub(o.arrived) <= o.patience {
						t.Fatalf("%s dropped after %v", o.id, now.Sub(o.arrived))
					}
				}
				for _, l := range []*line{&q.confirmations, &q.jobs} {
					for _, o := range l.orders[l.head:] {
						if now.Sub(o.arrived) > o.patience {
							t.Fatalf("%s still waits after %v", o.id, now.Sub(o.arrived))
						}
					}
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
				if taken != ran+q.late+waiting || q.late < dropped+expired {
					t.Fatalf("%d taken, %d ran, %d late, %d waiting", taken, ran, q.late, waiting)
				}
				for _, l := range []*line{&q.confirmations, &q.jobs} {
					size := 0
					for _, o := range l.orders[l.head:] {
						size += o.size()
					}
					if size != l.bytes {
						t.Fatalf("%d bytes, counted as %d", size, l.bytes)
					}
					for _, o := range slices.Concat(l.orders[:l.head], l.orders[len(l.orders):cap(l.orders)]) {
						if o.id != "" {
							t.Fatalf("%s is held on to", o.id)
						}
					}
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
