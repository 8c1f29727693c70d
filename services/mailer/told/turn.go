package told

import (
	"maps"
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Order is what this mailer is to do about an undecided matter.
type Order struct {
	events.Uncommitted
	Claim      bool // say that this mailer is going to tell; else tell now
	Recipients []string
}

// Unread lists the events for which it matters what stands in the log before this mailer may tell of them, because people
// were told of something like it, sorted by what they are about. Read is to be called for each.
func (b *Book) Unread(now time.Time, who func(events.Uncommitted) []string) []events.Uncommitted {
	var out []events.Uncommitted
	for _, about := range slices.Sorted(maps.Keys(b.matters)) {
		if m := b.matters[about]; b.open(m, now) && b.unread(m, now, who(m.u)) {
			out = append(out, m.u)
		}
	}
	return out
}

// Read takes in what stands in the log about a matter. The zero Log says that it can't be read: then people are told
// rather than not.
func (b *Book) Read(about string, log Log, now time.Time) {
	if m := b.matters[about]; m != nil {
		m.log, m.read = log, now
	}
}

// open tells whether it is for this mailer to see who has to be told of a matter.
func (b *Book) open(m *matter, now time.Time) bool {
	return !m.busy && !m.over && now.Sub(m.heard) <= Fresh && !now.Before(m.next)
}

// unread tells whether the log decides over who has to be told, and wasn't read of late.
func (b *Book) unread(m *matter, now time.Time, recipients []string) bool {
	if !m.read.IsZero() && now.Sub(m.read) < ReadFor {
		return false
	}
	e := eventOf(m.u)
	return !grew(e.About) && slices.ContainsFunc(recipients, func(r string) bool {
		_, covered := b.Covered(e, r, Log{})
		return !covered && !m.refused[r] && slices.ContainsFunc(b.records[e.About], func(x events.Told) bool { return names(x, r) })
	})
}

// Next lists what this mailer is to do now, sorted by what it is about. who lists the recipients of a matter. For each
// order that isn't a claim Done has to be called. What is Unread waits.
func (b *Book) Next(now time.Time, who func(events.Uncommitted) []string) []Order {
	var out []Order
	for _, about := range slices.Sorted(maps.Keys(b.matters)) {
		m := b.matters[about]
		if !b.open(m, now) {
			continue
		}
		all := who(m.u)
		to := b.untold(m, all)
		if len(to) == 0 || b.unread(m, now, all) {
			continue
		}
		claim, ok := b.turn(m, now)
		if !ok {
			continue
		}
		if claim {
			m.claimed, m.next = now, now.Add(Settle)
		} else {
			m.busy = true
		}
		out = append(out, Order{Uncommitted: m.u, Claim: claim, Recipients: to})
	}
	return out
}

// untold leaves out who has been told, and whom the mail server won't take.
func (b *Book) untold(m *matter, recipients []string) []string {
	e := eventOf(m.u)
	return slices.DeleteFunc(slices.Clone(recipients), func(r string) bool {
		_, covered := b.Covered(e, r, m.log)
		return covered || m.refused[r]
	})
}

func eventOf(u events.Uncommitted) Event {
	if u.Trouble != nil {
		return Event{About: u.About(), ID: u.Trouble.ID, Decided: u.Trouble.Time}
	}
	return Event{About: u.About(), ID: u.Outage.ID, Decided: u.Outage.Time}
}

// turn decides whether it is this mailer's turn, and whether it has to claim first. Turns are counted from when the
// matter is due, and again from the end of each claim that has come to nothing.
func (b *Book) turn(m *matter, now time.Time) (claim, ok bool) {
	if !m.claimed.IsZero() && now.Sub(m.claimed) < ClaimFor {
		return false, true
	}
	if !m.claimed.IsZero() { // It has come to nothing: the others first.
		m.turn, m.claimed = later(m.turn, m.claimed.Add(ClaimFor)), time.Time{}
		m.tries++
	}
	for _, at := range m.claims {
		m.turn = later(m.turn, at.Add(ClaimFor))
	}
	rank, others := b.rank(now)
	return true, !now.Before(m.turn.Add(time.Duration(rank+min(m.tries, 2)*others) * Turn))
}

// rank is this mailer's place among the nodes that are present, by name, and how many there are. One whose node isn't
// among them comes last.
func (b *Book) rank(now time.Time) (rank, all int) {
	self := false
	for node, at := range b.present {
		if now.Sub(at) > events.PresenceTimeout {
			continue
		}
		all++
		if node < b.node {
			rank++
		}
		self = self || node == b.node
	}
	if !self {
		return all, all
	}
	return rank, all
}

// Mine lists, of matters that this mailer is telling of, those of which it may send a recipient a mail now. It is to be
// asked right before each mail, and again at its end: the claim may be another's by now, the recipient told, or the matter
// committed.
func (b *Book) Mine(about []string, recipient string, now time.Time) (mine []string) {
	for _, a := range about {
		m := b.matters[a]
		if m != nil && m.busy && !m.over && b.holds(m, now) && len(b.untold(m, []string{recipient})) > 0 {
			mine = append(mine, a)
		}
	}
	return mine
}

// holds tells whether this mailer may rely on its claim.
func (b *Book) holds(m *matter, now time.Time) bool {
	return !m.claimed.IsZero() && now.Sub(m.claimed) < ClaimFor-spare
}

// Renew tells whether this mailer is to claim again what it is telling of, as it takes long, and notes that it does. A claim
// lives on only while mails get through: else others may have better luck.
func (b *Book) Renew(about string, now time.Time) bool {
	m := b.matters[about]
	if m == nil || !m.busy || m.over || !b.holds(m, now) || !b.told.After(m.claimed) {
		return false
	}
	m.claimed = now
	return true
}

// Tries is how often this mailer has told of a matter.
func (b *Book) Tries(about string) int {
	if m := b.matters[about]; m != nil {
		return m.told
	}
	return 0
}

// Done notes how the telling of an order went: who was refused for good, and, if somebody is left, when it is tried
// again. Who was told has been noted by Told.
func (b *Book) Done(about string, refused []string, again time.Time) {
	m := b.matters[about]
	if m == nil {
		return
	}
	m.busy, m.next = false, again
	m.told++
	for _, r := range refused {
		m.refused[r] = true
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
