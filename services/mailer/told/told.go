// Package told decides who tells people of what can't be committed, and remembers who was told. It is pure: what is
// heard and the moment go in, and what this mailer is to do comes out.
//
// What holds, among mailers that hear each other:
//
//   - One of them tells. It says so first (a claim), and again while it goes on; the others wait, each for its turn, and
//     take over a claim that has come to nothing after ClaimFor. Some seconds before, its owner stops relying on it.
//   - Who was told of something by anybody is not told of it again, whoever tells and whatever id the event then has,
//     until the opposite was decided: after "opened" was told, the next "opened" is told only if a "closed" lies between,
//     in the log or among what was told. The log's order counts, not the clocks of those who decided. What never came into
//     the log stands for an hour (SameFor); and where the log can't be read, people are told rather than not.
//
// Mailers on two sides of a cut don't hear each other: then people may be told twice.
package told

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Durations and bounds.
const (
	Turn     = 5 * time.Second  // for so long each mailer in turn is waited for
	ClaimFor = time.Minute      // for so long others trust a claim
	spare    = 10 * time.Second // before that is over, it isn't relied on any more: a mail takes a moment
	Settle   = time.Second      // between a claim and the first mail: time to hear of another's
	Fresh    = 20 * time.Second // an arbiter repeats every 5 s what it can't commit; after so much silence it is settled

	ReadFor = 10 * time.Second // for so long it is trusted what stood in the log

	Telling  = 20 * time.Second // so long a fan-out waits for who has claimed the same, rather than tell it twice
	keepDone = time.Hour        // for so long it is remembered that something was committed after all

	KeepFor    = 30 * 24 * time.Hour // for so long it is remembered who was told
	maxAhead   = 10 * time.Minute    // records from further in the future are no good
	maxRecords = 5000
	maxMatters = 5000
	maxNodes   = 1000
)

// Book is what one mailer knows. It is not safe for concurrent use.
type Book struct {
	node    string
	present map[string]time.Time // when a node was heard of last
	matters map[string]*matter   // undecided ones, by what they are about
	settled map[string]settled   // what was committed
	records map[string][]events.Told
	count   int       // of records
	told    time.Time // when this mailer told anybody last
}

// matter is something that can't be committed.
type matter struct {
	u       events.Uncommitted
	heard   time.Time            // when it was heard of last
	said    time.Time            // when this very event was
	claims  map[string]time.Time // of other mailers: when they were heard of last
	claimed time.Time            // by this mailer; zero: not
	tries   int                  // claims of this mailer that came to nothing
	told    int                  // how often this mailer has told, as far as it could
	turn    time.Time            // since when turns are counted
	next    time.Time            // not before this is it tried again
	busy    bool                 // this mailer is telling
	over    bool                 // it was committed
	refused map[string]bool      // recipients whom the mail server won't ever take
	log     Log                  // what stands in the log about it
	read    time.Time            // when that was read; zero: never
}

// settled is a matter that was committed after all.
type settled struct {
	id string    // of the event as an arbiter said it
	at time.Time // by this mailer's clock
}

// New makes an empty book for the mailer on a node.
func New(node string) *Book {
	return &Book{
		node: node, present: map[string]time.Time{}, matters: map[string]*matter{},
		settled: map[string]settled{}, records: map[string][]events.Told{},
	}
}

// Present notes that a node is there, or leaves.
func (b *Book) Present(node string, leaving bool, now time.Time) {
	if leaving {
		delete(b.present, node)
	} else if _, ok := b.present[node]; ok || len(b.present) < maxNodes {
		b.present[node] = now
	}
}

// Uncommitted notes what an arbiter says it can't commit. Of two arbiters that say the same of a check the first is
// believed, as long as it says so: they are about to be told as one.
func (b *Book) Uncommitted(u events.Uncommitted, now time.Time) {
	about, id := u.About(), eventOf(u).ID
	if b.heardNot(about, id, u.Since, now) {
		return
	}
	m := b.matters[about]
	if m == nil {
		if len(b.matters) >= maxMatters {
			return
		}
		m = b.newMatter(u, now)
		b.matters[about] = m
	}
	// The same again, decided anew; or what was said before is said no more, for whatever reason.
	if said := eventOf(m.u).ID; m.over || id != said && now.Sub(m.said) > Fresh {
		busy := m.busy
		*m = *b.newMatter(u, now)
		m.busy = busy
	}
	m.heard = now
	if id == eventOf(m.u).ID {
		m.said = now
	}
}

func (b *Book) newMatter(u events.Uncommitted, now time.Time) *matter {
	return &matter{u: u, turn: due(u, now), said: now, claims: map[string]time.Time{}, refused: map[string]bool{}}
}

// heardNot tells whether the arbiter has merely not heard yet that its decision was committed. For a moment that goes for
// all that is said about the same; then for this very event only, unless a mailer says anew that it is as good as uncommitted:
// it dates that newer each time, so that it gets through even if its clock is behind.
func (b *Book) heardNot(about, id string, since, now time.Time) bool {
	s, ok := b.settled[about]
	return ok && (now.Sub(s.at) < Fresh || id == s.id && !since.After(s.at))
}

// due is when a decision has waited long enough. The arbiter's clock may be wrong, but not to the effect that people wait
// longer than if it had been decided just now. And who has just begun to listen doesn't know yet who is there.
func due(u events.Uncommitted, first time.Time) time.Time {
	at := later(u.Since.Add(events.UncommittedAfter), first.Add(2*events.PresenceInterval))
	if latest := first.Add(events.UncommittedAfter); at.After(latest) {
		return latest
	}
	return at
}

// Told notes what a mailer, perhaps this one, has told or claims. It returns whether that is news that must be kept.
func (b *Book) Told(t events.Told, now time.Time) (news bool) {
	if t.Claim {
		if m := b.matters[t.About]; m != nil && t.By != b.node {
			m.claims[t.By] = now
			if t.By < b.node { // Both claimed at the same moment, or one didn't hear the other.
				m.claimed = time.Time{}
			}
		}
		return false
	}
	if t.Decided.IsZero() {
		t.Decided = t.Time
	}
	if t.Time.After(now.Add(maxAhead)) || t.Decided.After(now.Add(maxAhead)) || now.Sub(t.Time) > KeepFor {
		return false
	}
	if t.By == b.node && t.Time.After(b.told) {
		b.told = t.Time
	}
	return b.keep(t)
}

// keep adds a record, or its recipients to the one that there is.
func (b *Book) keep(t events.Told) (news bool) {
	all := b.records[t.About]
	for i, r := range all {
		if r.Event != t.Event {
			continue
		}
		union := slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.Recipients, t.Recipients))))
		if len(union) == len(r.Recipients) || len(union) > events.MaxTold {
			return false
		}
		all[i].Recipients = union
		return true
	}
	b.records[t.About] = append(all, t)
	if b.count++; b.count > maxRecords {
		b.forgetOldest()
	}
	return true
}

func (b *Book) forgetOldest() {
	var oldest string
	at := -1
	for _, about := range slices.Sorted(maps.Keys(b.records)) {
		for i, r := range b.records[about] {
			if at < 0 || r.Time.Before(b.records[oldest][at].Time) {
				oldest, at = about, i
			}
		}
	}
	b.records[oldest] = slices.Delete(b.records[oldest], at, at+1)
	if len(b.records[oldest]) == 0 {
		delete(b.records, oldest)
	}
	b.count--
}

// Forget drops what is no longer of use. Call it now and then.
func (b *Book) Forget(now time.Time) {
	for about, all := range b.records {
		kept := slices.DeleteFunc(all, func(r events.Told) bool { return now.Sub(r.Time) > KeepFor })
		b.count -= len(all) - len(kept)
		if b.records[about] = kept; len(kept) == 0 {
			delete(b.records, about)
		}
	}
	for about, s := range b.settled {
		if now.Sub(s.at) > keepDone {
			delete(b.settled, about)
		}
	}
	for about, m := range b.matters {
		if now.Sub(m.heard) > ClaimFor && !m.busy {
			delete(b.matters, about)
		}
	}
}

// Records lists what is remembered, the newest first.
func (b *Book) Records() []events.Told {
	var all []events.Told
	for _, rs := range b.records {
		all = append(all, rs...)
	}
	slices.SortFunc(all, func(x, y events.Told) int {
		return cmp.Or(y.Time.Compare(x.Time), strings.Compare(x.About, y.About), strings.Compare(x.Event, y.Event))
	})
	return all
}

// Committed notes that something was committed after all: nobody need be told of it from here any more. What is being
// told goes on.
func (b *Book) Committed(about string, now time.Time) {
	m := b.matters[about]
	if m == nil {
		return
	}
	if _, known := b.settled[about]; known || len(b.settled) < maxMatters {
		b.settled[about] = settled{eventOf(m.u).ID, now}
	}
	m.over = true
}

// Claimed tells whether somebody is telling people of this right now, as far as is known.
func (b *Book) Claimed(about string, now time.Time) bool {
	m := b.matters[about]
	if m == nil {
		return false
	}
	for _, at := range m.claims {
		if now.Sub(at) < Telling {
			return true
		}
	}
	return m.busy
}
