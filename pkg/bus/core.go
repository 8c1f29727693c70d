package bus

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Limits of what waits for a subscriber that is slower than its publishers. Past them messages are dropped and logged.
const (
	pendingMsgs  = 1 << 16
	pendingBytes = 32 << 20
)

// logEvery is how often the same trouble is logged.
const logEvery = 10 * time.Second

// slowLog tells when it is time for another line about the same trouble.
type slowLog struct{ last atomic.Int64 }

func (l *slowLog) due(now time.Time) bool {
	last := l.last.Load()
	return now.UnixNano()-last >= int64(logEvery) && l.last.CompareAndSwap(last, now.UnixNano())
}

// episode tells when it is time for a line about a trouble that goes on: when it has lasted for longer than an election,
// which is none, and then at growing distance. The zero value knows of no trouble; put it back when there is none any more.
type episode struct {
	next  time.Time
	pause time.Duration
}

// mostSilent is the longest time between two lines about the same trouble.
const mostSilent = 10 * time.Minute

func (e *episode) due(now time.Time) bool {
	switch {
	case e.next.IsZero():
		e.pause = leaderless
	case now.Before(e.next):
		return false
	default:
		e.pause = min(2*e.pause, mostSilent)
	}
	told := !e.next.IsZero()
	e.next = now.Add(e.pause)
	return told
}

// ErrNotConnected is returned by Publish while there is no connection. The bus itself says so in the log, and when there
// is one again.
var ErrNotConnected = errors.New("not connected to the bus")

// Publish sends a message to whoever is connected now. It returns when the message is on its way; Flush waits until
// the server has it. While there is no connection it returns ErrNotConnected.
func (b *Bus) Publish(m events.Message) error {
	data, err := events.Encode(m)
	if err != nil {
		return err
	}
	err = b.nc.Publish(m.Subject(), data)
	if errors.Is(err, nats.ErrReconnectBufExceeded) { // with a buffer of nothing, the first byte is too many
		err = ErrNotConnected
	}
	if err != nil {
		return fmt.Errorf("publish on %s: %w", m.Subject(), err)
	}
	return nil
}

// Flush waits until the server has all that was published.
func (b *Bus) Flush(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, callWait)
	defer stop()
	if err := b.nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("flush the bus: %w", err)
	}
	return nil
}

// Subscription is a standing order for messages.
type Subscription struct {
	sub     *nats.Subscription
	stopped atomic.Bool
	bad     atomic.Uint64
	slow    slowLog
}

// Stop ends the subscription. No call of handle begins after it; one that is under way may still be.
func (s *Subscription) Stop() {
	s.stopped.Store(true)
	_ = s.sub.Unsubscribe() // fails only if the connection is closed, and then there is nothing left to stop
}

// Bad counts the messages that were refused because they break the contract of pkg/events.
func (s *Subscription) Bad() uint64 { return s.bad.Load() }

// Subscribe hands on the messages of a subject (or a pattern), one at a time and in order, from one goroutine. The
// subscription is known to the server when Subscribe returns. Messages that events.Decode refuses are counted and
// logged, and go no further.
func Subscribe[T any, P interface {
	*T
	events.Message
}](b *Bus, subject string, handle func(T)) (*Subscription, error) {
	return b.subscribe(subject, func(msg *nats.Msg) error {
		m, err := events.Decode[T, P](msg.Subject, msg.Data)
		if err == nil {
			handle(m)
		}
		return err
	})
}

// subscribe is Subscribe for raw messages; an error of handle is one bad message.
func (b *Bus) subscribe(subject string, handle func(*nats.Msg) error) (*Subscription, error) {
	s := &Subscription{}
	sub, err := b.nc.Subscribe(subject, func(msg *nats.Msg) {
		if s.stopped.Load() {
			return
		}
		if err := handle(msg); err != nil {
			n := s.bad.Add(1)
			if s.slow.due(time.Now()) {
				b.log.Warn().Err(err).Uint64("refused", n).Msgf("message on %s refused", msg.Subject)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	s.sub = sub
	if err := sub.SetPendingLimits(pendingMsgs, pendingBytes); err != nil {
		s.Stop()
		return nil, fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	if b.nc.IsConnected() { // otherwise the client tells the server as soon as there is one
		_ = b.nc.FlushTimeout(connectWait)
	}
	return s, nil
}
