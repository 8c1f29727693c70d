package mailer

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/services/mailer/batch"
)

// desk is where notices from the queue wait for others of the same recipient. What is decided is decided in package batch.
type desk struct {
	m      *Mailer
	in     chan waiting
	hands  chan struct{} // full when as many mails are under way as may be
	sender sync.WaitGroup
}

// waiting is a notice at the desk.
type waiting struct {
	parcel
	settled chan struct{} // closed when it has left this mailer's hands
}

// sendQueued sends the notices of the queue until ctx ends and none is in hand any more.
func (m *Mailer) sendQueued(ctx context.Context) error {
	d := &desk{m: m, in: make(chan waiting), hands: make(chan struct{}, parallel)}
	ended := make(chan struct{})
	go func() { defer close(ended); d.run(ctx) }()
	err := m.bus.ConsumeNotices(ctx, batch.Held, func(ctx context.Context, t *bus.Task) {
		d.take(ctx, parcel{Notice: t.Notice, attempt: t.Attempt, queued: t.Queued, taken: time.Now(), task: t})
	})
	<-ended
	return err
}

// take holds a notice until it is settled.
func (d *desk) take(ctx context.Context, p parcel) {
	w := waiting{p, make(chan struct{})}
	select {
	case d.in <- w:
		<-w.settled
	case <-ctx.Done():
		d.m.put(p.Notice, p.task, 0)
	}
}

// run gathers notices and has them sent until ctx ends; then it gives back what waits, and waits for the mails that are
// under way.
func (d *desk) run(ctx context.Context) {
	state := batch.New[waiting]()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, w := range state.Drain() {
				d.m.put(w.Notice, w.task, 0)
				close(w.settled)
			}
			d.sender.Wait()
			return
		case w := <-d.in:
			if w.Trouble != nil { // There are few of these, and each has its own story.
				d.send(ctx, []waiting{w})
				continue
			}
			d.sendGroups(ctx, state.Add(with(w), w, time.Now()))
		case <-timer.C:
			d.sendGroups(ctx, state.Due(time.Now()))
		}
		if next := state.Next(); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

// with says which notices one goes with: those of the same recipient, but what is tried again must not keep what is new
// waiting.
func with(w waiting) string {
	if w.attempt > 1 {
		return strings.ToLower(w.Recipient) + " again"
	}
	return strings.ToLower(w.Recipient)
}

func (d *desk) sendGroups(ctx context.Context, groups []batch.Group[waiting]) {
	for _, g := range groups {
		d.send(ctx, g.Notices)
	}
}

// send sends a group as soon as there is a free hand.
func (d *desk) send(ctx context.Context, group []waiting) {
	d.sender.Go(func() {
		select {
		case d.hands <- struct{}{}:
			defer func() { <-d.hands }()
		case <-ctx.Done(): // sendAll gives them back.
		}
		all := make([]parcel, 0, len(group))
		for _, w := range group {
			all = append(all, w.parcel)
		}
		d.m.sendAll(ctx, all)
		for _, w := range group {
			close(w.settled)
		}
	})
}
