package bus

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// An election is no news; what lasts longer is, once in a while.
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
	for s := 15; s < 27; s++ {
		l.tell(err, start.Add(time.Duration(s)*time.Second))
	}
	if n := strings.Count(out.String(), `"level":"warn","error":"no leader"`); n != 2 {
		t.Errorf("told %d times in 12 s, want 2:\n%s", n, &out)
	}
}
