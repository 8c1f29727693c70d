package prober

import (
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// FuzzClaim: whatever another process that bears this node's name says of itself, of the two never both give up, and none
// does before it has heard the other for a while. A process that says goodbye, and this one's own voice, move nobody.
func FuzzClaim(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	f.Add(newInstance(now), newInstance(now.Add(time.Second)), false)
	f.Add("0", "", false)
	f.Add("\xff", "~", true)
	f.Add("same", "same", false)
	f.Fuzz(func(t *testing.T, one, other string, leaving bool) {
		mine, theirs := claim{instance: one}, claim{instance: other}
		hear := func(c *claim, from string, at time.Time) bool {
			yield, err := c.heard(events.Presence{Node: "n", Instance: from, Leaving: leaving}, at)
			if yield && err == nil {
				t.Error("gives up without a reason")
			}
			if yield && (leaving || from == c.instance) {
				t.Errorf("%q gives up because of %q (leaving: %t)", c.instance, from, leaving)
			}
			return yield
		}
		if hear(&mine, other, now) || hear(&theirs, one, now) {
			t.Error("gives up at the first word")
		}
		later := now.Add(events.PresenceTimeout)
		if a, b := hear(&mine, other, later), hear(&theirs, one, later); a && b {
			t.Errorf("both %q and %q give up", one, other)
		} else if !a && !b && one != other && !leaving {
			t.Errorf("neither %q nor %q gives up", one, other)
		}
	})
}

// FuzzOrders: whatever orders come, however often and however long, each id is taken once, no more run at once than there
// are slots, what waits is bounded, and what has lost its patience is not run.
func FuzzOrders(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x01\x02\x83\x84\x85\xff\xff\xff\xff"))
	f.Add([]byte("aaaaaaaaaaaaaaaaaaaaaaaa"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, script []byte) {
		const slots, reserve, most, mostBytes = 2, 1, 4, 400
		q := queue{slots: slots, reserve: reserve, most: most, mostBytes: mostBytes, known: newMemory()}
		script = script[:min(len(script), 800)] // An id is remembered for ten minutes; a step is 0.7 s at most.
		now := time.Unix(1_800_000_000, 0)
		seen, running := map[string]bool{}, 0
		for _, b := range script {
			now = now.Add(time.Duration(b>>5) * 100 * time.Millisecond)
			switch b % 8 {
			case 6:
				q.expire(now)
			case 7:
				if running > 0 {
					q.done()
					running--
				}
			default:
				o := order{id: string(rune('a' + b%32)), arrived: now, patience: time.Second}
				o.Check = events.Check{Host: "h" + o.id, Test: "t"}
				if b%2 == 0 {
					o.confirms = "r"
				}
				if got := q.add(o); (got == double) != seen[o.id] {
					t.Fatalf("%s was taken before: %t; the answer is %v", o.id, seen[o.id], got)
				}
				seen[o.id] = true
			}
			o, ok, late := q.next(now)
			if ok {
				if running++; o.late(now) {
					t.Fatalf("%s runs, too late", o.id)
				}
			}
			for _, l := range late {
				if !l.late(now) {
					t.Fatalf("%s was dropped in time", l.id)
				}
			}
			if running > slots+reserve || q.waiting() > 2*most || q.jobs.bytes > mostBytes || q.confirmations.bytes > mostBytes {
				t.Fatalf("%d run, %d wait, %d and %d bytes", running, q.waiting(), q.jobs.bytes, q.confirmations.bytes)
			}
		}
	})
}
