package plugins

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The exit codes, as Nagios plugins mean them.
const (
	exitOK = iota
	exitWarning
	exitFail
	exitUnknown
)

// Limits of what is printed, in bytes. A line is for people who read a mail on a phone.
const (
	maxText   = 300 // the first line without its perfdata
	maxQuoted = 60  // what a server said, inside that line
	maxLine   = 160 // a line of detail
	maxLines  = 40
)

// outcome is what a run found and how to say it.
type outcome struct {
	exit   int
	text   string   // one line, without the status and without perfdata
	perf   []string // label=value;warn;crit;min;max
	detail []string // further lines
}

func good(format string, a ...any) outcome {
	return outcome{exit: exitOK, text: fmt.Sprintf(format, a...)}
}

func fail(format string, a ...any) outcome {
	return outcome{exit: exitFail, text: fmt.Sprintf(format, a...)}
}

func unknown(format string, a ...any) outcome {
	return outcome{exit: exitUnknown, text: fmt.Sprintf(format, a...)}
}

// broken turns an error into an outcome: this node's own faults are unknown, all others are the host's.
func broken(err error) outcome {
	if isOwn(err) {
		return unknown("this node can't tell: %v", err)
	}
	return fail("%v", err)
}

// String is the output: a line whose first word is FAIL only for exitFail, and the details.
func (o outcome) String() string {
	var b strings.Builder
	b.WriteString([...]string{"", "WARNING ", "FAIL ", "UNKNOWN "}[o.exit])
	b.WriteString(clean(o.text, maxText))
	if len(o.perf) > 0 {
		b.WriteString(" | " + strings.Join(o.perf, " "))
	}
	b.WriteByte('\n')
	for _, line := range o.detail[:min(len(o.detail), maxLines)] {
		b.WriteString(clean(line, maxLine) + "\n")
	}
	return b.String()
}

func (o outcome) print(w io.Writer) int {
	if _, err := io.WriteString(w, o.String()); err != nil {
		return exitUnknown
	}
	return o.exit
}

// clean makes text fit for the inside of a line: what is not printable is escaped, the bar that would start perfdata
// too, and what is longer than limit bytes is cut.
func clean(s string, limit int) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		piece := s[:n]
		switch {
		case r == utf8.RuneError && n == 1:
			piece = fmt.Sprintf(`\x%02x`, s[0])
		case r == '|' || !unicode.IsPrint(r):
			piece = escape(r)
		}
		if b.Len()+len(piece) > limit {
			return b.String() + "…"
		}
		b.WriteString(piece)
		s = s[n:]
	}
	return b.String()
}

func escape(r rune) string {
	switch r {
	case '\t':
		return `\t`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	}
	if r < 0x100 {
		return fmt.Sprintf(`\x%02x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// quote is how something a server said goes into a line.
func quote(s string) string { return `"` + clean(strings.TrimRight(s, "\r\n"), maxQuoted) + `"` }

// span writes a duration for people: "0.4 ms", "12 ms", "3.2 s".
func span(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 9.95:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 999.5:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}
