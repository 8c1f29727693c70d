package plan

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var tenth = New([]events.Definition{definition("a.example.com", "ssh", 100*time.Millisecond)}, []string{"tokyo"})

// take counts what a cursor hands out at now and fails on ids that were handed out before.
func take(t interface{ Fatalf(string, ...any) }, c *Cursor, now time.Time, seen map[string]bool) (int, Jump) {
	jobs, jump := c.Take(tenth, now)
	for _, j := range jobs {
		if seen[j.ID] {
			t.Fatalf("%s again", j.ID)
		}
		if j.ID != events.JobID(j.Check, j.Node, j.Due) {
			t.Fatalf("id %s of a job due %v", j.ID, j.Due)
		}
		seen[j.ID] = true
	}
	return len(jobs), jump
}

// TestCursorSteady: without jumps every moment is taken once, however irregularly one asks.
func TestCursorSteady(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := epoch
		c, seen, total := NewCursor(now), map[string]bool{}, 0
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(Slack)).Draw(t, "step")))
			n, jump := take(t, c, now, seen)
			if total += n; jump != 0 {
				t.Fatalf("jump %v", jump)
			}
		}
		if want := len(tenth.Take(epoch, now)); total != want {
			t.Fatalf("%d jobs, want %d", total, want)
		}
	})
}

// TestCursorForward: a jump forward, an hour or two hundred years, skips all but the last second.
func TestCursorForward(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{time.Hour, 200 * 365 * 24 * time.Hour} {
		c := NewCursor(epoch)
		n, jump := take(t, c, epoch.Add(by), map[string]bool{})
		if want := 10; n != want || jump != by-Slack {
			t.Fatalf("%v forward: %d jobs, want %d; jump %v", by, n, want, jump)
		}
	}
}

// TestCursorBack: a small step back is waited out, a large one is followed at once with new ids, and when the clock is
// past where it was, the ids are the plan's own again.
func TestCursorBack(t *testing.T) {
	t.Parallel()
	c, seen := NewCursor(epoch), map[string]bool{}
	run := func(from time.Time, seconds int) (jobs int) {
		for i := range seconds * 50 {
			n, _ := take(t, c, from.Add(time.Duration(i+1)*Grid), seen)
			jobs += n
		}
		return jobs
	}
	if n := run(epoch, 10); n != 100 {
		t.Errorf("%d jobs in 10 s, want 100", n)
	}
	small := epoch.Add(10*time.Second - Slack)
	if n := run(small, 2); n != 10 {
		t.Errorf("%d jobs in 2 s after a second back, want 10", n)
	}
	_, jump := take(t, c, epoch.Add(5*time.Second), seen)
	if want := -6 * time.Second; jump != want {
		t.Errorf("jump %v, want %v", jump, want)
	}
	if n := run(epoch.Add(5*time.Second), 10); n != 100 {
		t.Errorf("%d jobs in 10 s after six seconds back, want 100", n)
	}
	jobs, _ := c.Take(tenth, epoch.Add(15500*time.Millisecond))
	if len(jobs) != 5 || jobs[0].Due.UnixNano()%int64(Grid) != 0 {
		t.Errorf("past the old moment: %v, want the plan's own", ids(jobs))
	}
}

// TestCursorWild: whatever the clock does, nothing comes twice (for as many laps as there is room), no call gives more
// than a second's worth, and a second of steady time gives its jobs.
func TestCursorWild(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := epoch
		c, seen := NewCursor(now), map[string]bool{}
		for range rapid.IntRange(1, maxLaps).Draw(t, "jumps") {
			now = now.Add(time.Duration(rapid.Int64Range(-int64(time.Minute), int64(time.Minute)).Draw(t, "jump")))
			if n, _ := take(t, c, now, seen); n > 11 {
				t.Fatalf("%d jobs at once", n)
			}
			got := 0
			for range 40 {
				now = now.Add(50 * time.Millisecond)
				n, _ := take(t, c, now, seen)
				got += n
			}
			if got < 9 || got > 31 {
				t.Fatalf("%d jobs in 2 s after a jump", got)
			}
		}
	})
}
