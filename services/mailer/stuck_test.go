package mailer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// What was committed and can't be queued, because the queue's copies lie on other members than the log's, is told as if it
// could not be committed, and not again when it can be queued at last.
func TestCommittedButNotQueued(t *testing.T) {
	t.Parallel()
	in := (&inbox{}).serve(t)
	b := newBench(t, in.addr)
	b.timing.call, b.timing.stuck = 20*time.Millisecond, 150*time.Millisecond
	catalog := catalogOf(events.Recipient{Address: "ops@example.com"})
	b.bus.catalog = catalog
	b.minority.catalog.Store(&catalog)
	b.bus.failPut = func(string) error { return errDown }
	o := bus.Committed{Outage: outageOf(ssh, "r1", events.Opened, time.Now(), time.Now()), Seq: 1}
	said := func() (all []*events.Uncommitted) {
		for _, m := range b.bus.published {
			if u, ok := m.(*events.Uncommitted); ok {
				all = append(all, u)
			}
		}
		return all
	}

	// That it was committed is heard, as ever.
	b.minority.with(func(book *toldBook, now time.Time) { book.Committed(matter{outage: &o.Outage}.about(), now) })
	began := time.Now()
	for len(said()) == 0 {
		if err := b.fanOut(t.Context(), o); err == nil {
			t.Fatal("fanned out, though nothing could be queued")
		}
		if time.Since(began) > time.Minute {
			t.Fatal("it is never said that it can't be queued")
		}
	}
	if waited := time.Since(began); waited < b.timing.stuck {
		t.Errorf("said after %v, want %v at least", waited, b.timing.stuck)
	}
	eventually(t, "it is told", func() bool {
		u := *said()[len(said())-1]
		b.minority.with(func(book *toldBook, now time.Time) { book.Uncommitted(u, now) })
		orders := b.minority.next(t.Context(), time.Now())
		if len(orders) == 0 {
			_ = b.fanOut(t.Context(), o) // and it is said again
			return false
		}
		b.minority.tell(t.Context(), orders)
		return true
	})
	got := in.wait(t, 1)
	if subject := parse(t, got[0].data).get(t, "Subject"); !strings.Contains(subject, "sent without a majority") {
		t.Errorf("subject %q", subject)
	}

	b.bus.failPut = nil
	b.bus.put = nil
	if err := b.fanOut(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if len(b.bus.put) > 0 {
		t.Errorf("queued again for %q", b.bus.put)
	}
	if d := b.bus.deliveries; len(d) != 1 || !slices.Contains([]string{d[0].Recipient}, "ops@example.com") {
		t.Errorf("recorded %+v", d)
	}
	if len(b.minority.waiting) > 0 {
		t.Errorf("still waiting: %v", b.minority.waiting)
	}
}
