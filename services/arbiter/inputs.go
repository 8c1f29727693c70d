package arbiter

import (
	"context"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

// input is something for one of the state machines, and when it reached this process.
type input struct {
	in      round.Input
	trouble trouble.Input // if in is nil; if that is nil as well, the log has been read, and all it says was handed on
	at      time.Time
}

// subscribe starts to listen. stop ends it, and is never nil.
func (a *Arbiter) subscribe(ctx context.Context) (stop func(), err error) {
	var subs []*bus.Subscription
	stop = func() {
		for _, s := range subs {
			s.Stop()
		}
	}
	keep := func(s *bus.Subscription, err error) error {
		if err == nil {
			subs = append(subs, s)
		}
		return err
	}
	if err := keep(a.bus.SubscribeOutages(func(c bus.Committed) { a.put(ctx, committed(c)) })); err != nil {
		return stop, err
	}
	if err := keep(bus.Subscribe(a.bus, events.AllPresence, func(p events.Presence) {
		a.put(ctx, round.NodePresent{Presence: &p})
	})); err != nil {
		return stop, err
	}
	if err := keep(bus.Subscribe(a.bus, events.AllResults, func(r events.Result) {
		a.put(ctx, round.Arrived{Result: &r})
	})); err != nil {
		return stop, err
	}
	if err := keep(a.bus.SubscribeTroubles(func(c bus.CommittedTrouble) { a.putTrouble(ctx, committedTrouble(c)) })); err != nil {
		return stop, err
	}
	a.bus.OnReconnect(a.wantReread)
	return stop, nil
}

func committed(c bus.Committed) round.Committed {
	return round.Committed{Outage: &c.Outage, Seq: c.Seq}
}

// put hands an input to the state machine, and waits if too many are before it. All inputs go one way, because their
// order matters: results that came before an event must not be judged after it.
func (a *Arbiter) put(ctx context.Context, in round.Input) {
	a.enqueue(ctx, input{in: in, at: time.Now()})
}

func (a *Arbiter) putTrouble(ctx context.Context, in trouble.Input) {
	a.enqueue(ctx, input{trouble: in, at: time.Now()})
}

func (a *Arbiter) enqueue(ctx context.Context, i input) {
	select {
	case a.inputs <- i:
		return
	default:
		if _, ok := i.in.(round.Arrived); ok {
			a.slow.Add(1)
		}
	}
	select {
	case a.inputs <- i:
	case <-ctx.Done():
	}
}

func (a *Arbiter) wantReread() {
	select {
	case a.reread <- struct{}{}:
	default: // It is wanted already.
	}
}

// followCatalog hands on what is configured. After the first time, the last results are read: before it nobody knows
// which checks they belong to.
func (a *Arbiter) followCatalog(ctx context.Context, gap round.Slept) {
	first := true
	err := a.bus.FollowCatalog(ctx, func(c events.Catalog) {
		a.put(ctx, round.CatalogChanged{Checks: c.Checks})
		if first {
			first = false
			a.tasks.Go(func() { a.readHistory(ctx, gap) })
		}
	})
	if err != nil && ctx.Err() == nil {
		a.log.Error().Err(err).Msg("the configuration is not followed any more; what is in force stays")
	}
}

// historyTries is how often the last results are tried to be read. They only save asking; without them the arbiter knows
// each node's last word an interval later.
const historyTries = 5

func (a *Arbiter) readHistory(ctx context.Context, gap round.Slept) {
	for try := 1; ; try++ {
		results, err := a.bus.LastResults(ctx)
		for _, r := range results {
			a.put(ctx, round.History{Result: &r.Result, Time: r.Time})
		}
		if !gap.To.IsZero() {
			gap.Looked = lookedUntil(results, gap.To)
			a.put(ctx, gap)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		if try == historyTries {
			a.log.Warn().Err(err).Msg("the last results can't be read; going on with those to come")
			return
		}
		if !pause(ctx, time.Second) {
			return
		}
	}
}

// pause waits, and tells whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
