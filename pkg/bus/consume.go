package bus

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// One pull waits so long for a message, and knows after two missed heartbeats that nobody is serving it any more.
const (
	pullWait      = 5 * time.Second
	pullHeartbeat = time.Second
	pullPause     = time.Second // the longest pause after an error: an election takes several, and then every second counts
)

// A handler has one message in its hands until it returns, or the hold says that it is lost.
type handler func(context.Context, jetstream.Msg, *jetstream.MsgMetadata, *hold)

// consume takes messages of a stream's durable consumer one at a time until ctx ends, through elections, reconnects
// and the loss of the consumer.
func (b *Bus) consume(ctx context.Context, stream string, handle handler) error {
	return b.keepPulling(ctx, stream, func(ctx context.Context, cons jetstream.Consumer) error {
		return b.pull(ctx, cons, handle)
	})
}

// keepPulling calls pull again and again until ctx ends, with pauses after errors.
func (b *Bus) keepPulling(ctx context.Context, stream string, pull func(context.Context, jetstream.Consumer) error) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = readyTry, pullPause
	var cons jetstream.Consumer
	for ctx.Err() == nil {
		var err error
		if cons == nil {
			cons, err = b.lookUp(ctx, stream)
		}
		if err == nil {
			err = pull(ctx, cons)
		}
		if err == nil {
			pause.Reset()
			continue
		}
		if errors.Is(err, jetstream.ErrConsumerDeleted) || errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, nats.ErrNoResponders) {
			cons = nil
		}
		if ctx.Err() == nil && b.slow.due(time.Now()) {
			b.log.Debug().Err(err).Msgf("can't take messages of stream %s; trying again", stream)
		}
		_ = sleep(ctx, pause.NextBackOff()) // the loop sees that ctx has ended
	}
	return ctx.Err()
}

func (b *Bus) lookUp(ctx context.Context, stream string) (jetstream.Consumer, error) {
	if b.srv != nil && !b.mayMake() {
		return nil, errors.New("the bus is not ready")
	}
	want := consumers()[stream]
	if err := b.consumer(ctx, stream, want); err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, askWait)
	defer stop()
	return b.js.Consumer(ctx, stream, want.Durable)
}

// pull asks for one message and has it handled. No message within pullWait is no error.
func (b *Bus) pull(ctx context.Context, cons jetstream.Consumer, handle handler) error {
	wait, stop := context.WithTimeout(ctx, pullWait)
	h := newHold(time.Now())
	msg, err := cons.Next(jetstream.FetchContext(wait), jetstream.FetchHeartbeat(pullHeartbeat))
	stop()
	if errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	if err != nil {
		return err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	defer h.keep(msg)()
	handle(ctx, msg, meta, h)
	return nil
}
