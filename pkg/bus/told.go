package bus

import (
	"context"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Without a majority the mailers talk to each other in plain messages, among those who reach each other.

// Hearing is what a mailer hears. Each function is called from a goroutine of its own kind of message, one call at a time.
type Hearing struct {
	Presence    func(events.Presence)
	Uncommitted func(events.Uncommitted) // from arbiters
	Told        func(events.Told)        // from mailers, this one included
	ToldAsk     func(events.ToldAsk)     // from mailers, this one included
	Committed   func(about string)       // an event was committed: its public subject
	Again       func()                   // something may have been missed: as OnReconnect
}

// Hear subscribes to all a mailer has to hear when there is no majority. stop ends it.
func (b *Bus) Hear(h Hearing) (stop func(), err error) {
	var subs []*Subscription
	unsubscribe := func() {
		for _, s := range subs {
			s.Stop()
		}
	}
	for _, subscribe := range []func() (*Subscription, error){
		func() (*Subscription, error) { return Subscribe(b, events.AllPresence, h.Presence) },
		func() (*Subscription, error) { return Subscribe(b, events.AllUncommitted, h.Uncommitted) },
		func() (*Subscription, error) { return Subscribe(b, events.AllTold, h.Told) },
		func() (*Subscription, error) { return Subscribe(b, events.AllToldAsk, h.ToldAsk) },
		func() (*Subscription, error) {
			return b.SubscribeOutages(func(c Committed) { h.Committed(events.OutageSubject(c.Event, c.Check)) })
		},
		func() (*Subscription, error) {
			return b.SubscribeTroubles(func(c CommittedTrouble) { h.Committed(events.TroubleSubject(c.Event, c.TroubleKey)) })
		},
	} {
		s, err := subscribe()
		if err != nil {
			unsubscribe()
			return nil, err
		}
		subs = append(subs, s)
	}
	forget := b.onReconnect(h.Again)
	return func() { forget(); unsubscribe() }, nil
}

// OutagesOf reads the events of one check that were stored since a moment, oldest first. An error of handle ends it and is
// returned.
func (b *Bus) OutagesOf(ctx context.Context, c events.Check, since time.Time, handle func(Committed) error) error {
	return readEvents(ctx, b, events.StreamOutages, events.ProposeFilter(c), since, toCommitted, handle)
}

// TroublesOf is OutagesOf for one trouble's key.
func (b *Bus) TroublesOf(ctx context.Context, k events.TroubleKey, since time.Time, handle func(CommittedTrouble) error) error {
	return readEvents(ctx, b, events.StreamTroubles, events.ProposeTroubleFilter(k), since, toTrouble, handle)
}
