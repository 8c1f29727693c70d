//go:build netns

package netns

import (
	"slices"
	"testing"
	"time"
)

// bad is the usual timeout, and looks as often as that allows: on a line that loses packets TCP needs its second, third
// and fourth try, which come after 1, 2 or 3, and 3 or 7 seconds.
var bad = settings{interval: 10 * time.Second, timeout: 10 * time.Second}

// badLines makes some machines' lines bad. Of what they and the other nodes send each other, 30 % is lost, each way. Of what
// is said to and by the watched host and the mail server it is 16 %, so that three of ten questions get no answer: ping
// would call that 30 %. With more, all tries of two nodes would fail at the same time in one run of a few, and that is an
// outage; and a mail's dialogue would often take longer than the 30 s that one of its steps may.
func badLines(machines ...string) []string {
	var rules []string
	for from := range addrs {
		for to := range addrs {
			percent := 30
			if from == web || to == web || from == mail || to == mail {
				percent = 16
			}
			if from != to && (slices.Contains(machines, from) || slices.Contains(machines, to)) {
				rules = append(rules, lose(percent, from, to))
			}
		}
	}
	return rules
}

// The line of one node is bad, whoever it speaks with. Nothing is seen that isn't there, and a real outage is told once.
func TestLossAtOneNode(t *testing.T) { badWeather(t, one) }

// All lines are bad.
func TestLoss(t *testing.T) { badWeather(t, nodes...) }

func badWeather(t *testing.T, machines ...string) {
	s := newStage(t, bad)
	s.faults(badLines(machines...)...)
	s.lookedAlone(5, nodes...)
	if got := s.mails(); len(got) > 0 {
		t.Errorf("mails: %v, want none", got)
	}
	s.host.Down()
	s.awaitTold(1, 0)
	s.lookedAlone(2, nodes...)
	s.up()
	s.awaitTold(1, 1)
	s.lookedAlone(2, nodes...)
	s.heal()
	s.whole()
	s.missedAtMost(0, nodes)
	s.missedAtMost(1, nodes)
	s.told(1, 1, nodes...)
}

// One node is half a second away from everybody, which makes a second there and back. Nothing is seen that isn't there,
// and a real outage is told once.
func TestLatency(t *testing.T) {
	cable := &slowCable{}
	s := newStage(t, settings{interval: 3 * time.Second, timeout: 3 * time.Second, slow: map[string]*slowCable{one: cable}})
	cable.set(500 * time.Millisecond)
	before := cable.moved.Load()
	s.looked(8, nodes...)
	s.told(0, 0, nodes...)
	s.host.Down()
	s.awaitTold(1, 0, nodes...)
	s.looked(2, nodes...)
	s.up()
	s.awaitTold(1, 1, nodes...)
	s.looked(2, nodes...)
	s.told(1, 1, nodes...)
	if cable.moved.Load() == before {
		t.Error("nothing went through the slow cable: the test has shown nothing")
	}
	cable.set(0)
	s.whole()
	s.told(1, 1, nodes...)
}
