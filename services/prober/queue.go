package prober

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// order is one run that somebody has asked for.
type order struct {
	events.Run
	id       string        // of the result it will have
	confirms string        // the confirmation it answers, empty for a job
	due      time.Time     // of the job
	arrived  time.Time     // by this process's monotonic clock
	patience time.Duration // how long it may wait before its answer is worthless
}

// size is how much memory the order holds, near enough: its texts.
func (o *order) size() int {
	n := len(o.Host) + len(o.Test) + len(o.Plugin) + len(o.id) + len(o.confirms)
	for _, a := range o.Args {
		n += len(a)
	}
	return n
}

// late tells whether the order's answer is worthless by now.
func (o *order) late(now time.Time) bool { return now.Sub(o.arrived) > o.patience }

// queue decides what runs next. It is a plain value without a clock or a lock: the shell around it has both.
//
// Confirmations go first, and a few slots are theirs alone: somebody waits for them to decide whether there is an
// outage. Within each kind the first that came goes first. An id is taken once. A confirmation is also the look that
// jobs of the same check are still waiting for; they go without a word, because a job that was dropped in the midst of
// a round would take back what the confirmation has just said. What has lost its patience is dropped and counted.
type queue struct {
	slots         int // runs at once
	reserve       int // further ones, for confirmations only
	most          int // orders of each kind that may wait
	mostBytes     int // and what they may hold in all; an order's arguments can be long
	running       int
	late          uint64 // orders dropped: waited too long, or no room to wait
	confirmations line
	jobs          line
	known         memory
}

// taken is what becomes of an order.
type taken int

const (
	accepted taken = iota
	double         // its id was taken before
	full           // too many are waiting; it is dropped and counted
)

// add takes an order, or says why not.
func (q *queue) add(o order) taken {
	if q.known.has(o.id) {
		return double
	}
	q.known.add(o.id, o.arrived)
	line := &q.jobs
	if o.confirms != "" {
		line = &q.confirmations
	}
	if line.len() >= q.most || line.bytes+o.size() > q.mostBytes {
		q.late++
		return full
	}
	if o.confirms != "" {
		q.jobs.remove(func(j *order) bool { return j.Check == o.Check })
	}
	line.push(o)
	return accepted
}

// waiting is how many orders wait for a slot.
func (q *queue) waiting() int { return q.confirmations.len() + q.jobs.len() }

// expire takes out what has lost its patience, whether or not there is a slot for it: somebody may be waiting to hear
// that it is not run.
func (q *queue) expire(now time.Time) []order {
	late := func(o *order) bool { return o.late(now) }
	dropped := append(q.confirmations.remove(late), q.jobs.remove(late)...)
	q.late += uint64(len(dropped))
	return dropped
}

// next takes out the order that runs now, if there is one and a slot for it. The caller says done when it has run.
// Dropped lists the orders that lost their patience.
func (q *queue) next(now time.Time) (o order, ok bool, dropped []order) {
	for _, line := range []struct {
		*line
		room int
	}{{&q.confirmations, q.slots + q.reserve}, {&q.jobs, q.slots}} {
		for line.len() > 0 && q.running < line.room {
			o := line.pop()
			if !o.late(now) {
				q.running++
				return o, true, dropped
			}
			q.late++
			dropped = append(dropped, o)
		}
	}
	return order{}, false, dropped
}

// done frees the slot of a run that has ended.
func (q *queue) done() { q.running-- }

// line is a first-in, first-out list that reuses its memory.
type line struct {
	orders []order
	head   int
	bytes  int // the sizes of the orders
}

func (l *line) len() int { return len(l.orders) - l.head }

func (l *line) push(o order) {
	if l.head > 0 && len(l.orders) == cap(l.orders) { // move up instead of growing
		n := copy(l.orders, l.orders[l.head:])
		clear(l.orders[n:])
		l.orders, l.head = l.orders[:n], 0
	}
	l.orders = append(l.orders, o)
	l.bytes += o.size()
}

// remove takes out the orders of which something holds. The others keep their turn.
func (l *line) remove(holds func(*order) bool) (removed []order) {
	kept := l.head
	for i := l.head; i < len(l.orders); i++ {
		if holds(&l.orders[i]) {
			removed = append(removed, l.orders[i])
			l.bytes -= l.orders[i].size()
			continue
		}
		l.orders[kept] = l.orders[i]
		kept++
	}
	clear(l.orders[kept:])
	if l.orders = l.orders[:kept]; kept == l.head {
		l.orders, l.head = l.orders[:0], 0
	}
	return removed
}

func (l *line) pop() order {
	o := l.orders[l.head]
	l.orders[l.head] = order{}
	l.bytes -= o.size()
	if l.head++; l.head == len(l.orders) {
		l.orders, l.head = l.orders[:0], 0
	}
	return o
}
