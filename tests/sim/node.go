package sim

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/mailer/batch"
	"github.com/dmonitor/dmonitor/services/scheduler/plan"
)

// node is one host that runs everything. What is not the decisions themselves stands here as it does in the services'
// shells, in short.
type node struct {
	w          *World
	name, site string
	skew       time.Duration // of its wall clock
	up, frozen bool
	life       int      // counts the starts: what belongs to an earlier one is lost
	waiting    []func() // what reaches a frozen node
	slowUntil  time.Time

	present plan.Present // of the scheduler
	plan    *plan.Plan
	cursor  *plan.Cursor
	own     *plan.Own

	ran map[string]bool // of the prober

	state  *round.State // of the arbiter
	door   round.Door
	now    time.Time
	seen   map[string]time.Time // when a node last said that it is there
	looked time.Time
	wake   time.Time

	books    bookKeeping // of the mailer
	gathered *batch.State[*held]
}

func newNode(w *World, name string) *node {
	n := &node{w: w, name: name, site: name}
	if w.chance(0.3) {
		n.skew = w.between(-5*time.Second, 5*time.Second)
	}
	return n
}

// works tells whether the node's processes run now.
func (n *node) works() bool { return n.up && !n.frozen }

// clock is the node's wall clock.
func (n *node) clock() time.Time { return n.w.now.Add(n.skew) }

// receive has the node do something now, or when it thaws, unless it is down.
func (n *node) receive(do func()) {
	switch {
	case !n.up:
	case n.frozen:
		n.waiting = append(n.waiting, do)
	default:
		do()
	}
}

// later has this life of the node do something.
func (n *node) later(d time.Duration, do func()) {
	life := n.life
	n.w.after(d, func() {
		if n.life == life {
			n.receive(do)
		}
	})
}

func (n *node) boot() {
	if n.up {
		return
	}
	n.w.tell("%s starts", n.name)
	n.up, n.frozen, n.waiting = true, false, nil
	n.life++
	n.present, n.ran = plan.Present{}, map[string]bool{}
	n.cursor, n.own = plan.NewCursor(n.clock()), plan.NewOwn(n.name, n.clock())
	n.replan()
	n.state, n.door, n.now, n.wake = round.New(n.name), round.NewDoor(n.w.now), time.Time{}, time.Time{}
	n.seen, n.looked = map[string]time.Time{}, time.Time{}
	n.apply(round.CatalogChanged{Checks: n.w.defs})
	n.reread()
	n.every(time.Second, n.sayPresence)
	n.every(time.Second, n.lookForSilence)
	n.every(250*time.Millisecond, n.schedule)
	n.every(30*time.Second, n.reread)
	n.openBook()
	n.recall()
	n.gathered = batch.New[*held]()
	n.every(500*time.Millisecond, func() { n.mail(n.gathered.Due(n.w.now)) })
}

// every repeats something for as long as the node lives.
func (n *node) every(d time.Duration, do func()) {
	n.later(d, func() { do(); n.every(d, do) })
}

func (n *node) crash() {
	if !n.up {
		return
	}
	n.up = false
	n.life++
	n.w.Stats.Crashes++
	n.w.tell("%s dies", n.name)
}

func (n *node) freeze() {
	if n.works() {
		n.frozen = true
		n.w.Stats.Freezes++
		n.w.tell("%s freezes", n.name)
	}
}

// thaw goes on where the node stood, with all that came meanwhile.
func (n *node) thaw() {
	if !n.up || !n.frozen {
		return
	}
	n.frozen = false
	waiting := n.waiting
	n.waiting = nil
	n.w.tell("%s thaws, with %d things waiting", n.name, len(waiting))
	for _, do := range waiting {
		n.receive(do)
	}
}

// sayPresence tells all that this node is there.
func (n *node) sayPresence() {
	p := events.Presence{Node: n.name, Site: n.site, Plugins: []string{"ssh"}}
	n.w.net.publish(n, func(to *node) { to.hearPresence(p) })
}

func (n *node) hearPresence(p events.Presence) {
	if n.present.Hear(p, n.w.now) {
		n.replan()
	}
	n.door.Votes(n.w.now, n.w.now)
	n.seen[p.Node] = n.w.now
	n.apply(round.NodePresent{Presence: &p})
}

// lookForSilence finds the nodes that are gone. After a pause of its own, silence proves nothing.
func (n *node) lookForSilence() {
	if n.present.Sweep(n.w.now) {
		n.replan()
	}
	paused := !n.looked.IsZero() && n.w.now.Sub(n.looked) > 2*time.Second
	n.looked = n.w.now
	if paused {
		return
	}
	for _, m := range n.w.nodes {
		at, ok := n.seen[m.name]
		if ok && n.w.now.Sub(at) > events.PresenceTimeout {
			delete(n.seen, m.name)
			n.apply(round.NodeGone{Node: m.name})
		}
	}
}

func (n *node) replan() {
	var defs []events.Definition
	for _, h := range n.w.hosts {
		defs = append(defs, n.w.defs[h.check])
	}
	n.plan = plan.New(defs, n.present.Nodes())
	n.own.Use(n.plan, n.w.now, n.clock())
}

// schedule publishes the jobs of all if this node holds the lease, which here is whoever leads the log, and its own ones
// that nobody else has published.
func (n *node) schedule() {
	if n.w.log.leader == n && n.w.log.serves(n) {
		jobs, _ := n.cursor.Take(n.plan, n.clock())
		for _, j := range jobs {
			n.w.net.publish(n, func(to *node) {
				if to.name == j.Node {
					to.own.Heard(j, to.w.now, to.clock())
					to.job(j)
				}
			})
		}
	} else {
		n.cursor = plan.NewCursor(n.clock())
	}
	for _, j := range n.own.Missing(n.w.now, n.clock()) {
		n.job(j)
	}
}

// job runs a job, once.
func (n *node) job(j events.Job) { n.run(j.ID, "", j.Check) }

func (n *node) run(id, confirms string, c events.Check) {
	if n.ran[id] {
		return
	}
	n.ran[id] = true
	took := n.w.between(5*time.Millisecond, 200*time.Millisecond)
	if n.w.now.Before(n.slowUntil) && n.w.chance(0.5) {
		took = timeout
	}
	n.later(took, func() {
		status := n.w.hostOf(c).looks(n.w, n.name)
		if took == timeout {
			status = events.Timeout
		}
		n.w.Stats.Runs++
		n.w.runs[id] = run{n.name, c, status, n.w.now}
		n.w.saw[seen{n.name, c}] = append(n.w.saw[seen{n.name, c}], n.w.runs[id])
		r := events.Result{
			ID: id, Confirms: confirms, Node: n.name, Site: n.site, Check: c, Status: status, Started: n.clock(), Elapsed: events.Millis(took),
		}
		n.w.net.publish(n, func(to *node) { to.hearResult(r) })
	})
}

func (w *World) hostOf(c events.Check) *host {
	for _, h := range w.hosts {
		if h.check == c {
			return h
		}
	}
	return nil
}

func (n *node) hearResult(r events.Result) {
	if vote, at := n.door.Votes(n.w.now, n.w.now); vote {
		n.apply(round.Arrived{Result: &r})
	} else {
		n.apply(round.History{Result: &r, Time: at})
	}
}

func (n *node) hearCommitted(o events.Outage, seq uint64) {
	n.door.Votes(n.w.now, n.w.now)
	n.apply(round.Committed{Outage: &o, Seq: seq})
}

// reread reads the last event of every check, if the log can be read.
func (n *node) reread() {
	if !n.works() || !n.w.log.serves(n) {
		return
	}
	for _, h := range n.w.hosts {
		if o := n.w.log.of(h.check); o != nil {
			n.apply(round.Committed{Outage: o, Seq: n.w.log.last[h.check]})
		}
	}
}

// apply moves the arbiter's state and carries out what it decides.
func (n *node) apply(in round.Input) {
	if n.w.now.After(n.now) {
		n.now = n.w.now
	}
	for _, d := range round.Apply(n.state, in, n.now) {
		if d.Kind == round.Adopted {
			delete(n.books.said, d.Check)
		}
		n.do(d)
	}
	if at, ok := round.Next(n.state); ok && (n.wake.IsZero() || at.Before(n.wake) || !n.wake.After(n.now)) {
		n.wake = at
		n.later(max(0, at.Sub(n.w.now)), func() { n.apply(round.Tick{}) })
	}
}

func (n *node) do(d round.Decision) {
	switch d.Kind {
	case round.Ask:
		conf := *d.Confirmation
		n.w.net.publish(n, func(to *node) {
			for _, name := range conf.Nodes {
				if name == to.name {
					to.run(events.ConfirmedID(conf.ID, to.name), conf.ID, conf.Check)
				}
			}
		})
	case round.ProposeOpened, round.ProposeClosed:
		o, life := *d.Outage, n.life
		o.Votes = append([]events.NodeVote(nil), o.Votes...)
		n.w.log.propose(n, o, d.Last, func(got outcome, seq uint64) {
			if n.life == life {
				n.receive(func() { n.proposed(d, got, seq) })
			}
		})
	case round.Uncommitted:
		o := *d.Outage
		o.Votes = append([]events.NodeVote(nil), o.Votes...)
		n.sayUncommitted(o, d.Since)
	case round.Dismissed:
		n.w.Stats.Dismissed++
	}
}

// proposed tells the arbiter what became of its proposal: the log is read before it is tried again.
func (n *node) proposed(d round.Decision, got outcome, seq uint64) {
	if got == committed {
		n.apply(round.Committed{Outage: d.Outage, Seq: seq})
		return
	}
	if n.w.log.serves(n) {
		if o := n.w.log.of(d.Check); o != nil {
			n.apply(round.Committed{Outage: o, Seq: n.w.log.last[d.Check]})
		}
	}
	n.apply(round.ProposalFailed{Check: d.Check, ID: d.Outage.ID})
}
