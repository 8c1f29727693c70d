package events

import (
	"fmt"
	"math"
)

// Perf is one entry of a plugin's performance data, as the Monitoring Plugins guidelines define it:
// 'label'=value[unit];[warn];[crit];[min];[max]. Warn and Crit are ranges and stay text.
type Perf struct {
	Label string   `json:"label"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit,omitempty"`
	Warn  string   `json:"warn,omitempty"`
	Crit  string   `json:"crit,omitempty"`
	Min   *float64 `json:"min,omitempty"`
	Max   *float64 `json:"max,omitempty"`
}

func validatePerf(perf []Perf) error {
	if len(perf) > MaxPerf {
		return fmt.Errorf("perf: %d entries, at most %d are allowed", len(perf), MaxPerf)
	}
	for _, p := range perf {
		for _, s := range []string{p.Label, p.Unit, p.Warn, p.Crit} {
			if err := validateText("perf", s, maxWord); err != nil {
				return err
			}
		}
		if !p.finite() {
			return fmt.Errorf("perf %q: not a finite number", clip(p.Label))
		}
	}
	return nil
}

// tidyPerf leaves out entries that JSON can't say (a plugin may well print "nan"), and those beyond MaxPerf.
func tidyPerf(perf []Perf) []Perf {
	var out []Perf
	for _, p := range perf {
		if len(out) == MaxPerf {
			break
		}
		if p.finite() {
			p.Label, p.Unit = CleanText(p.Label, maxWord), CleanText(p.Unit, maxWord)
			p.Warn, p.Crit = CleanText(p.Warn, maxWord), CleanText(p.Crit, maxWord)
			out = append(out, p)
		}
	}
	return out
}

func (p Perf) finite() bool {
	ok := func(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
	return ok(p.Value) && (p.Min == nil || ok(*p.Min)) && (p.Max == nil || ok(*p.Max))
}
