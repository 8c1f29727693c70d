package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Troubles are what is wrong with dmonitor itself. Their log works as that of outages does: one event at most follows
// each event of a key, and only what was committed is republished.

// CommittedTrouble is an event of a trouble that stands in the log.
type CommittedTrouble struct {
	events.Trouble
	Seq    uint64    // the last of its key is what ProposeTrouble compares with
	Stored time.Time // by the clock of the log's leader
}

// ProposeTrouble is Propose for an event of a trouble. last is the sequence of the key's last event.
func (b *Bus) ProposeTrouble(ctx context.Context, t events.Trouble, last uint64) (uint64, error) {
	data, err := events.Encode(&t)
	if err != nil {
		return 0, err
	}
	msg := &nats.Msg{Subject: t.Subject(), Data: data, Header: nats.Header{}}
	for k, v := range t.Headers() {
		msg.Header[k] = []string{v}
	}
	seq, err := b.store(ctx, msg, jetstream.WithExpectLastSequenceForSubject(last, events.ProposeTroubleFilter(t.TroubleKey)))
	if err != nil {
		return 0, fmt.Errorf("propose that %s %s: %w", t.TroubleKey, t.Event, err)
	}
	return seq, nil
}

// LastTroubles reads the last event of every key that has one. Of a key of which this version can read no event there is only
// the sequence, which the next proposal has to follow; Event is empty then.
func (b *Bus) LastTroubles(ctx context.Context) (map[events.TroubleKey]CommittedTrouble, error) {
	last := map[events.TroubleKey]CommittedTrouble{}
	newest := map[events.TroubleKey]uint64{}
	err := b.readLast(ctx, events.StreamTroubles, events.AllProposeTrouble, func(m stored) error {
		_, key, err := events.ParseTroubleSubject(m.subject)
		if err != nil {
			return b.passOver(m, err)
		}
		newest[key] = max(newest[key], m.seq)
		got, known, err := toTrouble(m)
		if err != nil {
			return b.passOver(m, err)
		}
		if known && got.Seq > last[key].Seq {
			last[key] = got
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for key, seq := range newest {
		got := last[key]
		got.TroubleKey, got.Seq = key, seq // what the next proposal is compared with, also if we can't read it
		last[key] = got
	}
	return last, nil
}

// SubscribeTroubles is SubscribeOutages for troubles.
func (b *Bus) SubscribeTroubles(handle func(CommittedTrouble)) (*Subscription, error) {
	return b.subscribe(events.AllTroubles, func(msg *nats.Msg) error {
		m, err := fromRepublished(msg)
		if err != nil {
			return err
		}
		got, known, err := toTrouble(m)
		if err == nil && known {
			handle(got)
		}
		return err
	})
}

// ConsumeTroubles is ConsumeOutages for troubles.
func (b *Bus) ConsumeTroubles(ctx context.Context, handle func(context.Context, CommittedTrouble) error) error {
	return b.consumeLog(ctx, events.StreamTroubles, func(ctx context.Context, m stored) (bool, error) {
		got, known, err := toTrouble(m)
		if err != nil || !known {
			return known, err
		}
		return true, b.handled(ctx, got.ID, handle(ctx, got))
	})
}

// toTrouble decodes an event. known is false for one of a kind that only a newer version knows.
func toTrouble(m stored) (c CommittedTrouble, known bool, err error) {
	event, _, err := events.ParseTroubleSubject(m.subject)
	if err != nil {
		return CommittedTrouble{}, false, err
	}
	if !slices.Contains(events.TroubleEvents, event) {
		return CommittedTrouble{}, false, nil
	}
	t, err := events.Decode[events.Trouble](m.subject, m.data)
	if err != nil {
		return CommittedTrouble{}, false, err
	}
	return CommittedTrouble{Trouble: t, Seq: m.seq, Stored: m.time}, true, nil
}

// errNotHandled marks an error of the one who was handed an event, to tell it from an event that can't be read.
var errNotHandled = errors.New("event not handled")

// handled logs what a handler made of an event.
func (b *Bus) handled(ctx context.Context, id string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() == nil {
		b.log.Warn().Err(err).Str("event", id).Msg("event not handled; it comes again")
	}
	return fmt.Errorf("%w: %w", errNotHandled, err)
}

// consumeLog takes the events of a log, one at a time, in order. hand decodes one and hands it on: known is false for one
// that only a newer version knows, and its error is that of decoding, or wraps errNotHandled. What only a newer version can
// read comes again, until a member that can has it in its hands.
func (b *Bus) consumeLog(ctx context.Context, stream string, hand func(context.Context, stored) (known bool, err error)) error {
	return b.consume(ctx, stream, func(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata, _ *hold) {
		m := stored{
			subject: msg.Subject(), header: msg.Headers(), data: msg.Data(), seq: meta.Sequence.Stream, time: meta.Timestamp,
		}
		known, err := hand(ctx, m)
		switch {
		case errors.Is(err, errNotHandled):
			_ = msg.NakWithDelay(laterBy(ctx, meta.NumDelivered)) // if this is lost it comes again after ackWait
		case err == nil && !known:
			b.leaveNewer(ctx, msg, meta, events.ErrEvent)
		case ofNewer(err):
			b.leaveNewer(ctx, msg, meta, err)
		case err != nil:
			_ = b.passOver(m, err)
			_ = msg.Term() // if this is lost it comes again, and is passed over again
		default:
			if err := acknowledge(ctx, msg); err != nil {
				b.log.Debug().Err(err).Msg("event handled, but not acknowledged; it may come again")
			}
		}
	})
}
