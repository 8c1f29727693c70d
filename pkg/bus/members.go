package bus

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus/embed"
)

// How often a member looks who is there, and how long after somebody came back what was missed is sure to have been
// caught up with: 1 to 10 s were measured.
const (
	lookEvery   = time.Second
	settleAfter = 10 * time.Second
	maxMembers  = 64 // that are listened to; nobody has as many
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

// A Member is what a member of the bus says about itself when it is asked.
type Member struct {
	Name    string         `json:"name"`
	Site    string         `json:"site"`
	Version string         `json:"version"`
	Listed  []embed.Listed `json:"listed"` // the members by its own list of nodes, and who answers there
	// Known are names by address of those in its list: one that doesn't answer has the name it had, if it answered since this
	// member was started.
	Known map[string]string `json:"known,omitempty"`
}

// AskMembers asks who is there, and returns those who answer within half a second, sorted by name. Any process that is
// connected may ask.
func (b *Bus) AskMembers(ctx context.Context) ([]Member, error) {
	if !b.nc.IsConnected() {
		return nil, fmt.Errorf("ask the members: %w", ErrNotConnected)
	}
	var out []Member
	for _, w := range b.words(ctx, maxMembers) {
		out = append(out, Member{Name: w.Name, Site: w.Site, Version: w.Version, Listed: w.Listed, Known: w.Known})
	}
	return out, nil
}
