package round_test

import (
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// What comes while an arbiter starts, after it was frozen, or after it waited too long inside, is no vote; what piled up
// in a pause is as old as the pause.
func TestDoor(t *testing.T) {
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	d := round.NewDoor(start)
	for _, c := range []struct {
		came, judged float64
		vote         bool
		at           time.Time
	}{
		{0, 0, false, at(0)},
		{1, 1, false, at(1)},
		{1.25, 1.25, true, at(1.25)},
		{3, 3, true, at(3)},
		{3.1, 4.1, true, at(3.1)},
		{3.2, 4.3, false, at(3.2)}, // it waited inside
		{5, 5, true, at(5)},
		{45, 45, false, at(5).Add(1)}, // the process was frozen
		{45.1, 45.1, false, at(5).Add(2)},
		{46.2, 46.2, false, at(5).Add(3)},
		{46.3, 46.3, true, at(46.3)},
	} {
		if vote, when := d.Votes(at(c.came), at(c.judged)); vote != c.vote || !when.Equal(c.at) {
			t.Errorf("came at %v, judged at %v: vote %v, at %v, want %v, %v", c.came, c.judged, vote, when.Sub(start), c.vote, c.at.Sub(start))
		}
	}
}
