package bus

import (
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// sureFor is how long after its last sign of life a holder may be sure that a message is in no other hands. It is well
// below ackWait, since who is sure of it begins something that takes a moment.
const sureFor = ackWait - 5*time.Second

// hold is what a process knows of a message in its hands. A process that stood still (SIGSTOP, a virtual machine that was
// paused, a laptop's lid) for longer than ackWait holds nothing any more when it goes on, although it looks to it as if
// no time had passed. A hold that was lost once stays lost: who else has the message can't be known.
type hold struct {
	mu   sync.Mutex
	last time.Time // when the bus was last told, or asked for the message; its clock began no sooner
	lost bool
}

func newHold(asked time.Time) *hold { return &hold{last: asked} }

// sure tells whether the message is in no other hands.
func (h *hold) sure(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = h.lost || now.Sub(h.last) > sureFor
	return !h.lost
}

// told notes that the bus is being told now that the message is in good hands; false if it isn't any more.
func (h *hold) told(now time.Time) bool {
	if !h.sure(now) {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = now
	return true
}

// keep tells the bus every few seconds that the message is in good hands, until it is told to stop, or they are none.
func (h *hold) keep(msg jetstream.Msg) (stop func()) {
	until := time.Now().Add(keepFor)
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(keepEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				// The tick may be from before a standstill: the time is read anew.
				now := time.Now()
				if now.After(until) || !h.told(now) || errors.Is(msg.InProgress(), jetstream.ErrMsgAlreadyAckd) {
					return
				}
			}
		}
	}()
	return func() { close(done); <-stopped }
}
