package sim

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// again is how long the queue leaves a message with a mailer that has gone silent.
const again = 20 * time.Second

const recipient = "ops@example.com"

// postOffice is the way from a committed event to the mail: the fan-out, the queue of notices and the mail server.
type postOffice struct {
	w       *World
	known   map[string]*events.Notice // that were ever put into the queue
	waiting map[string]*events.Notice // that are not acknowledged
	mails   map[string]int            // that the mail server took, by notice
	window  map[string]int            // of these, those that SMTP allows
	refusal float64                   // the mail server says 4xx

	mentions []mention       // mails about what was not committed
	covered  map[string]bool // notices that were not made, because it had been told so
}

// fanOut hands an event to one mailer until it is handled.
func (p *postOffice) fanOut(seq uint64) {
	w := p.w
	n := p.mailer()
	if n == nil {
		w.after(time.Second, func() { p.fanOut(seq) })
		return
	}
	life, o := n.life, w.log.taken[seq-1]
	tell := func() {
		if !w.log.serves(n) || n.life != life || w.chance(w.log.ackLoss/2) { // died, was cut off, or could not write
			w.after(again, func() { p.fanOut(seq) })
			return
		}
		id := events.NoticeID(o.Outage, o.Event, recipient)
		switch {
		case n.covered(o):
			p.leaveOut(id)
			return
		case n.books.book.Claimed(events.OutageSubject(o.Event, o.Check), n.clock()):
			w.after(time.Second, func() { p.fanOut(seq) })
			return
		}
		w.checkNews(n, o)
		p.put(events.Notice{ID: id, Recipient: recipient, Created: n.clock(), Outage: o})
		if w.chance(w.log.ackLoss) { // The notice is queued, and the event comes again all the same.
			w.after(again, func() { p.fanOut(seq) })
		}
	}
	w.after(w.upTo(50*time.Millisecond), func() {
		switch {
		case n.life != life || !n.works():
			w.after(again, func() { p.fanOut(seq) })
		case w.now.Sub(o.Time) > stale:
			n.askAround(tell)
			w.after(again, func() { // It may have died while it asked.
				if n.life != life {
					p.fanOut(seq)
				}
			})
		default:
			tell()
		}
	})
}

// leaveOut notes that people know already.
func (p *postOffice) leaveOut(id string) {
	if p.covered == nil {
		p.covered = map[string]bool{}
	}
	p.covered[id] = true
	p.w.Stats.Covered++
}

// put queues a notice, once per id.
func (p *postOffice) put(n events.Notice) {
	if p.known == nil {
		p.known, p.waiting = map[string]*events.Notice{}, map[string]*events.Notice{}
		p.mails, p.window = map[string]int{}, map[string]int{}
	}
	if p.known[n.ID] != nil {
		return
	}
	if _, err := events.Encode(&n); err != nil {
		p.w.wrong("a notice that can't be queued: %v", err)
		return
	}
	p.known[n.ID], p.waiting[n.ID] = &n, &n
	p.send(n.ID, 1)
}

// mailer draws one that can reach the queue.
func (p *postOffice) mailer() *node {
	var able []*node
	for _, n := range p.w.nodes {
		if p.w.log.serves(n) {
			able = append(able, n)
		}
	}
	if len(able) == 0 {
		return nil
	}
	return able[p.w.rng.IntN(len(able))]
}
