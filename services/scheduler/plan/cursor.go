package plan

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Limits of a Cursor.
const (
	// Slack is how late a window may be taken, and how far back the clock may go unnoticed: a busy machine and an NTP
	// daemon do no more.
	Slack = time.Second
	// maxLaps keeps moved moments within their step of the grid; after so many ids may come again.
	maxLaps = int(Grid/time.Millisecond) - 1
)

// Cursor moves through time by the wall clock, window by window.
//
// When the clock jumps forward, or the machine slept, what was due in between is skipped but for the last second
// (Slack): it is old, and would come as a flood. When the clock goes back by up to Slack, the cursor waits until it is
// there again. When it goes back further the cursor follows at once, because nobody may wait for hours; moments that were
// taken before then come again, each a millisecond later than on the lap before, so that their jobs have ids of their
// own and are not taken for those that were run already.
type Cursor struct {
	late time.Duration // how much of what became due while nobody took it is made up for
	at   time.Time     // taken up to here
	high time.Time     // up to here moments were taken on an earlier lap
	lap  int           // how often the clock went back
}

// Jump is what the wall clock did between two windows, beyond Slack; 0 most of the time, negative if it went back.
type Jump = time.Duration

// NewCursor starts at now: what was due before is not replayed.
func NewCursor(now time.Time) *Cursor { return &Cursor{late: Slack, at: now.Round(0)} }

// At is the moment up to which jobs were taken.
func (c *Cursor) At() time.Time { return c.at }

// Take returns the plan's jobs that have become due since the last call. Plans may change from call to call.
func (c *Cursor) Take(p *Plan, now time.Time) ([]events.Job, Jump) {
	from, to, jump := c.advance(now.Round(0))
	if !from.Before(to) {
		return nil, jump
	}
	jobs := p.Take(from, to)
	for i := range jobs {
		if j := &jobs[i]; c.lap > 0 && !j.Due.After(c.high) {
			j.Due = j.Due.Add(time.Duration(c.lap) * time.Millisecond)
			j.ID = events.JobID(j.Check, j.Node, j.Due)
		}
	}
	return jobs, jump
}

// advance returns the next window; from and to are the same when there is nothing to take.
func (c *Cursor) advance(now time.Time) (from, to time.Time, jump Jump) {
	passed := now.Sub(c.at)
	switch {
	case passed < -Slack:
		if c.at.After(c.high) {
			c.high = c.at
		}
		c.lap = c.lap%maxLaps + 1
		c.at = now
		return now, now, passed
	case passed <= 0:
		return c.at, c.at, 0
	case passed > c.late:
		from, jump = now.Add(-c.late), passed-c.late
	default:
		from = c.at
	}
	c.at = now
	return from, now, jump
}
