package bus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Lease timing, in parts of the time to live. A holder renews three times in it, and stops at four fifths: the last
// fifth is what lead has to return in. Those who stand by look four times, so that a dead holder is followed after one
// and a quarter at most.
const (
	MinLease   = time.Second // the server's grain of a message's time to live
	renewPart  = 3
	standPart  = 4
	retryPart  = 12
	trustTenth = 8
	letGoWait  = 2 * time.Second
)

// headerTenant tells the attempts of one HoldLease from those of another one with the same holder.
const headerTenant = "Dmonitor-Tenant"

// HoldLease competes for a lease until ctx ends, and runs lead whenever it has it. fence is the revision of the
// take-over: it grows from holder to holder, whatever happens.
//
// lead's context ends when ctx does, and at the latest 0.8*ttl after the start of the last successful renewal, by
// this process's monotonic clock; a message's time to live on the bus begins later and is not shorter. So there is one
// holder at a time, provided lead returns within 0.2*ttl of the end of its context, and the machine isn't suspended
// (a suspended clock stands still): that is what the fence is for. When lead returns, the lease is given up, so that
// another takes it at once, and this one competes again after a pause; an error of lead is logged.
//
// While the bus can't be written the lease lapses and nobody holds it. ttl is MinLease or more; with 3 s a dead holder
// is followed within 4 s, or within 9 s if an election is needed first.
func (b *Bus) HoldLease(ctx context.Context, name, holder string, ttl time.Duration, lead func(ctx context.Context, fence uint64) error) error {
	if ttl < MinLease {
		return fmt.Errorf("hold lease %s: ttl %v: want %v or more", name, ttl, MinLease)
	}
	if err := events.ValidateNode(name); err != nil {
		return fmt.Errorf("hold lease: %w", err)
	}
	l := &lease{b: b, name: name, holder: holder, tenant: rand.Text(), ttl: ttl}
	for {
		since, err := l.take(ctx)
		switch {
		case err == nil:
			l.trouble = episode{}
			l.hold(ctx, since, lead)
		case errors.Is(err, ErrConflict):
			l.trouble = episode{}
		case ctx.Err() == nil:
			l.tell(err, time.Now())
		}
		if err := sleep(ctx, ttl/standPart); err != nil {
			return err
		}
	}
}

// LeaseHolder tells who holds a lease; "" if nobody does.
func (b *Bus) LeaseHolder(ctx context.Context, name string) (string, error) {
	m, err := b.lastFromLeader(ctx, kvStream+events.BucketLeases, kvKey(events.BucketLeases, name))
	switch {
	case errors.Is(err, ErrNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read lease %s: %w", name, err)
	case m.deleted():
		return "", nil
	}
	return string(m.data), nil
}

// lease is one competitor.
type lease struct {
	b            *Bus
	name, holder string
	tenant       string
	ttl          time.Duration
	rev          uint64 // of our last write
	trouble      episode
}

// tell logs that the lease can't be competed for. An election, which is no trouble, takes up to 9 s.
func (l *lease) tell(err error, now time.Time) {
	level := zerolog.DebugLevel
	if l.trouble.due(now) {
		level = zerolog.WarnLevel
	}
	l.b.log.WithLevel(level).Err(err).Msgf("can't compete for the lease %q; trying again", l.name)
}

// tenancy is what the bucket says about a lease.
type tenancy struct {
	rev  uint64 // of the last word, 0: none yet; a take-over is compared with it
	held bool   // neither given up nor lapsed
	ours bool   // held, and written by this competitor
}

func (l *lease) look(ctx context.Context) (tenancy, error) {
	m, err := l.b.lastFromLeader(ctx, kvStream+events.BucketLeases, kvKey(events.BucketLeases, l.name))
	if errors.Is(err, ErrNotFound) {
		return tenancy{}, nil
	}
	held := !m.deleted()
	return tenancy{rev: m.seq, held: held, ours: held && m.header.Get(headerTenant) == l.tenant}, err
}

// take takes the lease if it is free, and returns the moment before it was written. ErrConflict: somebody has it.
func (l *lease) take(ctx context.Context) (since time.Time, err error) {
	t, err := l.look(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if t.held && !t.ours { // ours: a take-over or release whose answer was lost
		return time.Time{}, ErrConflict
	}
	since = time.Now()
	l.rev, err = l.write(ctx, t.rev)
	return since, err
}

// write says that we hold the lease, if nobody else wrote since rev.
func (l *lease) write(ctx context.Context, rev uint64) (uint64, error) {
	msg := &nats.Msg{
		Subject: kvKey(events.BucketLeases, l.name), Data: []byte(l.holder),
		Header: nats.Header{headerTenant: {l.tenant}},
	}
	seconds := math.Ceil(l.ttl.Seconds())
	return l.b.store(ctx, msg, jetstream.WithExpectLastSequencePerSubject(rev),
		jetstream.WithMsgTTL(time.Duration(seconds)*time.Second))
}

// hold runs lead while the lease is ours, and gives it up afterwards.
func (l *lease) hold(ctx context.Context, since time.Time, lead func(context.Context, uint64) error) {
	fence, log := l.rev, &l.b.log
	log.Info().Uint64("fence", fence).Msgf("took the lease %q", l.name)
	trust := l.ttl * trustTenth / 10
	held, lose := context.WithCancel(ctx)
	defer lose()
	// A timer of its own, so that no slow call to the bus can hold it up.
	end := time.AfterFunc(time.Until(since.Add(trust)), lose)
	defer end.Stop()

	done := make(chan error, 1)
	go func() { done <- lead(held, fence) }()
	pause := l.ttl / renewPart
	for {
		select {
		case err := <-done:
			l.letGo()
			if err != nil && held.Err() == nil {
				log.Error().Err(err).Msgf("gave up the lease %q: what it is for has failed", l.name)
			}
			return
		case <-held.Done():
			if ctx.Err() == nil {
				log.Warn().Uint64("fence", fence).Msgf("lost the lease %q: it could not be renewed in time", l.name)
			}
			if err := <-done; err != nil {
				log.Debug().Err(err).Msgf("what the lease %q is for ended, as it was told to", l.name)
			}
			l.letGo()
			return
		case <-time.After(pause):
		}
		start := time.Now()
		switch l.renew(held) {
		case renewed:
			if !end.Stop() {
				continue // too late: lead has been told to stop
			}
			end.Reset(time.Until(start.Add(trust)))
			pause = l.ttl / renewPart
		case again:
			pause = l.ttl / retryPart
		case gone:
			lose()
		}
	}
}

// What came of a renewal.
type renewal int

const (
	renewed renewal = iota
	again           // not known, or not possible now
	gone            // somebody else has the lease
)

func (l *lease) renew(ctx context.Context) renewal {
	ctx, stop := context.WithTimeout(ctx, l.ttl/renewPart)
	defer stop()
	rev, err := l.write(ctx, l.rev)
	if err == nil {
		l.rev = rev
		return renewed
	}
	if !errors.Is(err, ErrConflict) {
		return again
	}
	// Somebody wrote: a successor, or we ourselves, in a call whose answer was lost.
	t, err := l.look(ctx)
	switch {
	case err != nil:
		return again
	case t.ours:
		l.rev = t.rev
		return again
	default:
		return gone
	}
}

// letGo gives the lease up if it is still ours, so that a successor needn't wait. If that fails it lapses by itself.
func (l *lease) letGo() {
	ctx, stop := context.WithTimeout(context.Background(), letGoWait)
	defer stop()
	if t, err := l.look(ctx); err == nil && t.ours {
		msg := &nats.Msg{
			Subject: kvKey(events.BucketLeases, l.name), Header: nats.Header{headerOperation: {"DEL"}},
		}
		_, err = l.b.store(ctx, msg, jetstream.WithExpectLastSequencePerSubject(t.rev))
		if err != nil {
			l.b.log.Debug().Err(err).Msgf("could not give up the lease %q; it lapses", l.name)
		}
	}
}
