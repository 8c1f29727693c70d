package sim

import (
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/services/mailer/batch"
	"github.com/dmonitor/dmonitor/services/mailer/letter"
)

// keep is how often a mailer says that a notice is still in its hands.
const keep = 4 * time.Second

// held is a notice in a mailer's hands.
type held struct {
	id      string
	attempt int
	by      *node
	life    int
	kept    time.Time // when the mailer last said so
	over    bool      // it has left the mailer's hands
}

// send hands a notice to one mailer. If that one falls silent another gets it.
func (p *postOffice) send(id string, attempt int) {
	if p.waiting[id] == nil {
		return
	}
	m := p.mailer()
	if m == nil {
		p.w.after(time.Second, func() { p.send(id, attempt) })
		return
	}
	h := &held{id: id, attempt: attempt, by: m, life: m.life, kept: p.w.now}
	p.watch(h)
	m.later(p.w.upTo(20*time.Millisecond), func() { m.mail(m.gathered.Add(recipient, h, p.w.now)) })
}

// watch is the queue's patience with the one who has a notice.
func (p *postOffice) watch(h *held) {
	p.w.after(keep, func() {
		switch {
		case h.over || p.waiting[h.id] == nil:
			return
		case h.by.life == h.life && p.w.log.serves(h.by):
			h.kept = p.w.now
		case p.w.now.Sub(h.kept) >= again:
			h.over = true
			p.send(h.id, h.attempt+1)
			return
		}
		p.watch(h)
	})
}

// mail hands groups of notices to the mail server. A mailer that stood still for too long holds them no more.
func (n *node) mail(groups []batch.Group[*held]) {
	for _, g := range groups {
		n.later(n.w.upTo(100*time.Millisecond), func() {
			var items []letter.Item
			var mine []*held
			for _, h := range g.Notices {
				if n.w.now.Sub(h.kept) < again {
					mine = append(mine, h)
					items = append(items, letter.Item{Notice: *n.w.post.known[h.id], Attempt: h.attempt})
				}
			}
			if len(mine) > 0 {
				n.w.post.smtp(n, mine, items)
			}
		})
	}
}

// smtp is the mail server, and what the mailer does with its answer.
func (p *postOffice) smtp(m *node, mine []*held, items []letter.Item) {
	w := p.w
	if w.chance(p.refusal) {
		for _, h := range mine {
			h.over = true
			w.after(w.between(5*time.Second, 20*time.Second), func() { p.send(h.id, h.attempt+1) })
		}
		return
	}
	w.Stats.Mails++
	for _, item := range items {
		p.mails[item.Notice.ID]++
		w.tell("mail %d by %s: %s of %s", w.Stats.Mails, m.name, item.Notice.Outage.Event, item.Notice.Outage.Check)
		w.checkMail(item.Notice)
	}
	if len(items) > 1 {
		w.Stats.Groups++
		w.checkGroup(items)
	}
	if !w.calm && w.chance(0.01) { // The instant between the 250 and the acknowledgement.
		m.crash()
		w.after(w.between(time.Second, time.Minute), m.boot)
	}
	for _, h := range mine {
		w.after(w.upTo(2*time.Millisecond), func() {
			h.over = true
			if m.life == h.life && w.log.serves(m) {
				delete(p.waiting, h.id)
				return
			}
			p.window[h.id]++
			w.Stats.Window++
			w.after(again, func() { p.send(h.id, h.attempt+1) })
		})
	}
}

// checkGroup makes sure that a mail of many outages names each.
func (w *World) checkGroup(items []letter.Item) {
	l := letter.WriteGroup(items, letter.Options{From: "dmonitor@example.com", Now: w.now})
	for _, item := range items {
		if !strings.Contains(l.Text, item.Notice.Outage.Check.String()) {
			w.wrong("a mail of %d outages doesn't name %s", len(items), item.Notice.Outage.Check)
		}
	}
}
