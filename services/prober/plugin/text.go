package plugin

import (
	"strings"
	"unicode/utf8"
)

// clean makes what a plugin wrote safe to store, to mail and to print on a terminal: valid UTF-8 with newline and tab as
// the only control characters. Each byte that is no UTF-8 becomes U+FFFD; a control character becomes its picture (the
// escape character "␛"), so that what was there stays visible; characters that reorder the text around them become
// U+FFFD. A carriage return before a newline belongs to the newline. The result has at most three bytes per byte.
func clean(b []byte) string {
	if plain(b) {
		return string(b)
	}
	var s strings.Builder
	s.Grow(len(b) + 16)
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == '\r' && i+1 < len(b) && b[i+1] == '\n' {
			i++
			continue
		}
		s.WriteRune(visible(r))
		i += size
	}
	return s.String()
}

// plain tells whether clean would change nothing; it is the usual case and costs no copy.
func plain(b []byte) bool {
	for _, c := range b {
		if (c < ' ' && c != '\n' && c != '\t') || c >= 0x7f {
			return false
		}
	}
	return true
}

func visible(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case r < ' ':
		return 0x2400 + r // the control pictures, in the order of the characters
	case r == 0x7f:
		return 0x2421
	case 0x80 <= r && r <= 0x9f: // C1: a terminal may take U+009B for the start of an escape
		return utf8.RuneError
	case 0x202a <= r && r <= 0x202e, 0x2066 <= r && r <= 0x2069: // bidirectional embedding, override and isolate
		return utf8.RuneError
	default:
		return r
	}
}

// cutRune drops the start of a character that the limit has cut in two.
func cutRune(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// split takes a plugin's text apart as the Monitoring Plugins guidelines lay it out: on the first line the text, then
// "|" and perfdata; on the further lines more text, up to a second "|" after which all is perfdata. If the text was cut at
// its end and that end is perfdata, the last word is dropped: half a number is a wrong number.
func split(text string, cut bool) (first, more, perf string) {
	line, rest, lines := strings.Cut(text, "\n")
	first, perf, _ = strings.Cut(line, "|")
	more, morePerf, bar := strings.Cut(rest, "|")
	switch {
	case cut && bar:
		morePerf = dropWord(morePerf)
	case cut && !lines:
		perf = dropWord(perf)
	}
	if bar {
		perf += "\n" + morePerf
	}
	return strings.TrimSpace(first), strings.TrimSpace(more), perf
}

func dropWord(s string) string {
	return s[:strings.LastIndexAny(s, " \t\n")+1]
}
