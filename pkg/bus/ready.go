package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"
)

// How often Ready tries, says what it waits for, and how long one call to the bus's own API may take: short, because
// in its first seconds a cluster answers some calls never, and later ones at once.
const (
	readyTry  = 250 * time.Millisecond
	readySay  = 5 * time.Second
	askWait   = 2 * time.Second
	scaleWait = time.Minute // the longest pause between two attempts to change a stream
)

// Ready blocks until the logs can be written and all streams and buckets exist (RESULTS, which is only a memory of what
// passed by, may still be without a leader). A member creates them; a process that embeds nothing waits until a member
// has. While it waits it logs every few seconds for whom. It returns an error only when the context ends, when the bus
// is closed, or when the embedded member has failed; that error is then not delivered by Failed any more.
//
// A stream that exists with other settings, such as fewer copies than there are nodes for now, is used as it is
// and changed in the background: that may have to wait for a member that is not there yet.
func (b *Bus) Ready(ctx context.Context) error {
	started, said := time.Now(), time.Now()
	for {
		err := b.prepare(ctx)
		if err == nil {
			break
		}
		if time.Since(said) >= readySay {
			said = time.Now()
			b.log.Info().Msgf("waiting for the bus since %v: %s (%v)", time.Since(started).Round(time.Second), b.whom(ctx), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the bus: %w (%s; last: %w)", ctx.Err(), b.whom(b.closing), err)
		case <-b.closing.Done():
			return errors.New("wait for the bus: closed")
		case failed := <-b.Failed():
			return failed
		case <-time.After(readyTry):
		}
	}
	if b.srv != nil {
		b.srv.Formed()
		b.tending.Do(func() { b.background(b.tend) })
	}
	b.log.Debug().Msgf("the bus is ready after %v", time.Since(started).Round(time.Millisecond))
	return nil
}

// prepare makes one attempt at what Ready waits for.
func (b *Bus) prepare(ctx context.Context) error {
	if !b.nc.IsConnected() {
		return errors.New("not connected")
	}
	if b.srv != nil && b.srv.Clustered() && !b.srv.Current() {
		return errors.New("the members have not formed a cluster yet")
	}
	var stale []jetstream.StreamConfig
	for _, want := range streams(len(b.o.Nodes)) {
		s, err := b.stream(ctx, want)
		if err != nil {
			return err
		}
		info := s.CachedInfo()
		if info.Cluster != nil && info.Cluster.Leader == "" && !isCache(want) {
			return fmt.Errorf("stream %s: its copies have not agreed on a leader yet", want.Name)
		}
		if next, differs := updated(info.Config, want); differs {
			stale = append(stale, next)
		}
	}
	for stream, want := range consumers() {
		if err := b.consumer(ctx, stream, want); err != nil {
			return err
		}
	}
	if b.srv != nil && len(stale) > 0 {
		b.background(func() { b.change(stale) })
	}
	return nil
}

// stream looks a stream up; a member creates it if it is missing. Several members may do so at once: they ask for the
// same, which the server takes for one.
func (b *Bus) stream(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	ask, stop := context.WithTimeout(ctx, askWait)
	defer stop()
	s, err := b.js.Stream(ask, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) && b.srv != nil {
		create, stop := context.WithTimeout(ctx, callWait)
		defer stop()
		s, err = b.create(create, want)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", want.Name, err)
	}
	return s, nil
}

// codeNoPeers is the server's refusal to make a stream with more copies than there are members at hand.
const codeNoPeers jetstream.ErrorCode = 10005

// create makes a stream. One that may be thrown away is made with fewer copies while members are away, rather than not
// at all; it gets the others when the next member that starts compares the settings.
func (b *Bus) create(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := b.js.CreateStream(ctx, want)
	for isCache(want) && want.Replicas > 1 {
		if code, _ := refusal(err); code != codeNoPeers {
			break
		}
		want.Replicas--
		s, err = b.js.CreateStream(ctx, want)
	}
	return s, err
}

// consumer does the same for a durable consumer. Its copies follow the stream's.
func (b *Bus) consumer(ctx context.Context, stream string, want jetstream.ConsumerConfig) error {
	ask, stop := context.WithTimeout(ctx, askWait)
	defer stop()
	_, err := b.js.Consumer(ask, stream, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) && b.srv != nil {
		create, stop := context.WithTimeout(ctx, callWait)
		defer stop()
		_, err = b.js.CreateOrUpdateConsumer(create, stream, want)
	}
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", want.Durable, stream, err)
	}
	return nil
}

// change gives streams their new settings, and doesn't give up while the bus is open.
func (b *Bus) change(stale []jetstream.StreamConfig) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = time.Second, scaleWait
	for {
		stale = b.changeOnce(stale)
		if len(stale) == 0 {
			return
		}
		select {
		case <-b.closing.Done():
			return
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// changeOnce returns the streams that could not be changed.
func (b *Bus) changeOnce(stale []jetstream.StreamConfig) (left []jetstream.StreamConfig) {
	for _, next := range stale {
		ctx, stop := context.WithTimeout(b.closing, callWait)
		_, err := b.js.UpdateStream(ctx, next)
		stop()
		switch {
		case err == nil:
			b.log.Info().Int("copies", next.Replicas).Msgf("stream %s has its new settings", next.Name)
		case b.closing.Err() == nil:
			b.log.Warn().Err(err).Int("copies", next.Replicas).
				Msgf("stream %s can't have its new settings yet; it works with the old ones", next.Name)
			left = append(left, next)
		}
	}
	return left
}

// whom says in words who is missing.
func (b *Bus) whom(ctx context.Context) string {
	switch {
	case b.srv == nil && !b.nc.IsConnected():
		return "no answer from " + b.o.URL
	case b.srv == nil:
		return "no member has prepared it yet"
	case !b.srv.Clustered():
		return "it is starting"
	}
	if away := b.srv.Away(ctx); len(away) > 0 {
		return fmt.Sprintf("no answer from %s (a first start needs all %d members, later ones more than half)",
			strings.Join(away, ", "), len(b.o.Nodes))
	}
	return fmt.Sprintf("all %d members answer; connected to %s; they are electing",
		len(b.o.Nodes), strings.Join(b.srv.Here(), ", "))
}
