package plan

import (
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Limits of an Own.
const (
	// Grace is how long a node waits for somebody else to order a look of its own that is due. A second is more than
	// what a busy machine and clocks that are kept by NTP make of a job's way (both are within Slack), so that in
	// ordinary times nothing is ordered twice; and it is little against the intervals people choose.
	Grace = Slack
	// madeUpFor is how much is made up for after this process was held up. Whoever is silent for longer is taken as
	// gone by all others, so that its looks move anyway.
	madeUpFor = events.PresenceTimeout
	// sameClock is how far apart two clocks may be for the due moment in a job to count. What comes from a clock that is
	// further off counts as due when it is heard.
	sameClock = 10 * time.Second
	// knownFor is how long a prober knows an id, and won't run it again.
	knownFor = 10 * time.Minute
	// apart is what two due moments of one look are closer by than their interval, at most, with the Grid's rounding
	// and as much again for clocks that are not read at the same instant.
	apart = 2 * Grid
)

// Own finds the jobs of one node that are due and that nobody orders: because who should is dead, frozen or cut off, or
// because there is nobody who may. It takes no other part in ordering, and it asks nobody.
//
// What holds, for every look of the node at a check:
//
//   - If nobody orders it, nor a later one, within Grace of its due moment, it is missing, once.
//   - A job that was heard before, whatever the clock of who ordered it says, is not missing. If that clock is behind by
//     more than Grace the job is missing first and comes again later, with the same id: the prober runs it once.
//   - Somebody who orders the look once per interval, but at moments of another plan (it knows of other nodes, say), orders
//     it: nothing is missing.
//   - The id of a missing job is the planned one, but where the prober knows that already and would not run it: because it
//     was ordered by a clock far ahead, or because this clock went back.
//   - A check that isn't looked at any more is not missing.
//
// Memory: a word per check of the node, and the jobs of the last second (after a pause of this process, of up to
// events.PresenceTimeout).
//
// Its methods take the moment twice: now is a reading of a monotonic clock, of which only differences count, wall one of
// the wall clock, which may jump.
type Own struct {
	node    string
	plan    *Plan // of that node only
	cursor  *Cursor
	looks   map[events.Check]*ordered
	waiting []overdue // by their due moment
}

// ordered is what is known of the orders for one look.
type ordered struct {
	def    *events.Definition
	offset int64
	last   time.Time // when the newest one by somebody else was due, by the monotonic clock; zero: none since it was planned
	high   time.Time // the latest due moment of an id that was ordered lately, by the clock of who ordered it
}

// overdue is a job that may be missing.
type overdue struct {
	events.Job
	at time.Time // when it is due, by the monotonic clock
}

// NewOwn starts at the moment wall: what was due before is nobody's business any more.
func NewOwn(node string, wall time.Time) *Own {
	return &Own{node: node, plan: New(nil, nil), cursor: &Cursor{late: madeUpFor, at: wall.Round(0)}}
}

// Use puts another plan in force. What was due before is due by the old one.
func (o *Own) Use(p *Plan, now, wall time.Time) {
	o.take(now, wall)
	o.waiting = slices.DeleteFunc(o.waiting, func(w overdue) bool { l := o.looks[w.Check]; return l == nil || l.covers(&w) })
	o.plan = p.Of(o.node)
	looks := make(map[events.Check]*ordered, o.plan.Len())
	for _, w := range o.plan.wheels {
		for _, l := range w.looks {
			def := &o.plan.checks[l.check]
			next := &ordered{def: def, offset: l.offset}
			if old := o.looks[def.Check]; old != nil {
				next.high = old.high
				if old.offset == l.offset && old.def.Interval == def.Interval {
					next.last = old.last // else the moments have moved, and it says nothing about the new ones
				}
			}
			looks[def.Check] = next
		}
	}
	o.looks = looks
}

// Heard takes in a job for the node, whoever published it.
func (o *Own) Heard(j events.Job, now, wall time.Time) {
	l := o.looks[j.Check]
	if l == nil || j.Node != o.node || l.known(j.Due) {
		return
	}
	l.rise(j.Due)
	early := j.Due.Sub(wall)
	if early.Abs() > sameClock {
		early = 0
	}
	l.last = now.Add(early)
}

// Missing returns the jobs that nobody has ordered Grace after they were due, and takes them as ordered. It wants to be
// called several times a second.
func (o *Own) Missing(now, wall time.Time) (jobs []events.Job) {
	o.take(now, wall)
	n := 0
	for ; n < len(o.waiting) && now.Sub(o.waiting[n].at) >= Grace; n++ {
		if j, missing := o.missing(&o.waiting[n]); missing {
			jobs = append(jobs, j)
		}
	}
	o.waiting = slices.Delete(o.waiting, 0, n)
	return jobs
}

// take puts in line what has become due.
func (o *Own) take(now, wall time.Time) {
	jobs, _ := o.cursor.Take(o.plan, wall)
	for _, j := range jobs {
		o.waiting = append(o.waiting, overdue{j, now.Add(j.Due.Sub(wall))})
	}
}

func (o *Own) missing(w *overdue) (j events.Job, missing bool) {
	l := o.looks[w.Check]
	if l == nil || l.covers(w) {
		return j, false
	}
	due := w.Due
	if l.known(due) {
		due = due.Add(time.Millisecond) // on the Grid still, and an id of its own
	}
	l.rise(due)
	return job(l.def, o.node, due), true
}

// covers tells whether a job need not be ordered: somebody else has done so, or has ordered the look less than an interval
// before, at a moment of another plan, or after it.
func (l *ordered) covers(w *overdue) bool {
	return w.at.Sub(l.last) <= l.def.Interval.Duration()-apart // with the zero time, it is the longest duration there is
}

// rise takes in an id. Where a clock was set right after it had been far ahead, the ids start again from there.
func (l *ordered) rise(due time.Time) {
	if due.After(l.high) || l.high.Sub(due) >= knownFor {
		l.high = due
	}
}

// known tells whether the prober knows the id with this due moment, as far as can be told from the latest one. Moments
// beside the Grid are those of a clock that went back (see Cursor): their ids are new.
func (l *ordered) known(due time.Time) bool {
	return !due.After(l.high) && l.high.Sub(due) < knownFor && due.UnixNano()%int64(Grid) == 0
}
