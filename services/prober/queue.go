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

// queue decides what runs next. It is a plain value without a clock or a lock: the shell around it has both.
//
// Confirmations go first, and a few slots are theirs alone: somebody waits for them to decide whether there is an
// outage. Within each kind the first that came goes first. An id is taken once. What has lost its patience is dropped
// when its turn comes, and counted.
type queue struct {
	slots         int // runs at once
	reserve       int // further ones, for confirmations only
	most          int // orders of each kind that may wait
	running       int
	late          uint64 // orders dropped: too old when their turn came, or no room to wait
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
	line := &q.jobs
	if o.confirms != "" {
		line = &q.confirmations
	}
	if line.len() >= q.most {
		q.late++
		return full
	}
	q.known.add(o.id, o.arrived)
	line.push(o)
	return accepted
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
			if now.Sub(o.arrived) <= o.patience {
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
}

func (l *line) len() int { return len(l.orders) - l.head }

func (l *line) push(o order) {
	if l.head > 0 && len(l.orders) == cap(l.orders) { // move up instead of growing
		n := copy(l.orders, l.orders[l.head:])
		clear(l.orders[n:])
		l.orders, l.head = l.orders[:n], 0
	}
	l.orders = append(l.orders, o)
}

func (l *line) pop() order {
	o := l.orders[l.head]
	l.orders[l.head] = order{}
	if l.head++; l.head == len(l.orders) {
		l.orders, l.head = l.orders[:0], 0
	}
	return o
}
