package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Arrived is a result and when it came in.
type Arrived struct {
	events.Result
	Time time.Time // by the clock of the stream's leader
}

// LastResults reads the last result of every node and check of the last day, as far as they were captured, in the order
// in which they came. It needs a majority, and it may fail for half a minute after most members have restarted: do
// without, then; the next results come by themselves.
func (b *Bus) LastResults(ctx context.Context) ([]Arrived, error) {
	if b.kind == events.CredentialOperator {
		return b.lastResultsDirect(ctx)
	}
	var out []Arrived
	err := b.readLastByConsumer(ctx, events.StreamResults, events.AllResults, func(m stored) error {
		r, err := events.Decode[events.Result](m.subject, m.data)
		if err != nil {
			return b.passOver(m, err)
		}
		out = append(out, Arrived{Result: r, Time: m.time})
		return nil
	})
	return out, err
}

// lastResultsDirect is LastResults for operators, who may make no consumer: where one delivers is for its maker to say, and
// what it delivers passes everywhere. If there are too many subjects for one question, all of the stream is read.
func (b *Bus) lastResultsDirect(ctx context.Context) ([]Arrived, error) {
	last := map[string]Arrived{}
	keep := func(m stored) error {
		r, err := events.Decode[events.Result](m.subject, m.data)
		if err != nil {
			return b.passOver(m, err)
		}
		last[m.subject] = Arrived{Result: r, Time: m.time}
		return nil
	}
	err := b.readLast(ctx, events.StreamResults, events.AllResults, keep)
	if errors.Is(err, errTooMany) {
		err = b.readSince(ctx, events.StreamResults, events.AllResults, time.Time{}, keep)
	}
	return slices.SortedFunc(maps.Values(last), func(a, b Arrived) int { return a.Time.Compare(b.Time) }), err
}

// readLastByConsumer hands on the last message of every subject of a pattern, in order of their sequence, of any number
// of subjects. Unlike readLast it needs a majority, and breaks off with an error if the member that serves it dies.
func (b *Bus) readLastByConsumer(ctx context.Context, stream, pattern string, handle func(stored) error) error {
	create, stop := context.WithTimeout(ctx, callWait)
	defer stop()
	cons, err := b.js.CreateConsumer(create, stream, jetstream.ConsumerConfig{
		FilterSubject: pattern, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return fmt.Errorf("read stream %s: %w", stream, err)
	}
	info := cons.CachedInfo()
	for left := info.NumPending; left > 0; {
		if left, err = fetchPage(ctx, cons, left, handle); err != nil {
			return fmt.Errorf("read stream %s: %w", stream, err)
		}
	}
	_ = b.js.DeleteConsumer(ctx, stream, info.Name) // or the server does, after InactiveThreshold
	return nil
}

// fetchPage hands on the next messages of a consumer and returns how many are left after them.
func fetchPage(ctx context.Context, cons jetstream.Consumer, left uint64, handle func(stored) error) (uint64, error) {
	batch, err := cons.Fetch(int(min(left, pageMsgs)), jetstream.FetchMaxWait(pageWait))
	if err != nil {
		return left, err
	}
	got := false
	for msg := range batch.Messages() {
		meta, err := msg.Metadata()
		if err != nil {
			return left, err
		}
		got, left = true, meta.NumPending
		m := stored{subject: msg.Subject(), header: msg.Headers(), data: msg.Data(), seq: meta.Sequence.Stream, time: meta.Timestamp}
		if err := handle(m); err != nil {
			return left, err
		}
	}
	if !got {
		err = fmt.Errorf("no answer within %v", pageWait)
	}
	return left, errors.Join(err, batch.Error(), ctx.Err())
}
