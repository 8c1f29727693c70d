package plugin

import (
	"math"
	"strconv"
	"strings"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// maxField is the longest label, unit or range that is kept, in bytes: what events.Result allows.
const maxField = 256

// parsePerf reads performance data: 'label'=value[unit];[warn];[crit];[min];[max], separated by white space. What does
// not parse is passed over, and so is what exceeds the limits of package events: perfdata never spoils an answer. (The
// Go libraries at hand write perfdata; none reads it with quotes and exponents, hence these lines.)
func parsePerf(s string) []events.Perf {
	var out []events.Perf
	for len(out) < events.MaxPerf {
		s = strings.TrimLeft(s, " \t\n")
		if s == "" {
			break
		}
		var p events.Perf
		var ok bool
		if p, s, ok = nextPerf(s); ok {
			out = append(out, p)
		}
	}
	return out
}

// nextPerf reads one entry from the start of s, and returns what follows it; that is always less than s.
func nextPerf(s string) (p events.Perf, rest string, ok bool) {
	label, after, ok := perfLabel(s)
	if !ok { // pass over the rest of the word
		return p, after[wordLen(after):], false
	}
	end := wordLen(after)
	body, rest := after[:end], after[end:]
	fields := strings.Split(body, ";")
	p.Label = label
	p.Value, p.Unit, ok = perfValue(fields[0])
	if !ok || len(label) > maxField || len(p.Unit) > maxField {
		return events.Perf{}, rest, false
	}
	at := func(i int) string {
		if i < len(fields) {
			return fields[i]
		}
		return ""
	}
	p.Warn, p.Crit = perfRange(at(1)), perfRange(at(2))
	p.Min, p.Max = perfNumber(at(3)), perfNumber(at(4))
	return p, rest, true
}

// perfLabel reads a label and the equals sign after it. In quotes it may hold anything, a quote itself doubled.
func perfLabel(s string) (label, rest string, ok bool) {
	if s[0] != '\'' {
		i := strings.IndexAny(s, "= \t\n")
		if i < 0 {
			return "", "", false
		}
		if s[i] != '=' {
			return "", s[i:], false
		}
		return s[:i], s[i+1:], i > 0
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\n':
			return "", s[i:], false // a quote that is not closed spoils its own line only
		case s[i] != '\'':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		case i+1 < len(s) && s[i+1] == '=' && b.Len() > 0:
			return b.String(), s[i+2:], true
		default:
			return "", s[i+1:], false
		}
	}
	return "", "", false
}

// perfValue reads a number and its unit. "U" means that the plugin couldn't tell: no entry.
func perfValue(s string) (v float64, unit string, ok bool) {
	n := numberLen(s)
	v, err := strconv.ParseFloat(s[:n], 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, "", false
	}
	unit = s[n:]
	if strings.ContainsAny(unit, "0123456789.,+'\"=") { // "1.2.3", "1,5": a number we'd misread, not a unit
		return 0, "", false
	}
	return v, unit, true
}

func perfNumber(s string) *float64 {
	n := numberLen(s)
	v, err := strconv.ParseFloat(s[:n], 64)
	if err != nil || math.IsInf(v, 0) {
		return nil
	}
	return &v // a unit after the number, as some plugins write it, is the value's
}

// perfRange keeps a range, [@][start:][end], as it stands; anything else is left out.
func perfRange(s string) string {
	if len(s) > maxField || strings.Trim(s, "0123456789.eE+-:~@") != "" {
		return ""
	}
	return s
}

// numberLen tells how many bytes at the start of s are a decimal number, with sign, fraction and exponent.
func numberLen(s string) int {
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	i += digits(s[i:])
	if i < len(s) && s[i] == '.' {
		i++
		i += digits(s[i:])
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if j < len(s) && (s[j] == '+' || s[j] == '-') {
			j++
		}
		if d := digits(s[j:]); d > 0 {
			i = j + d
		}
	}
	return i
}

func wordLen(s string) int {
	if i := strings.IndexAny(s, " \t\n"); i >= 0 {
		return i
	}
	return len(s)
}

func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}
