package round_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// world is a small universe for property tests: nodes that look at one check, arbiters that decide, one log that takes
// events by compare-and-swap, and messages on their way that get lost, doubled, late and out of order.
type world struct {
	t        *rapid.T
	now      time.Time
	looks    int // numbers results
	nodes    []*simNode
	arbiters []*simArbiter
	def      *events.Definition // nil: not configured
	log      []events.Outage    // sequence n is log[n-1]
}

type simNode struct {
	name, site string
	present    bool
	plugin     bool
	sees       events.Status
	asked      []*events.Confirmation // that it has not answered
	ran        map[string]bool        // confirmations it has run
	last       *events.Result
	lastAt     time.Time
}

type simArbiter struct {
	name      string
	state     *round.State
	inbox     []round.Input    // on their way to it
	proposals []round.Decision // on their way to the log
	checker   *checker
	said      *round.Remembered // the last that was uncommitted, as it lies on the disk
}

var theCheck = events.Check{Host: "www.example.com", Test: "ssh"}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, now: start}
	shared := rapid.Bool().Draw(t, "two nodes share a site")
	for i := range rapid.IntRange(1, 5).Draw(t, "nodes") {
		n := &simNode{name: fmt.Sprintf("n%d", i), site: fmt.Sprintf("n%d", i), present: true, plugin: true, sees: events.OK}
		if shared && i == 1 {
			n.site = "n0"
		}
		w.nodes = append(w.nodes, n)
	}
	w.def = w.definition(rapid.IntRange(1, 3).Draw(t, "agree"), nil)
	for i := range rapid.IntRange(1, 3).Draw(t, "arbiters") {
		a := &simArbiter{name: fmt.Sprintf("a%d", i)}
		w.arbiters = append(w.arbiters, a)
		w.boot(a)
	}
	return w
}

func (w *world) definition(agree int, nodes []string) *events.Definition {
	return &events.Definition{
		Run:      events.Run{Check: theCheck, Plugin: "ssh", Timeout: events.Millis(time.Second)},
		Interval: events.Millis(10 * time.Second), Agree: agree, Nodes: nodes,
	}
}

// boot starts an arbiter anew, in the order in which the shell reads things.
func (w *world) boot(a *simArbiter) {
	a.state, a.proposals, a.checker = round.New(a.name), nil, newChecker(w, a)
	w.reread(a)
	w.tellCatalog(a)
	for _, n := range w.nodes {
		if n.last != nil {
			w.apply(a, round.History{Result: n.last, Time: n.lastAt})
		}
		if n.present {
			w.apply(a, w.presence(n))
		}
	}
}

func (w *world) presence(n *simNode) round.NodePresent {
	p := &events.Presence{Node: n.name, Site: n.site}
	if n.plugin {
		p.Plugins = []string{"ssh"}
	}
	return round.NodePresent{Presence: p}
}

func (w *world) tellCatalog(a *simArbiter) {
	defs := map[events.Check]events.Definition{}
	if w.def != nil {
		defs[theCheck] = *w.def
	}
	w.apply(a, round.CatalogChanged{Checks: defs})
}

func (w *world) reread(a *simArbiter) {
	if n := len(w.log); n > 0 {
		w.apply(a, round.Committed{Outage: &w.log[n-1], Seq: uint64(n)})
	}
}

// apply gives an arbiter an input, has the checker look at what it decides, and puts the consequences on their way.
func (w *world) apply(a *simArbiter, in round.Input) {
	a.checker.before(in)
	out := round.Apply(a.state, in, w.now)
	a.checker.after(in, out)
	for _, d := range out {
		switch d.Kind {
		case round.Ask:
			for _, n := range w.nodes {
				if slices.Contains(d.Confirmation.Nodes, n.name) {
					n.asked = append(n.asked, d.Confirmation)
				}
			}
		case round.ProposeOpened, round.ProposeClosed:
			a.proposals = append(a.proposals, d)
		case round.Uncommitted:
			copied := *d.Outage
			a.said = &round.Remembered{Outage: &copied, Since: d.Since}
		}
	}
}

// look has a node run the check and publish what it found. copies tells how many of it each arbiter will get.
func (w *world) look(n *simNode, confirms string, copies func() int) {
	if !n.present {
		return
	}
	w.looks++
	r := &events.Result{
		ID: fmt.Sprintf("r%d", w.looks), Node: n.name, Site: n.site, Check: theCheck, Status: n.sees,
		Confirms: confirms, Started: w.now,
	}
	if confirms != "" {
		r.ID = events.ConfirmedID(confirms, n.name)
	}
	n.last, n.lastAt = r, w.now
	for _, a := range w.arbiters {
		for range copies() {
			a.inbox = append(a.inbox, round.Arrived{Result: r})
		}
	}
}

// answer has a node answer the confirmation it was asked first, once whoever asks.
func (w *world) answer(n *simNode, copies func() int) {
	c := n.asked[0]
	n.asked = n.asked[1:]
	if n.ran == nil {
		n.ran = map[string]bool{}
	}
	if !n.ran[c.ID] {
		n.ran[c.ID] = true
		w.look(n, c.ID, copies)
	}
}

// deliver hands an arbiter the i-th message that is on its way. Doubles that come later than a State promises to know
// them are left out: the bus makes none.
func (w *world) deliver(a *simArbiter, i int) {
	in := a.inbox[i]
	a.inbox = slices.Delete(a.inbox, i, i+1)
	if r, ok := in.(round.Arrived); ok && a.checker.tooOld(r.Result) {
		return
	}
	w.apply(a, in)
}

// write lets the log answer an arbiter's first proposal.
func (w *world) write(a *simArbiter, reach, reply bool, copies func() int) {
	d := a.proposals[0]
	a.proposals = a.proposals[1:]
	took := reach && d.Last == uint64(len(w.log))
	if took {
		w.log = append(w.log, *d.Outage)
		for _, b := range w.arbiters {
			for range copies() {
				b.inbox = append(b.inbox, round.Committed{Outage: d.Outage, Seq: uint64(len(w.log))})
			}
		}
	}
	if reach && reply {
		w.reread(a)
	}
	w.apply(a, round.ProposalFailed{Check: theCheck, ID: d.Outage.ID})
}

// advance lets time pass; every arbiter gets the ticks it wants.
func (w *world) advance(d time.Duration) {
	until := w.now.Add(d)
	for {
		next := until
		for _, a := range w.arbiters {
			if at, ok := round.Next(a.state); ok && at.Before(next) {
				next = at
			}
		}
		if next.After(w.now) {
			w.now = next
		}
		for _, a := range w.arbiters {
			w.apply(a, round.Tick{})
			if at, ok := round.Next(a.state); ok && !at.After(w.now) {
				w.t.Fatalf("%s: a tick asks for another one at once", a.name)
			}
		}
		if !next.Before(until) {
			return
		}
	}
}
