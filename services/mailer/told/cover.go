package told

import (
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// SameFor is how far apart two decisions about the same may be to be taken for one, if neither of them nor an end between
// them is in the log: arbiters on two sides decide the same within minutes. Beyond it people are told: a double is the
// lesser evil.
const SameFor = time.Hour

// Event is an event for which it is asked who has been told of it.
type Event struct {
	About   string
	ID      string
	Decided time.Time
}

// Logged is an event that stands in the log.
type Logged struct {
	About   string
	ID      string
	Seq     uint64 // orders the events of one check or trouble, whatever the clocks of those who decided them say
	Decided time.Time
}

// Log is what stands in the log about a check or a trouble from Book.Since on. Its zero value says that it isn't known.
type Log struct {
	Known  bool
	Events []Logged
}

// seq finds an event's place; 0: it isn't in the log.
func (l Log) seq(id string) uint64 {
	for _, x := range l.Events {
		if x.ID == id {
			return x.Seq
		}
	}
	return 0
}

// Since is the earliest moment from which on Covered has to know the log; ok is false if nobody was told of anything like
// this.
func (b *Book) Since(e Event) (since time.Time, ok bool) {
	for _, r := range b.records[e.About] {
		if !ok || r.Decided.Before(since) {
			since, ok = r.Decided, true
		}
	}
	return since, ok
}

// Covered returns by whom a recipient was told of an event without a majority. While the log isn't known, only who was told
// of this very event was told.
func (b *Book) Covered(e Event, recipient string, log Log) (events.Told, bool) {
	for _, r := range b.records[e.About] {
		if names(r, recipient) && (r.Event == e.ID || b.same(e, r, recipient, log)) {
			return r, true
		}
	}
	return events.Told{}, false
}

// same tells whether a record of an event with another id tells of the same as e does: two arbiters decided it, and the
// opposite was not decided in between.
func (b *Book) same(e Event, r events.Told, recipient string, log Log) bool {
	if !log.Known || grew(e.About) {
		return false // Each growth says something new.
	}
	at, told := log.seq(e.ID), log.seq(r.Event)
	if at != 0 && told != 0 {
		return false // The log takes the same but once.
	}
	if told == 0 && e.Decided.Sub(r.Decided).Abs() > SameFor {
		return false
	}
	over := func(x Logged) bool {
		if x.About != Opposite(e.About) || at != 0 && x.Seq > at {
			return false // An event that isn't in the log comes after all that is.
		}
		if told != 0 {
			return x.Seq > told
		}
		return !x.Decided.Before(r.Decided)
	}
	between := func(o events.Told) bool {
		return log.seq(o.Event) == 0 && o.Decided.After(r.Decided) && o.Decided.Before(e.Decided) && names(o, recipient)
	}
	return !slices.ContainsFunc(log.Events, over) && !slices.ContainsFunc(b.records[Opposite(e.About)], between)
}

func names(r events.Told, recipient string) bool {
	return slices.ContainsFunc(r.Recipients, func(x string) bool { return strings.EqualFold(x, recipient) })
}

// grew tells whether this is about a trouble that grew.
func grew(about string) bool {
	e, _, err := events.ParseTroubleSubject(about)
	return err == nil && e == events.Grew
}

// Opposite is the subject of the event that undoes another: closed and opened, ended and began.
func Opposite(about string) string {
	if strings.HasPrefix(about, events.SubjectTroubles) {
		e, k, err := events.ParseTroubleSubject(about)
		switch {
		case err != nil:
			return ""
		case e == events.Ended:
			return events.TroubleSubject(events.Began, k)
		default:
			return events.TroubleSubject(events.Ended, k)
		}
	}
	e, c, err := events.ParseOutageSubject(about)
	switch {
	case err != nil:
		return ""
	case e == events.Closed:
		return events.OutageSubject(events.Opened, c)
	default:
		return events.OutageSubject(events.Closed, c)
	}
}
