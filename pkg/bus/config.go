package bus

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// FollowCatalog's timing: the bucket is read again now and then even if nothing seems to have happened; and a copy gets
// this long to learn what its leader has just told us.
const (
	rereadEvery = 30 * time.Second
	catchUp     = 2 * time.Second
	catchUpTry  = 20 * time.Millisecond
)

// PutContribution stores what a node's directory says, in place of what it said before.
func (b *Bus) PutContribution(ctx context.Context, c events.Contribution) error {
	data, err := events.Encode(&c)
	if err != nil {
		return err
	}
	msg := &nats.Msg{Subject: kvKey(events.BucketConfig, events.ConfigKey(c.Node)), Data: data}
	if _, err := b.store(ctx, msg); err != nil {
		return fmt.Errorf("store the configuration of %s: %w", c.Node, err)
	}
	return nil
}

// Contributions reads what all nodes' directories say. One that can't be read is logged and passed over.
func (b *Bus) Contributions(ctx context.Context) ([]events.Contribution, error) {
	all, _, err := b.contributions(ctx)
	if errors.Is(err, events.ErrVersion) {
		err = nil
	}
	return all, err
}

// contributions also returns the sequence of the newest one, read or not. If one is of a newer version than this program
// knows, all others come with an error that wraps events.ErrVersion.
func (b *Bus) contributions(ctx context.Context) (all []events.Contribution, newest uint64, err error) {
	var newer error
	err = b.readLast(ctx, kvStream+events.BucketConfig, kvKey(events.BucketConfig, ">"), func(m stored) error {
		newest = max(newest, m.seq)
		if m.deleted() {
			return nil
		}
		c, err := events.Decode[events.Contribution](m.key(events.BucketConfig), m.data)
		if errors.Is(err, events.ErrVersion) {
			newer = fmt.Errorf("read the configuration: of %s: %w", m.key(events.BucketConfig), err)
		}
		if err != nil {
			return b.passOver(m, err)
		}
		all = append(all, c)
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the configuration: %w", err)
	}
	return all, newest, newer
}

// FollowCatalog calls handle with the union of all contributions: once at the start, and after each change. It blocks
// until the context ends, and outlives any trouble of the bus; what is in force is what handle got last. A change is
// seen at once; one that happened while this process was cut off, on reconnect, and in any case within 30 s.
//
// If the bus can't tell for RememberAfter at the start, because there is no majority, a member begins with what it has
// read before it was restarted, if it remembers that. A process that embeds nothing remembers nothing.
func (b *Bus) FollowCatalog(ctx context.Context, handle func(events.Catalog)) error {
	told := make(chan uint64, 16) // sequences of stored contributions; 0: read again
	tell := func(seq uint64) {
		select {
		case told <- seq:
		default: // enough are waiting to have all read again
		}
	}
	sub, err := b.subscribe(events.AllConfig, func(msg *nats.Msg) error {
		seq, err := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
		tell(seq)
		return err
	})
	if err != nil {
		return err
	}
	defer sub.Stop()
	defer b.onReconnect(func() { tell(0) })()

	f := follower{b: b, handle: handle, began: time.Now()}
	for want := uint64(0); ; {
		pause := rereadEvery
		if done := f.read(ctx, want); done {
			want = 0
		} else {
			pause = time.Second // What is known to be there is not waited for half a minute.
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case seq := <-told:
			want = max(want, seq)
		case <-time.After(pause):
		}
	}
}

// follower is one call of FollowCatalog.
type follower struct {
	b          *Bus
	handle     func(events.Catalog)
	began      time.Time
	last       *events.Catalog // what handle got last
	remembered bool            // memory was asked
	trouble    episode
}

// read makes one attempt to read the bucket, and hands on what is new. It returns false if it is to be tried again soon.
func (f *follower) read(ctx context.Context, want uint64) (done bool) {
	try, stop := ctx, func() {}
	if f.last == nil && !f.remembered {
		try, stop = context.WithDeadline(ctx, f.began.Add(RememberAfter))
	}
	all, err := f.b.newestContributions(try, want)
	stop()
	switch {
	case err == nil || errors.Is(err, errBehind):
		f.trouble = episode{}
		if f.hand(events.Merge(all)) {
			f.b.remember(all)
		}
	case ctx.Err() == nil:
		f.recall()
		if now := time.Now(); f.trouble.due(now) && f.b.slow.due(now) { // several may follow in one process
			f.b.log.Warn().Err(err).Msg("can't read the configuration; what was read before stays in force")
		}
	}
	return err == nil
}

// hand hands on a catalog, and tells whether it is another one than before.
func (f *follower) hand(cat events.Catalog) bool {
	if f.last != nil && reflect.DeepEqual(*f.last, cat) {
		return false
	}
	f.last = &cat
	f.handle(cat)
	return true
}

// recall begins with what is remembered, once, if nothing could be read for long enough.
func (f *follower) recall() {
	if f.last != nil || f.remembered || time.Since(f.began) < RememberAfter {
		return
	}
	f.remembered = true
	all, err := f.b.memory.get()
	switch {
	case err != nil:
		f.b.log.Warn().Err(err).Msg("what this node remembers of the configuration is of no use; it is passed over")
	case len(all) > 0:
		level := zerolog.InfoLevel
		if f.b.memory.told.Swap(true) { // several may follow in one process
			level = zerolog.DebugLevel
		}
		f.b.log.WithLevel(level).Int("nodes", len(all)).Msg("the configuration can't be read yet; what was read before the restart is in force until it can")
		f.hand(events.Merge(all))
	}
}

// remember keeps what was read for the next start. A start without it is worse, but possible.
func (b *Bus) remember(all []events.Contribution) {
	if err := b.memory.put(all); err != nil {
		b.log.Warn().Err(err).Msg("can't keep the configuration for a start without a majority")
	}
}

// newestContributions reads the bucket: as new as can be had, and at least what can be had. With errBehind what comes is
// known not to be the newest.
func (b *Bus) newestContributions(ctx context.Context, want uint64) ([]events.Contribution, error) {
	if newest, err := b.newestContribution(ctx); err == nil {
		want = max(want, newest)
	}
	all, err := b.contributionsSince(ctx, want)
	if errors.Is(err, events.ErrVersion) {
		err = nil
	}
	return all, err
}

// Catalog reads the union of all contributions that were stored before the call. Unlike what FollowCatalog gives, it is
// never behind: it fails while the bucket has no leader, while the copy that answers has not caught up with it, and
// when a contribution is of a newer version than this program knows (the error wraps events.ErrVersion). Who
// draws a final conclusion from the configuration, such as that nobody is to be told, needs this one.
func (b *Bus) Catalog(ctx context.Context) (events.Catalog, error) {
	newest, err := b.newestContribution(ctx)
	if err != nil {
		return events.Catalog{}, fmt.Errorf("read the configuration: %w", err)
	}
	all, err := b.contributionsSince(ctx, newest)
	if err != nil && !errors.Is(err, events.ErrVersion) && !errors.Is(err, errBehind) {
		return events.Catalog{}, err
	}
	return events.Merge(all), err
}

// newestContribution asks the bucket's leader for the sequence of the newest contribution; 0 if there is none.
func (b *Bus) newestContribution(ctx context.Context) (uint64, error) {
	m, err := b.lastFromLeader(ctx, kvStream+events.BucketConfig, kvKey(events.BucketConfig, ">"))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	return m.seq, nil
}

// errBehind says that the copy that answers does not have what its leader has.
var errBehind = errors.New("the copy of the configuration at hand is behind")

// contributionsSince reads the bucket, if need be again until the copy that answers has the contribution with the
// sequence want. If it does not get there within catchUp, what there is comes with errBehind; and if a contribution is of
// a newer version, all others with events.ErrVersion.
func (b *Bus) contributionsSince(ctx context.Context, want uint64) ([]events.Contribution, error) {
	until := time.Now().Add(catchUp)
	for {
		all, newest, err := b.contributions(ctx)
		switch {
		case err != nil && !errors.Is(err, events.ErrVersion):
			return nil, err
		case newest >= want:
			return all, err
		case time.Now().After(until):
			return all, errBehind
		}
		if err := sleep(ctx, catchUpTry); err != nil {
			return nil, err
		}
	}
}
