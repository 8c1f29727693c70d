package round

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// gap returns the time in which nobody looked before the check that is down was seen up again; nil if it was looked at as
// ever. A down vote since then says that it came up afterwards.
func (c *check) gap(slept Slept) *events.Gap {
	from := slept.From
	for _, t := range []time.Time{c.outage.Opened, c.lastDown, slept.Looked[c.Check]} {
		if t.After(from) {
			from = t
		}
	}
	d := c.round.def
	if slept.To.Sub(from) <= d.Interval.Duration()+d.Timeout.Duration()+Grace {
		return nil // There is none, or it is no longer than it takes between two looks.
	}
	return &events.Gap{From: from, To: slept.To}
}
