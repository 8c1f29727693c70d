package bus

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// An election is no news; what lasts longer is, ever more rarely.
func TestLeaseTroubleIsToldWhenItPersists(t *testing.T) {
	var out bytes.Buffer
	l := &lease{b: &Bus{log: zerolog.New(&out).Level(zerolog.InfoLevel)}, name: "mailer"}
	start, err := time.Now(), errors.New("no leader")
	for s := range 15 {
		l.tell(err, start.Add(time.Duration(s)*time.Second))
	}
	if out.Len() > 0 {
		t.Errorf("told of an election:\n%s", &out)
	}
	told := func() int { return strings.Count(out.String(), `"level":"warn","error":"no leader"`) }
	for s := 15; s < 60*60; s++ {
		l.tell(err, start.Add(time.Duration(s)*time.Second))
		if n, want := told(), map[int]int{15: 1, 44: 1, 45: 2, 104: 2, 105: 3}[s]; want > 0 && n != want {
			t.Errorf("told %d times in %d s, want %d:\n%s", n, s, want, &out)
		}
	}
	if n := told(); n < 9 || n > 11 {
		t.Errorf("told %d times in an hour, want some 10", n)
	}
	l.trouble = episode{}
	l.tell(err, start.Add(time.Hour))
	if n := told(); n > 11 {
		t.Error("told at once of the next trouble")
	}
}
