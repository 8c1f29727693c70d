package bus

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// While members of several versions run together, one may be handed what only a newer one can read. It gives that back.

const (
	// leftAgain is the longest pause until such a message comes again. Any member may get it then, so that with one newer
	// member among three it is in the right hands after three pauses, in the mean.
	leftAgain = 5 * time.Second
	// leftFor is for how long it comes again. By then a mailer that can read it wouldn't tell it any more.
	leftFor = noticesMemory
)

// ofNewer tells whether a message can't be read because it is of a newer version than this program.
func ofNewer(err error) bool {
	return errors.Is(err, events.ErrVersion) || errors.Is(err, events.ErrEvent)
}

// leaveNewer gives a message back, for a newer member. It says so the first time, and then less and less often.
func (b *Bus) leaveNewer(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata, err error) {
	if age := time.Since(meta.Timestamp); age > leftFor {
		b.log.Error().Err(err).Msgf("message on %s is dropped: no member could read it for %v", msg.Subject(), age.Round(time.Minute))
		_ = msg.Term() // if this is lost it comes again, and is dropped again
		return
	}
	if n := meta.NumDelivered; n&(n-1) == 0 {
		b.log.Warn().Err(err).Uint64("seq", meta.Sequence.Stream).Msgf("message on %s is left to a newer member", msg.Subject())
	}
	_ = msg.NakWithDelay(min(laterBy(ctx, meta.NumDelivered), leftAgain))
}
