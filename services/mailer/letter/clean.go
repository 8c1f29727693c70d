package letter

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of the text. Width is what a mail program shows without wrapping; a longer word gets its own line, and is
// broken at maxWord.
const (
	width   = 76
	maxWord = 400 // bytes
)

// clean makes text from outside harmless and keeps its line breaks. What can't be seen is shown as a mark.
func clean(s string) string {
	var b strings.Builder
	s = strings.ReplaceAll(s, "\r\n", "\n")
	for _, r := range s { // A byte that is no UTF-8 comes as U+FFFD, which is printable.
		switch {
		case r == '\n' || r == '\u2028' || r == '\u2029':
			b.WriteByte('\n')
		case r == '\t' || unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		case unicode.IsPrint(r), r == '\u200c', r == '\u200d': // The two joiners are part of how words are written.
			b.WriteRune(r)
		case r < ' ':
			b.WriteRune('\u2400' + r) // the picture of the control character: "␛"
		case r == '\x7f':
			b.WriteRune('\u2421')
		default:
			fmt.Fprintf(&b, "<%U>", r)
		}
	}
	return b.String()
}

// line is clean on one line, without space around it.
func line(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// paragraph cleans a text from outside, keeps at most maxLines lines and maxBytes bytes of it, and breaks it into lines
// that fit the width. If something was cut the last line says so.
func paragraph(s string, maxLines, maxBytes int) []string {
	whole := strings.TrimSpace(clean(s))
	kept := clip(whole, maxBytes)
	var out []string
	for l := range strings.Lines(kept) {
		out = append(out, wrap(l, width-len(indent))...)
	}
	if len(kept) == len(whole) && len(out) <= maxLines {
		return out
	}
	out = out[:min(len(out), maxLines)]
	return append(out, fmt.Sprintf("[cut here; %d bytes in all]", len(s)))
}

// wrap breaks one line at spaces so that it fits the width. Runs of spaces become one.
func wrap(s string, width int) []string {
	var out []string
	var cur strings.Builder
	for word := range strings.FieldsSeq(s) {
		for len(word) > maxWord {
			part := clip(word, maxWord)
			out = flush(out, &cur)
			out = append(out, part)
			word = word[len(part):]
		}
		if cur.Len() > 0 && utf8.RuneCountInString(cur.String())+1+utf8.RuneCountInString(word) > width {
			out = flush(out, &cur)
		}
		if cur.Len() > 0 {
			cur.WriteByte(' ')
		}
		cur.WriteString(word)
	}
	return flush(out, &cur)
}

func flush(lines []string, cur *strings.Builder) []string {
	if cur.Len() == 0 {
		return lines
	}
	lines = append(lines, cur.String())
	cur.Reset()
	return lines
}

// clip returns the longest beginning of s that has at most n bytes and splits no character. s is valid UTF-8.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// shorten takes the middle out of a name so that it has at most n bytes. Twice as much of the beginning is left as of
// the end: the first label of a host's name tells the most.
func shorten(s string, n int) string {
	const gap = "..."
	if len(s) <= n {
		return s
	}
	tail := (n - len(gap)) / 3
	head := clip(s, n-len(gap)-tail)
	start := len(s) - tail
	for start < len(s) && !utf8.RuneStart(s[start]) {
		start++
	}
	return strings.TrimRight(head, ".-") + gap + strings.TrimLeft(s[start:], ".-")
}

// stamp writes a moment for people.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// span writes how long something took, with the two units that matter. A negative span, of clocks that disagree, is 0.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Second:
		return "less than 1 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return two(d, time.Minute, "min", time.Second, "s")
	case d < 24*time.Hour:
		return two(d, time.Hour, "h", time.Minute, "min")
	default:
		return two(d, 24*time.Hour, "d", time.Hour, "h")
	}
}

func two(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	s := fmt.Sprintf("%d %s", d/big, bigName)
	if rest := d % big / small; rest > 0 {
		s += fmt.Sprintf(" %d %s", rest, smallName)
	}
	return s
}

// took writes how long a plugin ran.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return "-"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}
