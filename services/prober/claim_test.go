package prober

import (
	"errors"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func TestInstancesSortByAge(t *testing.T) {
	elder, younger := newInstance(noon), newInstance(noon.Add(time.Microsecond))
	if elder >= younger {
		t.Errorf("%s does not sort before %s", elder, younger)
	}
	if a, b := newInstance(noon), newInstance(noon); a == b {
		t.Errorf("two processes got one instance: %s", a)
	}
}

func TestClaim(t *testing.T) {
	type word struct {
		after    time.Duration
		instance string
		leaving  bool
	}
	each := func(instance string, seconds ...int) (out []word) {
		for _, s := range seconds {
			out = append(out, word{after: time.Duration(s) * time.Second, instance: instance})
		}
		return out
	}
	for _, c := range []struct {
		rule         string
		words        []word
		rival, yield bool // at the last word
	}{
		{"one's own voice is no rival", each("5", 0, 1, 2, 3, 4, 5, 6), false, false},
		{"an elder that is heard once may be stopping", each("4", 0), true, false},
		{"an elder that stays for five seconds wins", each("4", 0, 1, 2, 3, 4, 5), true, true},
		{"an elder that stays for four seconds may be stopping", each("4", 0, 1, 2, 3, 4), true, false},
		{"a younger one never wins", each("6", 0, 1, 2, 3, 4, 5, 6, 7), true, false},
		{"after a silence the time starts again", each("4", 0, 1, 2, 9, 10, 11), true, false},
		{"two elders in turn are not one that stays", append(each("4", 0, 1, 2), each("3", 3, 4, 5, 6)...), true, false},
		{"the last word of a predecessor is no rival", []word{{0, "4", true}}, false, false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			me := claim{instance: "5"}
			var yield bool
			var err error
			for _, w := range c.words {
				yield, err = me.heard(events.Presence{Node: "n", Instance: w.instance, Leaving: w.leaving}, noon.Add(w.after))
			}
			if errors.Is(err, ErrNameTaken) != c.rival || yield != c.yield {
				t.Errorf("yield %v, error %v; want yield %v, rival %v", yield, err, c.yield, c.rival)
			}
		})
	}
}
