package letter

import (
	"strings"
	"testing"
	"time"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain text stays", "SSH OK - OpenSSH_9.9 | time=0.02", "SSH OK - OpenSSH_9.9 | time=0.02"},
		{"other scripts stay", "接続 запрещено ضعيف é", "接続 запрещено ضعيف é"},
		{"line breaks of all kinds", "a\nb\r\nc\u2028d", "a\nb\nc\nd"},
		{"a lone carriage return can't overwrite", "good\rbad", "good␍bad"},
		{"terminal sequences", "\x1b[31mred\x07", "␛[31mred␇"},
		{"nul and del", "a\x00b\x7f", "a␀b␡"},
		{"C1 controls", "a\u0085b\u009b", "a<U+0085>b<U+009B>"},
		{"right-to-left override", "a\u202eb\u2066c", "a<U+202E>b<U+2066>c"},
		{"what hides", "a\u200bb\ufeffc\U000e0041", "a<U+200B>b<U+FEFF>c<U+E0041>"},
		{"joiners of words stay", "न\u200dम\u200cन", "न\u200dम\u200cन"},
		{"no UTF-8", "a\xffb\xc3", "a\ufffdb\ufffd"},
		{"odd spaces", "a\u00a0b\tc\u3000d", "a b c d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := clean(c.in); got != c.want {
				t.Errorf("clean(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Hour, "less than 1 s"},
		{999 * time.Millisecond, "less than 1 s"},
		{42 * time.Second, "42 s"},
		{time.Minute, "1 min"},
		{4*time.Minute + 10*time.Second, "4 min 10 s"},
		{2*time.Hour + 5*time.Minute + 59*time.Second, "2 h 5 min"},
		{75 * time.Hour, "3 d 3 h"},
	} {
		if got := span(c.d); got != c.want {
			t.Errorf("span(%v) = %q, want %q", c.d, got, c.want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"www.example.com", 15, "www.example.com"},
		{"www.example.com", 12, "www.ex...com"},
		{"ééééééééééé", 10, "éé...é"},
	} {
		if got := shorten(c.in, c.n); got != c.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

// TestParagraph: what is cut says so, and by how much.
func TestParagraph(t *testing.T) {
	if got := paragraph("one\n\n two  words \n", 5, 100); strings.Join(got, "|") != "one|two words" {
		t.Errorf("got %q", got)
	}
	got := paragraph(strings.Repeat("é\n", 50), 3, 1000)
	if len(got) != 4 || got[3] != "[cut here; 150 bytes in all]" {
		t.Errorf("too many lines: got %q", got)
	}
	got = paragraph(strings.Repeat("é", 50), 3, 21)
	if len(got) != 2 || got[0] != strings.Repeat("é", 10) || got[1] != "[cut here; 100 bytes in all]" {
		t.Errorf("too many bytes: got %q", got)
	}
}
