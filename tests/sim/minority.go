package sim

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/mailer/told"
)

// What is told without a majority. The books are the mailers' own; the way between them is the network's.

// stale is how old an event must be for the mailers to be asked whether it has been told; askFor is how long the answers
// are waited for.
const (
	stale  = 20 * time.Second
	askFor = time.Second
)

// mention is one mail that told of something uncommitted.
type mention struct {
	by   *node
	told events.Told
}

// bookKeeping is a node's part in telling what can't be committed: its book is in memory, its journal on disk, and so is what
// its arbiter has said and not seen committed.
type bookKeeping struct {
	book    *told.Book
	journal []events.Told
	said    map[events.Check]events.Uncommitted
}

// recall hands the arbiter what it had said before it was restarted, once the log has been read.
func (n *node) recall() {
	if !n.w.log.serves(n) {
		n.later(time.Second, n.recall)
		return
	}
	n.reread()
	for _, h := range n.w.hosts {
		if u, ok := n.books.said[h.check]; ok {
			n.apply(round.Remembered{Outage: u.Outage, Since: u.Since})
		}
	}
}

func (n *node) openBook() {
	n.books.book = told.New(n.name)
	for _, t := range n.books.journal {
		n.books.book.Told(t, n.clock())
	}
	n.every(500*time.Millisecond, n.tellUncommitted)
}

func (n *node) sayUncommitted(o events.Outage, since time.Time) {
	u := events.Uncommitted{By: n.name, Since: since, Outage: &o}
	if n.books.said == nil {
		n.books.said = map[events.Check]events.Uncommitted{}
	}
	n.books.said[o.Check] = u
	n.w.Stats.Uncommitted++
	n.w.net.publish(n, func(to *node) { to.books.book.Uncommitted(u, to.clock()) })
}

func (n *node) say(t events.Told) {
	n.w.net.publish(n, func(to *node) { to.hearTold(t) })
}

func (n *node) hearTold(t events.Told) {
	if (t.By != n.name || t.Claim) && n.books.book.Told(t, n.clock()) {
		n.books.journal = append(n.books.journal, t)
	}
}

// tellUncommitted does what the book says is to be done now.
func (n *node) tellUncommitted() {
	w := n.w
	who := func(events.Uncommitted) []string { return []string{recipient} }
	for _, u := range n.books.book.Unread(n.clock(), who) {
		var log told.Log
		if w.log.serves(n) {
			log = w.log.history(u.Outage.Check)
		}
		n.books.book.Read(u.About(), log, n.clock())
	}
	for _, o := range n.books.book.Next(n.clock(), who) {
		t := events.Told{
			By: n.name, About: o.About(), Event: o.Outage.ID, Claim: o.Claim, Recipients: o.Recipients, Decided: o.Outage.Time, Time: n.clock(),
		}
		if o.Claim {
			n.say(t)
			continue
		}
		if n.books.knows(t) {
			w.wrong("%s tells of %s again, and knows that it was told", n.name, t.About)
		}
		n.later(w.upTo(100*time.Millisecond), func() {
			if !w.chance(w.post.refusal) {
				w.post.mention(n, t)
				n.books.book.Told(t, n.clock())
				n.books.journal = append(n.books.journal, t)
				n.say(t)
			}
			n.books.book.Done(o.About(), nil, n.clock().Add(5*time.Second))
		})
	}
}

// mention notes a mail about something uncommitted.
func (p *postOffice) mention(n *node, t events.Told) {
	w := p.w
	w.Stats.Mentions++
	w.tell("mail by %s, without a majority: %s", n.name, t.About)
	p.mentions = append(p.mentions, mention{n, t})
}

// knows tells whether the node's journal has that this was told.
func (b *bookKeeping) knows(t events.Told) bool {
	for _, r := range b.journal {
		if r.Event == t.Event {
			return true
		}
	}
	return false
}

// askAround has all mailers answer what they have told, and goes on when that may have come.
func (n *node) askAround(then func()) {
	n.w.net.publish(n, func(to *node) {
		for _, r := range to.books.book.Records() {
			r.By = to.name
			to.w.net.publish(to, func(back *node) { back.hearTold(r) })
		}
	})
	n.later(askFor, then)
}

// covered tells whether the recipient was told of a committed event while it could not be committed, as far as this node
// knows.
func (n *node) covered(o events.Outage) bool {
	e := told.Event{About: events.OutageSubject(o.Event, o.Check), ID: o.ID, Decided: o.Time}
	n.books.book.Committed(e.About, n.clock())
	_, ok := n.books.book.Covered(e, recipient, n.w.log.history(o.Check))
	return ok
}

// history is what stands in the log about a check.
func (l *outageLog) history(c events.Check) told.Log {
	h := told.Log{Known: true}
	for i, o := range l.taken {
		if o.Check == c {
			h.Events = append(h.Events, told.Logged{About: events.OutageSubject(o.Event, c), ID: o.ID, Seq: uint64(i) + 1, Decided: o.Time})
		}
	}
	return h
}
