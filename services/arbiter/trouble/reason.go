package trouble

import (
	"fmt"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// The sentences people read. Nothing is decided here.

// span writes how long something took, to the second.
func span(from, to time.Time) string { return max(to.Sub(from), 0).Round(time.Second).String() }

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// list writes names as people do.
func list(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// whyBlind says how many checks are blind, and of one why.
func whyBlind(all []events.BlindCheck) string {
	what := fmt.Sprintf("%d checks", len(all))
	if len(all) == 1 {
		what = "one check"
	}
	same := ""
	for _, b := range all[1:] {
		if b.Reason != all[0].Reason {
			same = ", for example"
		}
	}
	return fmt.Sprintf("too few sites are able to judge %s%s: %s: %s", what, same, all[0].Check, all[0].Reason)
}

// whyAway says who is away, as far as the bus and this arbiter know.
func (s *State) whyAway(began, now time.Time) string {
	why := fmt.Sprintf("%s reaches no majority of the members of the bus, so it has not been able to commit a decision for %s", s.by, span(began, now))
	if s.majority.why != "" {
		why += ": " + s.majority.why
	}
	gone := s.missing()
	switch {
	case len(gone) == 0:
		return why
	case len(gone) == 1:
		return why + "; " + gone[0] + " does not say that it is there"
	default:
		return why + "; " + list(gone) + " do not say that they are there"
	}
}
