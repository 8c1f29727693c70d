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
	pullPause     = 5 * time.Second // the longest pause after an error
)

// A handler has one message in its hands until it returns.
type handler func(context.Context, jetstream.Msg, *jetstream.MsgMetadata)

// consume takes messages of a stream's durable consumer one at a time until ctx ends, through elections, reconnects
// and the loss of the consumer.
func (b *Bus) consume(ctx context.Context, stream string, handle handler) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = readyTry, pullPause
	var cons jetstream.Consumer
	for ctx.Err() == nil {
		var err error
		if cons == nil {
			cons, err = b.lookUp(ctx, stream)
		}
		if err == nil {
			err = b.pull(ctx, cons, handle)
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
	defer keep(msg)()
	handle(ctx, msg, meta)
	return nil
}

// keep tells the bus every few seconds that the message is in good hands, until it is told to stop.
func keep(msg jetstream.Msg) (stop func()) {
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
			case now := <-tick.C:
				if now.After(until) || errors.Is(msg.InProgress(), jetstream.ErrMsgAlreadyAckd) {
					return
				}
			}
		}
	}()
	return func() { close(done); <-stopped }
}
