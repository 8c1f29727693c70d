package events_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// What a terminal or a mail would obey becomes visible; what people write stays.
func TestCleanText(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"", 10, ""},
		{"FAIL no answer", 100, "FAIL no answer"},
		{"a\tb\nc", 100, "a\tb\nc"},
		{"a\r\nb\r", 100, "a\nb\ufffd"},
		{"\x1b[31mFAIL\x00\x7f\u0085", 100, "\ufffd[31mFAIL\ufffd\ufffd\ufffd"},
		{"caf\xe9 \xff\xfe", 100, "caf\ufffd \ufffd\ufffd"},
		{"a\u202eb\u2066c\u2028d\u2029", 100, "a\ufffdb\ufffdc\ufffdd\ufffd"},
		{"日本語 👩‍🚀 é \u00a0", 100, "日本語 👩‍🚀 é \u00a0"},
		{"\ufffd", 100, "\ufffd"},
		{"abcdef", 6, "abcdef"},
		{"abcdefg", 6, "abc…"},
		{"ab日本語", 8, "ab日…"},
		{"日本語", 8, "日…"},
		{"日本語", 5, "…"},
		{"日本語", 2, ""},
		{"abc", 2, "ab"},
		{"abc", 0, ""},
		{"abc", -1, ""},
	} {
		if got := events.CleanText(c.in, c.most); got != c.want {
			t.Errorf("%q in %d bytes: %q, want %q", c.in, c.most, got, c.want)
		}
	}
}

// The result is UTF-8, no longer than asked for, and clean: cleaning it again changes nothing.
func FuzzCleanText(f *testing.F) {
	f.Add("FAIL \x1b[31m\xff\r\n\u202e日本", 12)
	f.Add("日本", 2)
	f.Add(strings.Repeat("\r\n", 40)+"日", 9)
	f.Add(strings.Repeat("\xe6\x97", 40), 10)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most %= 1 << 16
		got := events.CleanText(s, most)
		if !utf8.ValidString(got) || len(got) > max(0, most) || strings.ContainsAny(got, "\x00\x1b\x7f\u202e\u2028") {
			t.Errorf("%q in %d bytes: %q", s, most, got)
		}
		full := events.CleanText(s, 1<<20)
		if short := strings.TrimSuffix(got, "…"); len(full) <= most && got != full || !strings.HasPrefix(full, short) || len(full) > most && most-len(short) > 6 {
			t.Errorf("%q in %d bytes: %q, of %q", s, most, got, full)
		}
		if again := events.CleanText(got, most); again != got {
			t.Errorf("%q: second time %q", got, again)
		}
		r := sampleResult()
		r.Output = events.CleanText(s, events.MaxOutput)
		if err := r.Validate(); err != nil {
			t.Errorf("%q: %v", r.Output, err)
		}
	})
}
