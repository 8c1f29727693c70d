package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// restoreTry is how long the copies of a restored stream may take to be complete: mostly a tenth of a second, sometimes 6 s.
const restoreTry = time.Minute

// carried tells whether a stream is part of the history: what is kept in memory isn't, nor is who held a lease.
func carried(s jetstream.StreamConfig) bool { return !isCache(s) && s.Name != markerBucket }

// another returns a stream that would be carried over and exists, from elsewhere: then somebody has made the streams, and
// what is in them is not to be touched. An attempt of this node that was interrupted leaves streams with its mark.
func (b *Bus) another(ctx context.Context, all []jetstream.StreamConfig, id string) string {
	for _, want := range all {
		ask, stop := context.WithTimeout(ctx, askWait)
		s, err := b.js.Stream(ask, want.Name)
		stop()
		if err == nil && carried(want) && s.CachedInfo().Config.Metadata[markerKey] != id {
			return want.Name
		}
	}
	return ""
}

// carry copies one stream of the past into the cluster, with its consumers.
func (b *Bus) carry(ctx context.Context, from *past, id string, want jetstream.StreamConfig) error {
	past, err := from.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", want.Name, err)
	}
	var consumers []*jetstream.ConsumerInfo
	for info := range past.ListConsumers(ctx).Info() {
		consumers = append(consumers, info)
	}
	info := past.CachedInfo()
	if b.whole(ctx, info, consumers) == nil {
		return nil // by an attempt that was interrupted later
	}
	if err := b.js.DeleteStream(ctx, want.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream %s: take away what an interrupted attempt left: %w", want.Name, err)
	}
	started := time.Now()
	err = copyStream(ctx, from.nc, b.nc, want.Name, func(have jetstream.StreamConfig) jetstream.StreamConfig {
		next, _ := updated(have, want)
		next.Metadata = maps.Clone(next.Metadata)
		if next.Metadata == nil {
			next.Metadata = map[string]string{}
		}
		next.Metadata[markerKey] = id
		return next
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, restoreTry)
	defer stop()
	for {
		err := b.whole(ctx, info, consumers)
		if err == nil {
			break
		}
		if sleep(ctx, catchUpTry) != nil {
			return fmt.Errorf("stream %s was carried over, but is not whole: %w", want.Name, err)
		}
	}
	b.log.Info().Uint64("messages", info.State.Msgs).Int("copies", want.Replicas).
		Msgf("carried over stream %s in %v", want.Name, time.Since(started).Round(time.Millisecond))
	return nil
}

// whole returns nil if all copies in the cluster have all of a stream of the past, and its consumers are where they were.
func (b *Bus) whole(ctx context.Context, past *jetstream.StreamInfo, consumers []*jetstream.ConsumerInfo) error {
	ctx, stop := context.WithTimeout(ctx, askWait)
	defer stop()
	s, err := b.js.Stream(ctx, past.Config.Name)
	if err != nil {
		return err
	}
	have := s.CachedInfo().State
	if have.LastSeq != past.State.LastSeq || have.Msgs != past.State.Msgs {
		return fmt.Errorf("it has %d messages up to %d, want %d up to %d", have.Msgs, have.LastSeq, past.State.Msgs, past.State.LastSeq)
	}
	if err := current(s.CachedInfo().Cluster); err != nil {
		return err
	}
	if err := same(past.Config.Name, s.CachedInfo(), b.ask(ctx, askCopies, len(b.nodes()))); err != nil {
		return err
	}
	for _, was := range consumers {
		c, err := s.Consumer(ctx, was.Name)
		if err != nil {
			return fmt.Errorf("consumer %s: %w", was.Name, err)
		}
		is := c.CachedInfo()
		if is.AckFloor.Stream != was.AckFloor.Stream || is.Delivered.Stream != was.Delivered.Stream || is.NumPending != was.NumPending {
			return fmt.Errorf("consumer %s is not where it was", was.Name)
		}
		if err := current(is.Cluster); err != nil {
			return fmt.Errorf("consumer %s: %w", was.Name, err)
		}
	}
	return nil
}

// same returns nil if all members that have a copy of a stream say that theirs is what its leader has.
func same(stream string, info *jetstream.StreamInfo, words []word) error {
	holders := []string{info.Cluster.Leader}
	for _, r := range info.Cluster.Replicas {
		holders = append(holders, r.Name)
	}
	for _, name := range holders {
		i := slices.IndexFunc(words, named(name))
		if i < 0 {
			return fmt.Errorf("%s doesn't say whether its copy is complete", name)
		}
		if c := words[i].Copies[stream]; c.Msgs != info.State.Msgs || c.Last != info.State.LastSeq {
			return fmt.Errorf("the copy on %s has %d messages up to %d, want %d up to %d", name, c.Msgs, c.Last, info.State.Msgs, info.State.LastSeq)
		}
	}
	return nil
}

// current returns nil if there is a leader and all copies have what it has.
func current(c *jetstream.ClusterInfo) error {
	if c == nil || c.Leader == "" {
		return errors.New("it has no leader yet")
	}
	for _, r := range c.Replicas {
		if !r.Current || r.Lag > 0 {
			return fmt.Errorf("the copy on %s is not complete yet", r.Name)
		}
	}
	return nil
}
