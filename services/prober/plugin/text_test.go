package plugin

import "testing"

func TestClean(t *testing.T) {
	for _, c := range []struct{ rule, in, want string }{
		{"plain text stays", "all is well\n\tor so", "all is well\n\tor so"},
		{"UTF-8 stays", "Zürich – 東京", "Zürich – 東京"},
		{"a byte that is no UTF-8 becomes U+FFFD", "a\xffb", "a\ufffdb"},
		{"each such byte does", "Z\xfc\xfcrich", "Z\ufffd\ufffdrich"},
		{"NUL becomes its picture", "a\x00b", "a␀b"},
		{"a terminal escape can't act but can be seen", "\x1b[2Jgone\x07", "␛[2Jgone␇"},
		{"DEL becomes its picture", "\x7f", "␡"},
		{"C1 controls, escapes of their own, become U+FFFD", "\u009b2J", "\ufffd2J"},
		{"characters that turn the text around become U+FFFD", "a\u202eb\u2066c", "a\ufffdb\ufffdc"},
		{"a carriage return before a newline belongs to it", "a\r\nb", "a\nb"},
		{"a lone carriage return could overwrite the line", "good\rbad", "good␍bad"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := clean([]byte(c.in)); got != c.want {
				t.Errorf("clean(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ rule, in, first, more, perf string }{
		{"one line is text", "fine", "fine", "", ""},
		{"after the bar comes perfdata", "fine | a=1", "fine", "", " a=1"},
		{"further lines are more text", "fine\nb\nc", "fine", "b\nc", ""},
		{"a bar in a further line starts perfdata to the end", "fine|a=1\nb|c=2\nd=3", "fine", "b", "a=1\nc=2\nd=3"},
		{"perfdata may come only later", "fine\nb|c=2\nd=3", "fine", "b", "\nc=2\nd=3"},
		{"perfdata alone", "|a=1", "", "", "a=1"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			first, more, perf := split(c.in, false)
			if first != c.first || more != c.more || perf != c.perf {
				t.Errorf("split(%q) = %q, %q, %q", c.in, first, more, perf)
			}
		})
	}
}

func TestSplitOfCutText(t *testing.T) {
	for _, c := range []struct{ rule, in, perf string }{
		{"a cut in the perfdata of the first line drops the last word", "x | a=1 b=23", " a=1 "},
		{"a cut in later text leaves the first line's perfdata whole", "x | a=1 b=23\nmore te", " a=1 b=23"},
		{"a cut in later perfdata drops the last word there", "x | a=1\nmore | c=4\nd=5", " a=1\n c=4\n"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if _, _, perf := split(c.in, true); perf != c.perf {
				t.Errorf("perfdata %q, want %q", perf, c.perf)
			}
		})
	}
}
