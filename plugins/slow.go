package plugins

import (
	"context"
	"time"
)

// slow holds the optional bounds on how long an answer may take.
type slow struct{ warn, crit timeSpan }

func slowness(c *call) *slow {
	var s slow
	c.flags.VarP(&s.warn, "warning", "w", "warning if it took longer")
	c.flags.VarP(&s.crit, "critical", "c", "fail if it took longer")
	return &s
}

// judge lowers a good outcome if it came too late.
func (s *slow) judge(took time.Duration, o outcome) outcome {
	switch crit, warn := time.Duration(s.crit), time.Duration(s.warn); {
	case crit > 0 && took > crit:
		o.exit = exitFail
		o.text += ", slower than " + span(crit)
	case warn > 0 && took > warn && o.exit == exitOK:
		o.exit = exitWarning
		o.text += ", slower than " + span(warn)
	}
	return o
}

// sooner is when a wait of at most d has to end that must not outlive the run.
func sooner(ctx context.Context, d time.Duration) time.Time {
	t := time.Now().Add(d)
	if end, ok := ctx.Deadline(); ok && end.Before(t) {
		return end
	}
	return t
}
