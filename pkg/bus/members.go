package bus

import (
	"slices"
	"time"
)

// How often a member looks who is there, and how long after somebody came back what was missed is sure to have been
// caught up with: 1 to 10 s were measured.
const (
	lookEvery   = time.Second
	settleAfter = 10 * time.Second
)

// Members lists the other members that this one is connected to, by name, sorted. It is empty for a standalone member
// and for a process that embeds none. A cut link is noticed after about 2.5 s.
func (b *Bus) Members() []string {
	if b.srv == nil {
		return nil
	}
	return b.srv.Here()
}

// watchMembers makes a member's return a reconnection. The connection to one's own server never breaks, so when the
// link between two servers does, nothing else tells this process that it missed something. It tells twice: at once, and
// when the copies of the logs have had the time to catch up.
func (b *Bus) watchMembers() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var here []string
	settled := time.NewTimer(0)
	<-settled.C
	for {
		select {
		case <-b.closing.Done():
			return
		case <-settled.C:
			b.reconnected("what was missed has been caught up with")
		case <-tick.C:
			now := b.Members()
			for _, name := range now {
				if !slices.Contains(here, name) {
					b.reconnected("a member is back: " + name)
					settled.Reset(settleAfter)
				}
			}
			for _, name := range here {
				if !slices.Contains(now, name) {
					b.log.Warn().Msgf("lost the connection to the member %s", name)
				}
			}
			here = now
		}
	}
}
