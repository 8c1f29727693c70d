package arbiter

import (
	"context"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

// loop owns the state. Inputs go before ticks: after a pause of this process they are judged in the order and at the
// times in which they came, as if there had been none.
func (a *Arbiter) loop(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	for ctx.Err() == nil {
		select {
		case in := <-a.inputs:
			a.take(ctx, in)
			continue
		default:
		}
		if at := a.wake(); !at.IsZero() {
			wake.Reset(time.Until(at))
		} else {
			wake.Stop()
		}
		select {
		case <-ctx.Done():
		case in := <-a.inputs:
			a.take(ctx, in)
		case <-wake.C:
			a.tick(ctx)
		case <-second.C:
			a.everySecond(ctx)
		case look := <-a.looks:
			look()
		}
	}
}

// wake tells when one of the state machines needs a tick; zero: never.
func (a *Arbiter) wake() time.Time {
	at, ok := round.Next(a.state)
	if !ok || (!a.troubleWake.IsZero() && a.troubleWake.Before(at)) {
		return a.troubleWake
	}
	return at
}

func (a *Arbiter) tick(ctx context.Context) {
	a.apply(ctx, round.Tick{}, time.Now())
	if !a.troubleWake.IsZero() && !a.troubleWake.After(a.now) {
		a.applyTrouble(ctx, trouble.Tick{})
	}
}

// take applies an input that came from the bus at some moment.
func (a *Arbiter) take(ctx context.Context, i input) {
	if i.at.After(a.now) {
		a.now = i.at
	}
	vote, at := a.door.Votes(i.at, a.now)
	switch in := i.in.(type) {
	case nil:
		if i.trouble != nil {
			a.applyTrouble(ctx, i.trouble)
			return
		}
		a.logRead = true
		a.remember(ctx)
		return
	case round.Arrived:
		if !vote {
			if a.now.Sub(i.at) > round.MaxWait {
				a.late++
			}
			a.apply(ctx, round.History{Result: in.Result, Time: at}, i.at)
			return
		}
	case round.NodePresent:
		a.present(ctx, in.Presence, i.at)
		return
	case round.CatalogChanged:
		a.known = true
		a.applyTrouble(ctx, trouble.Configured{Checks: in.Checks})
	}
	a.apply(ctx, i.in, i.at)
	a.remember(ctx)
}

func (a *Arbiter) present(ctx context.Context, p *events.Presence, at time.Time) {
	if p.Leaving && a.there.stays(p) {
		a.log.Info().Msgf("another process of node %s has ended; the node is there", p.Node)
		return
	}
	if p.Leaving {
		a.log.Info().Msgf("node %s is gone: it said goodbye", p.Node)
		a.gone(ctx, p.Node, true, at)
		return
	}
	if a.there.heard(p, at) {
		a.log.Info().Str("site", p.Site).Msgf("node %s is there", p.Node)
	}
	a.apply(ctx, round.NodePresent{Presence: p}, at)
	a.applyTrouble(ctx, trouble.NodePresent{Node: p.Node})
}

func (a *Arbiter) gone(ctx context.Context, node string, goodbye bool, at time.Time) {
	a.there.gone(node)
	a.apply(ctx, round.NodeGone{Node: node}, at)
	a.applyTrouble(ctx, trouble.NodeGone{Node: node, Goodbye: goodbye})
}

// apply moves the state and carries out what it decides.
func (a *Arbiter) apply(ctx context.Context, in round.Input, at time.Time) {
	if at.After(a.now) {
		a.now = at
	}
	decisions := round.Apply(a.state, in, a.now)
	for _, d := range decisions {
		switch d.Kind {
		case round.Ask:
			if err := a.bus.Publish(d.Confirmation); err != nil {
				a.teller.notAsked(d, err)
			}
		case round.ProposeOpened, round.ProposeClosed:
			a.tasks.Go(func() { a.propose(ctx, d) })
		case round.Uncommitted:
			a.teller.uncommitted(d, a.say(events.Uncommitted{By: a.node, Since: d.Since, Outage: d.Outage}))
		case round.Dismissed:
			a.metrics.dismissed.Inc()
		case round.Blind, round.Sighted:
			a.blindness(ctx, d)
		}
	}
	a.teller.decided(decisions)
}

// everySecond finds the nodes that fell silent, and what else time alone brings.
func (a *Arbiter) everySecond(ctx context.Context) {
	now := time.Now()
	for _, node := range a.there.silent(now) {
		a.log.Warn().Msgf("node %s is gone: it has not said for five seconds that it is there", node)
		a.gone(ctx, node, false, now)
	}
	a.lookAgain(ctx)
	a.rememberNodes()
	a.keep()
	a.metrics.show(round.Count(a.state))
	a.teller.trouble(now, a.slow.Load(), a.late)
	if a.known && !a.teller.saidLone && now.Sub(a.began) > events.PresenceTimeout {
		a.teller.lone(round.Overview(a.state), a.there.sites())
	}
}
