package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// CatchUp waits until this member's own copies of the streams have all that the others have, as far as the streams have
// leaders that can be asked. Who is about to be alone needs them: what a member doesn't have it can't carry over. It
// returns nil at once in a process without a member, and when this member is alone already.
func (b *Bus) CatchUp(ctx context.Context) error {
	if b.srv == nil || !b.srv.Clustered() || !b.settled.Load() {
		return nil
	}
	for {
		err := b.behind(ctx)
		if err == nil {
			return nil
		}
		if sleep(ctx, readyTry) != nil {
			return fmt.Errorf("wait for this node's copies: %w", err)
		}
	}
}

func (b *Bus) behind(ctx context.Context) error {
	for _, want := range streams(len(b.nodes())) {
		if !carried(want) {
			continue
		}
		ask, stop := context.WithTimeout(ctx, askWait)
		s, err := b.js.Stream(ask, want.Name)
		stop()
		if err != nil {
			return fmt.Errorf("stream %s: %w", want.Name, err)
		}
		if err := behind(s.CachedInfo(), b.srv.Copies()); err != nil {
			return err
		}
	}
	return nil
}

// behind returns nil if a copy has all that the stream has.
func behind(info *jetstream.StreamInfo, have copies) error {
	c, ok := have[info.Config.Name]
	switch {
	case !ok:
		return fmt.Errorf("stream %s: this node has no copy", info.Config.Name)
	case c.Last < info.State.LastSeq || c.Msgs < info.State.Msgs:
		return fmt.Errorf("stream %s: this node's copy has %d messages up to %d of %d up to %d",
			info.Config.Name, c.Msgs, c.Last, info.State.Msgs, info.State.LastSeq)
	}
	return nil
}
