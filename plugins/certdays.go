package plugins

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxDays bounds days in options.
const maxDays = 36500

// dayBounds are how many days before its end a certificate is a warning and a fail; 0 is no bound.
type dayBounds struct {
	warn, crit float64
	text       string
}

// judge is what so much time left means.
func (b *dayBounds) judge(left time.Duration) int {
	switch days := left.Hours() / 24; {
	case days < b.crit:
		return exitFail
	case days < b.warn:
		return exitWarning
	}
	return exitOK
}

// perf is the time left as perfdata.
func (b *dayBounds) perf(left time.Duration) string {
	s := fmt.Sprintf("cert_days=%.1f;%s:", left.Hours()/24, plain(b.warn))
	if b.crit > 0 {
		s += ";" + plain(b.crit) + ":"
	}
	return s
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Set implements pflag.Value: WARN or WARN,CRIT.
func (b *dayBounds) Set(s string) error {
	warn, crit, both := strings.Cut(s, ",")
	var r dayBounds
	var err error
	if r.warn, err = parseDays(warn); err != nil {
		return err
	}
	if both {
		if r.crit, err = parseDays(crit); err != nil {
			return err
		}
		if r.crit > r.warn {
			return fmt.Errorf("days %s: want more for the warning than for the fail", quote(s))
		}
	}
	r.text = s
	*b = r
	return nil
}

// parseDays reads a number of days, whole or not.
func parseDays(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0 && f <= maxDays) {
		return 0, fmt.Errorf("days %s: want 0 to %d", quote(s), maxDays)
	}
	return f, nil
}

// String implements pflag.Value.
func (b *dayBounds) String() string { return b.text }

// Type implements pflag.Value; it names the value in --help.
func (b *dayBounds) Type() string { return "days" }
