package plugins

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Whatever text goes in, the output is one line that agrees with the exit code.
func FuzzOutcome(f *testing.F) {
	for _, s := range []string{"", "OK", "FAIL", "a|b=1", "x\ny", "\x1b[0m", "\xff\xfe", "\u202e", strings.Repeat("é", 500)} {
		f.Add(s, 0)
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, s string, exit int) {
		o := outcome{exit: int(uint(exit) % 4), text: "it said " + quote(s) + " and " + s, perf: []string{"time=1s"}}
		out := o.String()
		checkForm(t, o.exit, out)
		if strings.Count(out, "\n") != 1 {
			t.Errorf("%q: want one line", out)
		}
		if !strings.HasSuffix(out, " | time=1s\n") {
			t.Errorf("%q: want perfdata at the end", out)
		}
	})
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// A run nobody can read has no result, so its exit code must not be one either.
func TestUnwritable(t *testing.T) {
	if exit := good("fine").print(brokenPipe{}); exit != exitUnknown {
		t.Errorf("exit %d, want %d", exit, exitUnknown)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		42 * time.Microsecond: "0.0 ms", 9940 * time.Microsecond: "9.9 ms", 9960 * time.Microsecond: "10 ms",
		123 * time.Millisecond: "123 ms", 999600 * time.Microsecond: "1.0 s", 9500 * time.Millisecond: "9.5 s",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}
