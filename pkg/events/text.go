package events

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of the text an outage event carries. With MaxVotes votes of this size an event stays below MaxMessage, also
// when every byte of them has to be escaped in JSON.
const (
	MaxVoteOutput = 4 << 10 // bytes of what a plugin said, in one vote
	MaxReason     = 1 << 10 // bytes of the sentence that says why
	maxWord       = 256     // bytes of other short text: labels, units, versions, names of processes
)

// CleanText makes text from outside (a plugin, a mail server) fit for a message. What is not UTF-8 becomes U+FFFD, and
// so do control characters other than newline and tab, line separators and marks that turn the direction of writing:
// they could forge what a terminal or a mail shows. A carriage return before a newline goes. What is longer than most
// bytes is cut between two characters and ends in "…".
func CleanText(s string, most int) string {
	// What is left of so much is too long in any case: two bytes become one at best. Nobody has to read a megabyte to
	// cut it to a line.
	if enough := 2*max(most, 0) + 8; len(s) > enough {
		s = s[:enough]
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	if !isText(s) {
		s = strings.Map(func(r rune) rune { // Map hands over U+FFFD for each byte that is no UTF-8.
			if isTextRune(r) {
				return r
			}
			return utf8.RuneError
		}, s)
	}
	const mark = "…"
	if len(s) <= most {
		return s
	}
	if most < len(mark) {
		return cut(s, most)
	}
	return cut(s, most-len(mark)) + mark
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	n = max(0, min(n, len(s)))
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func isText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !isTextRune(r) }) < 0
}

func isTextRune(r rune) bool {
	switch r {
	case '\n', '\t':
		return true
	case '\u2028', '\u2029': // line and paragraph separator
		return false
	default:
		return !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r)
	}
}

// validateText refuses text that CleanText would have changed. The error doesn't repeat the text.
func validateText(what, s string, most int) error {
	if len(s) > most {
		return fmt.Errorf("%s: %d bytes, at most %d are allowed", what, len(s), most)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s: not UTF-8", what)
	}
	for i, r := range s {
		if !isTextRune(r) {
			return fmt.Errorf("%s: control character %U at byte %d", what, r, i)
		}
	}
	return nil
}

// validateTime refuses what JSON's times (RFC 3339) can't say. The zero time is the year 1.
func validateTime(what string, t time.Time) error {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("%s: year %d, want 1 to 9999", what, y)
	}
	return nil
}

// stamp is t as a reader gets it back: UTC, and without the reading of this machine's monotonic clock.
func stamp(t time.Time) time.Time { return t.UTC().Round(0) }

// none returns s, or nil for an empty list, which JSON leaves out.
func none[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

// list returns s, or an empty list for nil, which JSON would write as null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
