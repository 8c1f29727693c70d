package bus

import (
	"cmp"
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
// has, or, with Options.Plain, until it is connected. While it waits it logs for whom: after a few seconds, and then ever more rarely. It returns an error only when the
// context ends, when the bus is closed, or when the embedded member has failed; that error is then not delivered by
// Failed any more.
//
// A stream that exists with other settings, such as fewer copies than there are nodes for now, is used as it is
// and changed in the background: that may have to wait for a member that is not there yet.
func (b *Bus) Ready(ctx context.Context) error {
	started, said, pause := time.Now(), time.Now(), readySay
	for {
		err := b.prepare(ctx)
		if err == nil {
			break
		}
		if time.Since(said) >= pause {
			said, pause = time.Now(), min(2*pause, time.Minute)
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
		last := b.nc.LastError()
		b.failedToConnect(last)
		if why := cmp.Or(b.Refused(), last); why != nil {
			return fmt.Errorf("not connected: %w", why)
		}
		return errors.New("not connected")
	}
	if b.o.Plain {
		return nil
	}
	if b.srv != nil && b.srv.Clustered() && !b.srv.Current() {
		return errors.New("the members have not formed a cluster yet")
	}
	if err := b.settle(ctx); err != nil {
		return err
	}
	stale := false
	for _, want := range streams(len(b.nodes())) {
		s, err := b.stream(ctx, want)
		if err != nil {
			return err
		}
		info := s.CachedInfo()
		if info.Cluster != nil && info.Cluster.Leader == "" && !isCache(want) {
			return fmt.Errorf("stream %s: its copies have not agreed on a leader yet", want.Name)
		}
		if b.srv != nil && b.srv.Clustered() {
			want.Replicas = info.Config.Replicas // keepMembers sees to that
		}
		if _, differs := updated(info.Config, want); differs {
			stale = true
		}
	}
	for stream, want := range consumers() {
		if err := b.consumer(ctx, stream, want); err != nil {
			return err
		}
	}
	if b.srv != nil && stale {
		b.background(b.change)
	}
	return nil
}

// mayMake tells whether this process makes streams and consumers that are missing: a member does, when it is known that
// none of them is still to come out of a member's history.
func (b *Bus) mayMake() bool {
	return b.srv != nil && (b.settled.Load() || !b.srv.Clustered())
}

// stream looks a stream up; a member creates it if it is missing. Several members may do so at once: they ask for the
// same, which the server takes for one.
func (b *Bus) stream(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	return b.streamOr(ctx, want, b.mayMake())
}

func (b *Bus) streamOr(ctx context.Context, want jetstream.StreamConfig, make bool) (jetstream.Stream, error) {
	ask, stop := context.WithTimeout(ctx, askWait)
	defer stop()
	s, err := b.js.Stream(ask, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) && make {
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
	if errors.Is(err, jetstream.ErrConsumerNotFound) && b.mayMake() {
		create, stop := context.WithTimeout(ctx, callWait)
		defer stop()
		_, err = b.js.CreateOrUpdateConsumer(create, stream, want)
	}
	if err != nil {
		return fmt.Errorf("consumer %s of stream %s: %w", want.Durable, stream, err)
	}
	return nil
}

// change gives the streams the settings that they should have, and doesn't give up while the bus is open.
func (b *Bus) change() {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = time.Second, scaleWait
	for {
		if b.changed(0) {
			return
		}
		select {
		case <-b.closing.Done():
			return
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// changed makes one attempt, and tells whether all streams are as they should be: with as many copies as so many members
// allow, or, if that is 0 in a cluster, as many as they have. How many members there are is for keepMembers to say.
func (b *Bus) changed(members int) bool {
	all := true
	for _, want := range streams(max(members, 1)) {
		ctx, stop := context.WithTimeout(b.closing, callWait)
		copies, err := b.changeStream(ctx, want, members == 0 && b.srv.Clustered())
		stop()
		switch {
		case err != nil && b.closing.Err() == nil:
			b.log.Warn().Err(err).Int("copies", want.Replicas).
				Msgf("stream %s can't have its new settings yet; it works with the old ones", want.Name)
			all = false
		case copies > 0:
			b.log.Info().Int("copies", copies).Msgf("stream %s has its new settings", want.Name)
		}
	}
	return all
}

// changeStream gives a stream the settings it should have and returns its number of copies, 0 if nothing had to be changed.
func (b *Bus) changeStream(ctx context.Context, want jetstream.StreamConfig, keep bool) (copies int, err error) {
	s, err := b.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil // Ready and tend see to that
	}
	if err != nil {
		return 0, err
	}
	if keep {
		want.Replicas = s.CachedInfo().Config.Replicas
	}
	next, differs := updated(s.CachedInfo().Config, want)
	if !differs {
		return 0, nil
	}
	_, err = b.js.UpdateStream(ctx, next)
	return next.Replicas, err
}

// WaitsFor says in words for whom Ready waits. It takes up to a second.
func (b *Bus) WaitsFor(ctx context.Context) string { return b.whom(ctx) }

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
			strings.Join(away, ", "), len(b.nodes()))
	}
	return fmt.Sprintf("all %d members answer; connected to %s; they are electing",
		len(b.nodes()), strings.Join(b.srv.Here(), ", "))
}

// nodes are the addresses of all members, as they are known now.
func (b *Bus) nodes() []string {
	if b.srv == nil {
		return nil
	}
	return b.srv.Nodes()
}
