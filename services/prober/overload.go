package prober

import (
	"fmt"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Dropped is how the output of a result begins whose check was not run, because the node has more to do than it can run.
const Dropped = "dropped: this node has more to do than it can run"

// expire drops what waited too long for a slot.
func (p *Prober) expire(now time.Time) {
	p.mu.Lock()
	dropped := p.queue.expire(now)
	p.mu.Unlock()
	p.abstain(dropped)
}

// abstain answers for orders that waited too long.
func (p *Prober) abstain(dropped []order) {
	for _, o := range dropped {
		p.dropped(o, "waited "+time.Since(o.arrived).Round(100*time.Millisecond).String())
	}
}

// dropped answers for an order that is not run, and logs that now and then. The answer is that this node can't tell: an
// arbiter that waits for it waits no longer, and a check that too few nodes get round to is blind, which people are told.
//
// An overload doesn't become a flood by this. An order is answered once, run or not; so the bus carries no more than it
// would if the node kept up.
func (p *Prober) dropped(o order, why string) {
	p.mu.Lock()
	late, waiting, running := p.queue.late, p.queue.waiting(), p.queue.running
	p.mu.Unlock()
	p.rare.late.Warn().Str("check", o.Check.String()).Uint64("late", late).Int("waiting", waiting).Int("running", running).
		Msgf("this node has more to do than it can run, so runs are dropped (the last one: %s); a higher DMONITOR_CONCURRENCY, "+
			"longer intervals or fewer checks help", why)
	p.publish(p.unable(o, fmt.Sprintf("%s (%s)", Dropped, why)))
}

// unable is the answer to an order that is not run.
func (p *Prober) unable(o order, why string) events.Result {
	return events.Result{
		ID: o.id, Confirms: o.confirms, Node: p.o.Node, Site: p.o.Site, Check: o.Check,
		Status: events.Unknown, Output: why, Due: o.due, Started: time.Now().UTC(),
	}
}

// stallSlack is how much later than at the timeout the end of a run may be noticed. The kernel wakes whoever waits for it
// at the timeout, within milliseconds unless the machine is in trouble.
const stallSlack = time.Second

// stoodStill says why a run means nothing that ended, or was given up, long after its timeout; empty if it didn't. Then not
// the plugin was slow but this node: it was suspended, frozen, or hopelessly busy. What it saw may be from long ago, and
// that the plugin was not done in time is not the host's fault.
func stoodStill(elapsed, timeout time.Duration) string {
	if elapsed <= timeout+stallSlack {
		return ""
	}
	return fmt.Sprintf("this node stood still meanwhile (%v for a timeout of %v), so it can't tell",
		elapsed.Round(100*time.Millisecond), timeout)
}
