package prober

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// sayPresence says at once and then each second that this node is there, until ctx ends. Before each time it drops what
// waited too long, so that what it says is true.
func (p *Prober) sayPresence(ctx context.Context) {
	tick := time.NewTicker(events.PresenceInterval)
	defer tick.Stop()
	for {
		p.expire(time.Now())
		pr := p.presence()
		if err := p.o.Bus.Publish(&pr); err != nil {
			p.rare.silent.WithLevel(level(err)).Err(err).Msg("could not say that this node is there")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// leave says the last word. Without it the others would wait for five silent seconds. Who gives up a name to another
// process doesn't say it: the node is still there.
func (p *Prober) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	pr := p.presence()
	pr.Leaving = true
	err := p.o.Bus.Publish(&pr)
	if err == nil {
		err = p.o.Bus.Flush(ctx)
	}
	if err != nil {
		p.log.WithLevel(level(err)).Err(err).Msg("could not say that this node leaves")
	}
}

// level of an error of the bus: that it is away is told by the bus itself.
func level(err error) zerolog.Level {
	if errors.Is(err, bus.ErrNotConnected) {
		return zerolog.DebugLevel
	}
	return zerolog.WarnLevel
}

func (p *Prober) presence() events.Presence {
	plugins := p.runner.Plugins() // reads folders: not under the lock
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = time.Now()
	return events.Presence{
		Node: p.o.Node, Site: p.o.Site, Version: p.o.Version, Instance: p.claim.instance,
		Plugins: offered(plugins, p.withheld), Withheld: p.withheld, Running: p.queue.running, Late: p.queue.late,
	}
}

// hear takes what is said in this node's name.
func (p *Prober) hear(pr events.Presence, giveUp context.CancelCauseFunc) {
	yield, err := p.claim.heard(pr, time.Now())
	if err != nil {
		p.rare.rival.Error().Err(err).Str("site", pr.Site).
			Msg("their votes hide each other's; give one of them another DMONITOR_NODE or, if it has credentials, credentials of another name")
	}
	if yield {
		giveUp(err)
	}
}
