package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// doneWait bounds Task.Done if the caller doesn't: time for an election, and some more.
const doneWait = 30 * time.Second

// tryWait bounds one try to store something that is stored once however often it is tried. While a log elects its leader
// a message to it gets no answer at all, and who waits long for that waits on when there is a leader again.
const tryWait = 1500 * time.Millisecond

// storeOnce stores a message that has an id, trying until ctx ends (callWait if it has no deadline).
func (b *Bus) storeOnce(ctx context.Context, msg *nats.Msg, id string) error {
	if _, ok := ctx.Deadline(); !ok {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, callWait)
		defer stop()
	}
	for {
		try, stop := context.WithTimeout(ctx, tryWait)
		_, err := b.store(try, msg, jetstream.WithMsgID(id))
		stop()
		if code, _ := refusal(err); err == nil || code != 0 {
			return err // What the log itself refuses, such as when it is full, is not tried again in the same second.
		}
		if sleep(ctx, readyTry) != nil {
			return err
		}
	}
}

// PutNotice queues a notice, and tries until ctx ends (5 s if it has no deadline). One with the same id is queued once in
// 24 h, so after an error it is safe to try again.
func (b *Bus) PutNotice(ctx context.Context, n events.Notice) error {
	data, err := events.Encode(&n)
	if err != nil {
		return err
	}
	if err := b.storeOnce(ctx, &nats.Msg{Subject: n.Subject(), Data: data}, n.ID); err != nil {
		return fmt.Errorf("queue notice %s to %s: %w", n.ID, n.Recipient, err)
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

// PutDelivery records how the sending of a notice ended. It tries as PutNotice does.
func (b *Bus) PutDelivery(ctx context.Context, d events.Delivery) error {
	data, err := events.Encode(&d)
	if err != nil {
		return err
	}
	if err := b.storeOnce(ctx, &nats.Msg{Subject: d.Subject(), Data: data}, d.Subject()); err != nil {
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
	return b.consumeLog(ctx, events.StreamOutages, func(ctx context.Context, m stored) (bool, error) {
		got, known, err := toCommitted(m)
		if err != nil || !known {
			return known, err
		}
		return true, b.handled(ctx, got.ID, handle(ctx, got))
	})
}

// Task is a notice in this process's hands. Nobody else has it as long as this process lives and reaches the bus; the
// bus is told so every few seconds (see Held). One of Done and Retry ends it.
type Task struct {
	events.Notice
	Attempt int       // 1 for the first
	Queued  time.Time // when it was put into the queue, by the clock of the queue's leader

	msg     jetstream.Msg
	hold    *hold
	settled atomic.Bool
	turn    *turn
}

// turn says who is handed a notice first: who has just put one back comes after those who have not, until one is done.
// Without that the notice would come back to the same hands again and again: a pull lasts as long as the usual delay, so
// that when the delay ends the oldest pull is that of the hand that put the notice back.
type turn struct{ last atomic.Bool }

// senders is the group that all pulls for notices belong to: where pulls have an order the server wants them to have a group.
const senders = "senders"

func (t *turn) options() []jetstream.FetchOpt {
	order := uint8(0)
	if t.last.Load() {
		order = 1
	}
	return []jetstream.FetchOpt{jetstream.FetchPriorityGroup(senders), jetstream.FetchPrioritized(order)}
}

// stepBack is how much later than asked a notice comes back, at least; it may be up to twice that. By then the pulls are
// over with which this process still stood in line like everybody else.
const stepBack = time.Second

// Done takes the notice out of the queue for good, and returns nil when the queue has confirmed it. It keeps trying
// until ctx ends (30 s if it has no deadline): a notice that was sent and is not taken out is sent again.
func (t *Task) Done(ctx context.Context) error {
	t.settled.Store(true)
	t.turn.last.Store(false)
	if err := acknowledge(ctx, t.msg); err != nil {
		return fmt.Errorf("take notice %s out of the queue: %w", t.ID, err)
	}
	return nil
}

// Retry puts the notice back. Somebody gets it after the delay and a second or two, or at once if there is no delay: if
// others take notices too, and the delay is five seconds (pullWait) or more, one of those who have not put one back since
// they were last done with one.
//
// A notice that isn't held any more is left alone: it comes again by itself, and another may be sending it.
func (t *Task) Retry(delay time.Duration) error {
	t.settled.Store(true)
	if !t.Held() {
		return nil
	}
	t.turn.last.Store(true)
	if delay > 0 {
		delay += stepBack + rand.N(stepBack)
	}
	if err := t.msg.NakWithDelay(delay); err != nil {
		return fmt.Errorf("put notice %s back: %w", t.ID, err)
	}
	return nil
}

// Held tells whether the notice is surely in no other hands yet. It is not once this process has stood still for long.
// Ask at the last moment before anything is done that can't be undone.
func (t *Task) Held() bool { return t.hold.sure(time.Now()) }

// Working tells the bus that the notice is still in hand. That also happens by itself, for the first ten minutes.
func (t *Task) Working() error { return t.msg.InProgress() }

// pullMost bounds the notices that one pull asks for.
const pullMost = 100

// ConsumeNotices hands out queued notices, each to one of all callers on the bus, up to so many at a time here, each from
// a goroutine of its own. handle ends its task with Done or Retry; if it does neither the notice comes again after a
// growing delay. No notice is taken before there is a free hand for it. It blocks until ctx ends and the last handle has
// returned; handle's context ends with it.
func (b *Bus) ConsumeNotices(ctx context.Context, parallel int, handle func(context.Context, *Task)) error {
	h := hands{free: make(chan struct{}, max(parallel, 1))}
	err := b.keepPulling(ctx, events.StreamNotices, func(ctx context.Context, cons jetstream.Consumer) error {
		return b.pullNotices(ctx, cons, &h, handle)
	})
	h.busy.Wait()
	return err
}

// hands are those of one caller of ConsumeNotices.
type hands struct {
	free chan struct{} // full when no hand is free
	busy sync.WaitGroup
	turn turn
}

// take waits for a free hand and takes it, and as many more as are free, up to most.
func (h *hands) take(ctx context.Context, most int) int {
	select {
	case h.free <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n := 1; n < most; n++ {
		select {
		case h.free <- struct{}{}:
		default:
			return n
		}
	}
	return most
}

// pullNotices asks for a notice for each free hand, and hands them out as they come. That there are fewer within pullWait
// is no error.
func (b *Bus) pullNotices(ctx context.Context, cons jetstream.Consumer, h *hands, handle func(context.Context, *Task)) error {
	n := h.take(ctx, min(cap(h.free), pullMost))
	defer func() {
		for range n {
			<-h.free
		}
	}()
	if n == 0 {
		return nil // ctx has ended
	}
	wait, stop := context.WithTimeout(ctx, pullWait)
	defer stop()
	asked := time.Now()
	got, err := cons.Fetch(n, append(h.turn.options(), jetstream.FetchContext(wait), jetstream.FetchHeartbeat(pullHeartbeat))...)
	if err != nil {
		return err
	}
	for msg := range got.Messages() {
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		n-- // This hand is busy from now on.
		h.busy.Go(func() {
			defer func() { <-h.free }()
			held := newHold(asked)
			defer held.keep(msg)()
			b.handTask(ctx, msg, meta, held, &h.turn, handle)
		})
	}
	if err := got.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return err
	}
	return nil
}

func (b *Bus) handTask(ctx context.Context, msg jetstream.Msg, meta *jetstream.MsgMetadata, h *hold, turn *turn, handle func(context.Context, *Task)) {
	n, err := events.Decode[events.Notice](msg.Subject(), msg.Data())
	switch {
	case ofNewer(err):
		turn.last.Store(true) // Others first: one of them may be able to send it.
		b.leaveNewer(ctx, msg, meta, err)
		return
	case err != nil:
		b.log.Error().Err(err).Msgf("notice on %s can't be read and is dropped", msg.Subject())
		_ = msg.Term()
		return
	}
	t := &Task{Notice: n, Attempt: int(meta.NumDelivered), Queued: meta.Timestamp, msg: msg, hold: h, turn: turn}
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
