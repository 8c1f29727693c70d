package round

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

const (
	// Listen is for how long after the start, or after a pause, results are no votes: all nodes have said by then that
	// they are there, and what had piled up has been read.
	Listen = events.PresenceInterval + events.PresenceInterval/4
	// MaxWait is how long a result may wait inside this process and still be a vote.
	MaxWait = time.Second
	// MaxPause is the longest time without any input that is no pause of this process: every node says each second that
	// it is there.
	MaxPause = 2 * events.PresenceInterval
)

// Door tells which results are votes. Votes count only inside one round, by their arrival; so what had to wait before
// it arrived, because this process was starting, was frozen or was too slow, must not seem to be of the same moment as
// what comes now.
type Door struct {
	open   time.Time // from then on results are votes
	last   time.Time // when the last input came
	before time.Time // the last input before the pause that the door is closed for; zero: it was the start
}

// NewDoor is the door of a process that begins to listen now.
func NewDoor(now time.Time) Door { return Door{open: now.Add(Listen), last: now} }

// Votes takes note of an input that came at a moment and is judged at now. If it is a result, vote tells whether it is a
// vote; if not, at is when it has to be taken to have arrived: what piled up in a pause may have been said at its
// beginning, and must not seem newer than an event that was committed meanwhile. Votes wants to see every input, in the
// order in which they came.
func (d *Door) Votes(came, now time.Time) (vote bool, at time.Time) {
	if came.Sub(d.last) > MaxPause {
		d.open, d.before = came.Add(Listen), d.last
	}
	if came.After(d.last) {
		d.last = came
	}
	if !came.Before(d.open) {
		return now.Sub(came) <= MaxWait, came
	}
	if d.before.IsZero() {
		return false, came
	}
	d.before = d.before.Add(time.Nanosecond) // in their order
	return false, d.before
}
