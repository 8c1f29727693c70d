package arbiter

import (
	"context"
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
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
		if at, ok := round.Next(a.state); ok {
			wake.Reset(time.Until(at))
		} else {
			wake.Stop()
		}
		select {
		case <-ctx.Done():
		case in := <-a.inputs:
			a.take(ctx, in)
		case <-wake.C:
			a.apply(ctx, round.Tick{}, time.Now())
		case <-second.C:
			a.everySecond(ctx)
		case look := <-a.looks:
			look()
		}
	}
}

// take applies an input that came from the bus at some moment.
func (a *Arbiter) take(ctx context.Context, i input) {
	switch in := i.in.(type) {
	case round.Arrived:
		if waited := a.now.Sub(i.at) > maxWait; waited || i.at.Sub(a.began) < listen {
			if waited {
				a.late++
			}
			a.apply(ctx, round.History{Result: in.Result, Time: i.at}, i.at)
			return
		}
	case round.NodePresent:
		if in.Presence.Leaving {
			a.log.Info().Msgf("node %s is gone: it said goodbye", in.Presence.Node)
			a.gone(ctx, in.Presence.Node, i.at)
			return
		}
		if _, ok := a.heard[in.Presence.Node]; !ok {
			a.log.Info().Str("site", in.Presence.Site).Msgf("node %s is there", in.Presence.Node)
		}
		a.heard[in.Presence.Node] = presence{at: i.at, site: in.Presence.Site}
	case round.CatalogChanged:
		a.known = true
	}
	a.apply(ctx, i.in, i.at)
}

func (a *Arbiter) gone(ctx context.Context, node string, at time.Time) {
	delete(a.heard, node)
	a.apply(ctx, round.NodeGone{Node: node}, at)
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
		}
	}
	a.teller.decided(decisions)
}

// everySecond finds the nodes that fell silent. After a pause of this process itself, silence proves nothing: then the
// nodes get another second to be heard.
func (a *Arbiter) everySecond(ctx context.Context) {
	now := time.Now()
	paused := !a.checked.IsZero() && now.Sub(a.checked) > 2*time.Second
	a.checked = now
	if paused {
		return
	}
	var silent []string
	for node, p := range a.heard {
		if now.Sub(p.at) > events.PresenceTimeout {
			silent = append(silent, node)
		}
	}
	slices.Sort(silent)
	for _, node := range silent {
		a.log.Warn().Msgf("node %s is gone: it has not said for five seconds that it is there", node)
		a.gone(ctx, node, now)
	}
	a.teller.trouble(now, a.slow.Load(), a.late)
	if a.known && !a.teller.saidLone && now.Sub(a.began) > events.PresenceTimeout {
		a.teller.lone(round.Overview(a.state), a.sites())
	}
}

// presence is what is kept of a node's own word that it is there.
type presence struct {
	at   time.Time
	site string
}

func (a *Arbiter) sites() int {
	sites := map[string]bool{}
	for _, p := range a.heard {
		sites[p.site] = true
	}
	return len(sites)
}
