package cluster

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// A mail server takes half a minute over a mail, longer than others wait for a mailer that fell silent, and meanwhile the
// leader of the queue is killed. The mailer lives, and the new leader knows it: nobody else sends the notice.
func TestSlowServerWhileTheQueueLosesItsLeader(t *testing.T) {
	t.Parallel()
	s := newStage(t, 3, 1)
	var sender atomic.Int64 // of the mail that takes so long, from 1
	release := make(chan struct{})
	s.post.Watch(func(step rig.Step, l *rig.Letter) error {
		if step == rig.Content && sender.CompareAndSwap(0, int64(l.By+1)) {
			<-release
		}
		return nil
	})
	s.down(0)
	s.until("a mail under way", func() bool { return sender.Load() > 0 })
	over := time.Now().Add(32 * time.Second)
	s.until("12 s", func() bool { return time.Until(over) < 20*time.Second })
	leader := s.copies(events.StreamNotices)[0]
	if leader.i == int(sender.Load())-1 {
		s.t.Log("the sender leads the queue itself: another node is killed")
		leader = s.nodes[(leader.i+1)%3]
	}
	s.fell(kill, leader)
	s.until("32 s", func() bool { return time.Now().After(over) })
	close(release)
	s.awaitTold("opened", 0)
	s.post.Watch(nil)
	s.back(leader)
	s.up(0)
	s.awaitTold("closed", 0)
	s.end()
	stopAll(t, s)
}
