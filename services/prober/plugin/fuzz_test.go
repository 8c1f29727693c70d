package plugin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzInterpreter: whatever a file begins with, the name of its interpreter is a piece of its first line.
func FuzzInterpreter(f *testing.F) {
	for _, s := range []string{"#!/bin/sh -e\necho", "#!  /usr/bin/env python3\n", "#!", "\x7fELF", "#!\n/bin/sh", "#!" + strings.Repeat("x", 500)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		path := filepath.Join(t.TempDir(), "check_x")
		if err := os.WriteFile(path, head, 0o600); err != nil {
			t.Fatal(err)
		}
		name := interpreter(path)
		first, _, _ := strings.Cut(string(head), "\n")
		if len(name) > 256 || !strings.Contains(first, name) || name != "" && !strings.HasPrefix(first, "#!") {
			t.Errorf("%q has the interpreter %q", head, name)
		}
	})
}

// FuzzClean: whatever a plugin writes, what is kept of it can be printed on a terminal, is not longer than said, and is
// what was there if that was harmless. Taking it apart loses nothing but blanks and bars.
func FuzzClean(f *testing.F) {
	for _, s := range []string{"OK\n", "FAIL \x1b[2J\x9b31m", "a\r\nb\rc", "\u202eevil\u2066", "\xff\xc3|t=1\nmore|u=2", "\u009b", "a|b|c\nd|e|f"} {
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut bool) {
		got := clean(b)
		if !utf8.ValidString(got) || len(got) > 3*len(b) {
			t.Errorf("%q became %q", b, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) && r != '\u200e' && r != '\u200f' && r != '\u061c' {
				t.Errorf("%q holds %U", got, r)
			}
		}
		if again := clean([]byte(got)); again != got {
			t.Errorf("cleaned twice: %q, then %q", got, again)
		}
		first, more, perf := split(got, cut)
		if strings.ContainsAny(first, "\n|") || strings.Contains(more, "|") || len(first)+len(more)+len(perf) > len(got)+1 {
			t.Errorf("%q taken apart: %q, %q, %q", got, first, more, perf)
		}
		if short := cutRune(b); len(b)-len(short) >= utf8.UTFMax || utf8.Valid(b) && len(short) != len(b) {
			t.Errorf("%q was cut to %q", b, short)
		}
	})
}
