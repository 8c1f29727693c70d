package plugins

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// bounds is a range of good values, written as Nagios plugins have it (Monitoring Plugins Development Guidelines,
// "Threshold and Ranges"): "10" is 0 to 10, "10:" at least 10, "~:10" at most 10, "10:20" both, and with "@" in front
// what is inside is bad.
type bounds struct {
	text      string // empty: everything is good
	low, high float64
	inverted  bool
}

// Set implements pflag.Value.
func (b *bounds) Set(s string) error {
	n := bounds{text: s, high: math.Inf(1)}
	rest, inverted := strings.CutPrefix(s, "@")
	n.inverted = inverted
	low, high, two := strings.Cut(rest, ":")
	if !two {
		low, high = "0", rest
	}
	var err error
	if n.low, err = limit(low, "~", math.Inf(-1)); err == nil {
		n.high, err = limit(high, "", math.Inf(1))
	}
	if err != nil || rest == "" || n.low > n.high {
		return fmt.Errorf("%s: want a range of good values such as 10 (0 to 10), 10: (at least), ~:10 (at most) or 10:20", quote(s))
	}
	*b = n
	return nil
}

func limit(s, open string, end float64) (float64, error) {
	if s == open {
		return end, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = strconv.ErrRange
	}
	return v, err
}

// String implements pflag.Value.
func (b *bounds) String() string { return b.text }

// Type implements pflag.Value; it names the value in --help.
func (b *bounds) Type() string { return "range" }

func (b *bounds) good(v float64) bool {
	return b.text == "" || (b.low <= v && v <= b.high) != b.inverted
}

// levels is two bounds for one figure.
type levels struct{ warn, crit bounds }

// judge lowers the outcome if the figure, called label in perfdata, is out of bounds.
func (l *levels) judge(o outcome, label string, v float64) outcome {
	o.perf = append(o.perf, fmt.Sprintf("%s=%s;%s;%s", label, number(v), l.warn.text, l.crit.text))
	switch {
	case !l.crit.good(v):
		o.exit = exitFail
		o.text += fmt.Sprintf(", %s is out of %s", label, l.crit.text)
	case !l.warn.good(v) && o.exit == exitOK:
		o.exit = exitWarning
		o.text += fmt.Sprintf(", %s is out of %s", label, l.warn.text)
	}
	return o
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// share is two bounds for how much of something is used, in percent.
type share struct{ warn, crit float64 }

// asks declares the options.
func (s *share) asks(c *call, name, of string) {
	c.flags.Float64Var(&s.warn, name+"-warning", 0, "warning if more than so many percent of "+of+" are used")
	c.flags.Float64Var(&s.crit, name+"-critical", 0, "fail if more than so many percent of "+of+" are used")
}

func (s *share) asked() bool { return s.warn > 0 || s.crit > 0 }

// judge lowers the outcome if too much is used.
func (s *share) judge(o outcome, label string, used, limit float64) outcome {
	if limit <= 0 {
		o.text += fmt.Sprintf(", %s without limit", label)
		return o
	}
	percent := 100 * used / limit
	o.perf = append(o.perf, fmt.Sprintf("%s=%.1f%%;%s;%s;0;100", label, percent, orNothing(s.warn), orNothing(s.crit)))
	o.text += fmt.Sprintf(", %s %.0f%% used", label, percent)
	switch {
	case s.crit > 0 && percent > s.crit:
		o.exit = exitFail
		o.text += ", more than " + number(s.crit) + "%"
	case s.warn > 0 && percent > s.warn && o.exit == exitOK:
		o.exit = exitWarning
		o.text += ", more than " + number(s.warn) + "%"
	}
	return o
}

func orNothing(v float64) string {
	if v <= 0 {
		return ""
	}
	return number(v)
}

// lag is how far a copy may be behind.
type lag struct{ warn, crit timeSpan }

// asks declares the options.
func (l *lag) asks(c *call, what string) {
	c.flags.Var(&l.warn, "lag-warning", "warning if "+what+" longer than this")
	c.flags.Var(&l.crit, "lag-critical", "fail if "+what+" longer than this")
}

func (l *lag) asked() bool { return l.warn > 0 || l.crit > 0 }

// judge lowers the outcome if the copy is so many seconds behind.
func (l *lag) judge(o outcome, seconds float64) outcome {
	warn, crit := time.Duration(l.warn), time.Duration(l.crit)
	o.perf = append(o.perf, fmt.Sprintf("lag=%.3fs;%s;%s;0", seconds, orNothing(warn.Seconds()), orNothing(crit.Seconds())))
	o.text += fmt.Sprintf(", replication lag %.1f s", seconds)
	switch {
	case crit > 0 && seconds > crit.Seconds():
		o.exit = exitFail
		o.text += ", more than " + crit.String()
	case warn > 0 && seconds > warn.Seconds() && o.exit == exitOK:
		o.exit = exitWarning
		o.text += ", more than " + warn.String()
	}
	return o
}
