package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// doneWait bounds Task.Done if the caller doesn't: time for an election, and some more.
const doneWait = 30 * time.Second

// PutNotice queues a notice. One with the same id is queued once in 24 h, so after an error it is safe to try again.
func (b *Bus) PutNotice(ctx context.Context, n events.Notice) error {
	data, err := events.Encode(&n)
	if err != nil {
		return err
	}
	if _, err := b.store(ctx, &nats.Msg{Subject: n.Subject(), Data: data}, jetstream.WithMsgID(n.ID)); err != nil {
		return fmt.Errorf("queue the notice of %s to %s: %w", n.Outage.Check, n.Recipient, err)
	}
	return nil
}

// PendingNotices counts the notices that are not sent yet.
func (b *Bus) PendingNotices(ctx context.Context) (uint64, error) {
	ctx, stop := context.WithTimeout(ctx, callWait)
	defer stop()
	s, err := b.js.Stream(ctx, events.StreamNotices)
	if err != nil {
		return 0, fmt.Errorf("count the notices: %w", err)
	}
	return s.CachedInfo().State.Msgs, nil
}

// PutDelivery records how the sending of a notice ended.
func (b *Bus) PutDelivery(ctx context.Context, d events.Delivery) error {
	data, err := events.Encode(&d)
	if err != nil {
		return err
	}
	if _, err := b.store(ctx, &nats.Msg{Subject: d.Subject(), Data: data}, jetstream.WithMsgID(d.Subject())); err != nil {
		return fmt.Errorf("record the delivery of notice %s: %w", d.Notice, err)
	}
	return nil
}

// Deliveries reads the records from a time on (the zero time: all), oldest first, up to now. An error of handle ends it
// and is returned.
func (b *Bus) Deliveries(ctx context.Context, since time.Time, handle func(events.Delivery) error) error {
	return b.readSince(ctx, events.StreamDeliveries, events.AllDeliveries, since, func(m stored) error {
		d, err := events.Decode[events.Delivery](m.subject, m.data)
		if err != nil {
			return b.passOver(m, err)
		}
		return handle(d)
	})
}

// ConsumeOutages hands out committed events, each to one of all callers on the bus, one at a time, in order. Two
// callers may thus have the opening and the closing of one outage in their hands at the same moment. An event for
// which handle returns nil is done with; otherwise it comes again, here or elsewhere, after a growing delay, with
// later ones before it. It blocks until ctx ends; handle's context ends with it.
func (b *Bus) ConsumeOutages(ctx context.Context, handle func(context.Context, Committed) error) error {
	return b.consume(ctx, events.StreamOutages, func(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata) {
		got, known, err := toCommitted(stored{
			subject: msg.Subject(), header: msg.Headers(), data: msg.Data(), seq: meta.Sequence.Stream, time: meta.Timestamp,
		})
		if err != nil {
			_ = b.passOver(stored{subject: msg.Subject(), seq: meta.Sequence.Stream}, err)
		}
		if errors.Is(err, events.ErrVersion) {
			_ = msg.NakWithDelay(laterBy(ctx, meta.NumDelivered)) // a newer member can tell of it
			return
		}
		if err != nil || !known {
			_ = msg.Term() // if this is lost it comes again, and is passed over again
			return
		}
		if err := handle(ctx, got); err != nil {
			if ctx.Err() == nil {
				b.log.Warn().Err(err).Str("check", got.Check.String()).Str("outage", got.ID).Msg("event not handled; it comes again")
			}
			_ = msg.NakWithDelay(laterBy(ctx, meta.NumDelivered)) // if this is lost it comes again after ackWait
			return
		}
		if err := acknowledge(ctx, msg); err != nil {
			b.log.Debug().Err(err).Msg("event handled, but not acknowledged; it may come again")
		}
	})
}

// Task is a notice in this process's hands. Nobody else has it as long as this process lives and reaches the bus; the
// bus is told so every few seconds. One of Done and Retry ends it.
type Task struct {
	events.Notice
	Attempt int       // 1 for the first
	Queued  time.Time // when it was put into the queue, by the clock of the queue's leader

	msg     jetstream.Msg
	settled atomic.Bool
}

// Done takes the notice out of the queue for good, and returns nil when the queue has confirmed it. It keeps trying
// until ctx ends (30 s if it has no deadline): a notice that was sent and is not taken out is sent again.
func (t *Task) Done(ctx context.Context) error {
	t.settled.Store(true)
	if err := acknowledge(ctx, t.msg); err != nil {
		return fmt.Errorf("take notice %s out of the queue: %w", t.ID, err)
	}
	return nil
}

// Retry puts the notice back; somebody gets it after the delay.
func (t *Task) Retry(delay time.Duration) error {
	t.settled.Store(true)
	if err := t.msg.NakWithDelay(delay); err != nil {
		return fmt.Errorf("put notice %s back: %w", t.ID, err)
	}
	return nil
}

// Working tells the bus that the notice is still in hand. That also happens by itself, for the first ten minutes.
func (t *Task) Working() error { return t.msg.InProgress() }

// ConsumeNotices hands out queued notices, each to one of all callers on the bus, up to so many at a time here. handle
// ends its task with Done or Retry; if it does neither the notice comes again after a growing delay. No notice is
// taken before there is a free hand for it. It blocks until ctx ends and the last handle has returned; handle's context
// ends with it.
func (b *Bus) ConsumeNotices(ctx context.Context, parallel int, handle func(context.Context, *Task)) error {
	var hands sync.WaitGroup
	for range max(parallel, 1) {
		hands.Go(func() {
			_ = b.consume(ctx, events.StreamNotices, func(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata) {
				b.handTask(ctx, msg, meta, handle)
			})
		})
	}
	hands.Wait()
	return ctx.Err()
}

func (b *Bus) handTask(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata, handle func(context.Context, *Task)) {
	n, err := events.Decode[events.Notice](msg.Subject(), msg.Data())
	switch {
	case errors.Is(err, events.ErrVersion):
		_ = msg.NakWithDelay(laterBy(ctx, meta.NumDelivered)) // a newer member can send it
		return
	case err != nil:
		b.log.Error().Err(err).Msgf("notice on %s can't be read and is dropped", msg.Subject())
		_ = msg.Term()
		return
	}
	t := &Task{Notice: n, Attempt: int(meta.NumDelivered), Queued: meta.Timestamp, msg: msg}
	handle(ctx, t)
	if !t.settled.Load() {
		_ = t.Retry(laterBy(ctx, meta.NumDelivered))
	}
}

// laterBy is the pause before a message comes again: 1 s, doubled each time, a minute at most. A process that stops
// gives it back at once.
func laterBy(ctx context.Context, delivered uint64) time.Duration {
	if ctx.Err() != nil {
		return 0
	}
	return min(firstAgain<<min(delivered-1, 8), time.Minute)
}

// acknowledge tries until the server has confirmed it, or ctx ends. It also outlives a ctx that has ended already, for
// one attempt: what was done must not be done again because the process stops.
func acknowledge(ctx context.Context, msg jetstream.Msg) error {
	try := context.WithoutCancel(ctx)
	ctx, stop := context.WithTimeout(ctx, doneWait)
	defer stop()
	for {
		err := func() error {
			try, stop := context.WithTimeout(try, askWait)
			defer stop()
			return msg.DoubleAck(try)
		}()
		if err == nil || errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
			return nil
		}
		if sleep(ctx, readyTry) != nil {
			return err
		}
	}
}
