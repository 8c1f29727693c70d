package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// One, two or all nodes end during an outage, politely or not, and are started again. Who comes back knows that the
// check is down and that everybody has been told: there is no second event and no second mail. A recovery that nobody
// could see is told once when they are back.
func TestRestartDuringAnOutage(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3, 1)
	for _, c := range []struct {
		kind      kind
		nodes     []int
		upBetween bool
		away      time.Duration
	}{
		{kill, []int{2}, false, 0},
		{stop, []int{0}, false, 0},
		{kill, []int{0, 1}, false, 0},
		{stop, []int{1, 2}, false, 0},
		{kill, []int{0, 1, 2}, false, 0},
		{stop, []int{0, 1, 2}, false, 0},
		{stop, []int{0, 1, 2}, true, 0},
		{kill, []int{1, 2}, true, 0},
		{kill, []int{0, 1, 2}, true, 35 * time.Second}, // More than half a minute counts as a time in which nobody looked.
	} {
		t.Logf("%+v", c)
		s.down(0)
		s.awaitTold("opened", 0)
		var gone []*actor
		for _, i := range c.nodes {
			gone = append(gone, s.nodes[i])
		}
		s.fell(c.kind, gone...)
		if c.upBetween {
			s.up(0)
		}
		started := time.Now().Add(c.away)
		s.until("the time is over for which they are away", func() bool { return !time.Now().Before(started) })
		s.back(gone...)
		if !c.upBetween {
			if n, want := s.told(checkName(0), "closed"), (s.outages[checkName(0)]-1)*len(recipients); n != want {
				t.Errorf("%+v: %d closing mails while it is down, want the %d of before", c, n, want)
			}
			s.up(0)
		}
		s.awaitTold("closed", 0)
		if late := s.closingSays("nobody looked"); late != (c.away > 0) {
			t.Errorf("%+v: the mail says that nobody looked: %v, want %v", c, late, c.away > 0)
		}
	}
	s.finish()
	stopAll(t, s)
}

// closingSays tells whether a mail of the last recovery contains some words.
func (s *stage) closingSays(words string) bool {
	last := ""
	for _, l := range slices.Backward(s.post.Letters()) {
		all, _ := tellings(l)
		for _, x := range all {
			if x.event != "closed" || last != "" && x.thread != last {
				continue
			}
			last = x.thread
			if strings.Contains(strings.Join(strings.Fields(l.Text), " "), words) {
				return true
			}
		}
	}
	return false
}

// A node that was frozen for longer than others wait for it wakes up: what it had in mind is old by then. It writes no
// event, and sends no mail that another has sent meanwhile.
func TestFrozenNodeSaysNothingOld(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3, 2)
	t.Run("while it is down", func(t *testing.T) {
		s.down(0)
		s.awaitTold("opened", 0)
		s.sleep(s.nodes[2], func() {
			s.up(0)
			s.awaitTold("closed", 0)
			s.down(1)
			s.awaitTold("opened", 1)
		})
		s.up(1)
		s.awaitTold("closed", 1)
	})
	t.Run("while a round is open", func(t *testing.T) {
		start := map[*ears]int{}
		for _, e := range s.ears() {
			start[e] = e.confirms.Count()
		}
		s.down(0)
		s.until("a round", func() bool {
			return slices.ContainsFunc(s.ears(), func(e *ears) bool { return e.confirms.Count() > start[e] })
		})
		s.sleep(s.nodes[0], func() {
			s.awaitTold("opened", 0)
			s.up(0)
			s.awaitTold("closed", 0)
		})
	})
	t.Run("while the mail is under way", func(t *testing.T) {
		t.Run("nothing of it is said", func(t *testing.T) { s.freezeSender(t, rig.Envelope) })
		t.Run("all but the end is said", func(t *testing.T) { s.freezeSender(t, rig.Content) })
	})
	// The mail to the other recipient may have been taken at the very moment, and come again: that is excused.
	s.finish()
	stopAll(t, s)
}

// sleep freezes a node for longer than anybody waits for it, while something happens.
func (s *stage) sleep(a *actor, meanwhile func()) {
	s.t.Helper()
	s.fell(freeze, a)
	awake := time.Now().Add(25 * time.Second)
	meanwhile()
	s.until(fmt.Sprintf("%v have passed", time.Until(awake)), func() bool { return time.Now().After(awake) })
	s.back(a)
}

// freezeSender freezes a mailer in the middle of its talk with the mail server, which hasn't taken the mail and doesn't.
// Another sends the notice then; the first finds out when it is awake.
func (s *stage) freezeSender(t *testing.T, at rig.Step) {
	t.Helper()
	caught := make(chan int, 1)
	release := make(chan struct{})
	s.post.Watch(func(step rig.Step, l *rig.Letter) error {
		if step != at {
			return nil
		}
		select {
		case caught <- l.By:
			<-release
			if at == rig.Content {
				return rig.ErrNotNow
			}
		default:
		}
		return nil
	})
	defer s.post.Watch(nil)
	s.down(0)
	var sender *actor
	s.until("a mail under way", func() bool {
		select {
		case i := <-caught:
			sender = s.nodes[i]
			return true
		default:
			return false
		}
	})
	s.sleep(sender, func() {
		close(release)
		s.awaitTold("opened", 0)
	})
	s.up(0)
	s.awaitTold("closed", 0)
}
