package plan

import (
	"cmp"
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Grid is the distance of due moments. It is a part of the shortest interval (events.MinInterval), so that two looks of
// one node at one check never fall on the same moment.
const Grid = 20 * time.Millisecond

// Plan says what is due when, for a fixed set of checks and nodes. It is immutable and may be used by several at once.
type Plan struct {
	checks []events.Definition // sorted by host and test
	nodes  []string            // sorted
	wheels []wheel
}

// wheel holds all looks with the same interval. Unrolled over and over again along the time since 1970 it gives their
// exact moments; nothing has to be moved or kept when one is past.
type wheel struct {
	interval int64  // nanoseconds
	looks    []look // sorted by offset
}

type look struct {
	offset int64 // nanoseconds, less than the interval
	check  int32 // index into Plan.checks
	node   int32 // index into Plan.nodes
}

// New makes the plan for these checks, each once, on the nodes that are present. A check is looked at by those of them
// that it allows (Definition.LooksFrom), whether or not they have its plugin: a node without it says so in its result.
func New(checks []events.Definition, present []string) *Plan {
	p := &Plan{checks: slices.Clone(checks), nodes: slices.Compact(slices.Sorted(slices.Values(present)))}
	slices.SortFunc(p.checks, func(a, b events.Definition) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Test, b.Test))
	})
	byInterval := map[int64][]look{}
	var able []int32
	for i := range p.checks {
		c := &p.checks[i]
		able = able[:0]
		for n, node := range p.nodes {
			if c.LooksFrom(node) {
				able = append(able, int32(n))
			}
		}
		interval := c.Interval.Duration()
		for share, n := range able {
			offset := Offset(c.Check, interval, share, len(able))
			byInterval[int64(interval)] = append(byInterval[int64(interval)], look{int64(offset), int32(i), n})
		}
	}
	for interval, looks := range byInterval {
		slices.SortFunc(looks, func(a, b look) int { return cmp.Compare(a.offset, b.offset) })
		p.wheels = append(p.wheels, wheel{interval, looks})
	}
	return p
}

// Of is the part of the plan that is one node's.
func (p *Plan) Of(node string) *Plan {
	own := &Plan{checks: p.checks, nodes: p.nodes}
	n, ok := slices.BinarySearch(p.nodes, node)
	if !ok {
		return own
	}
	for _, w := range p.wheels {
		var looks []look
		for _, l := range w.looks {
			if l.node == int32(n) {
				looks = append(looks, l)
			}
		}
		if len(looks) > 0 {
			own.wheels = append(own.wheels, wheel{w.interval, looks})
		}
	}
	return own
}

// Len is the number of looks per round of intervals: checks times the nodes that look at each.
func (p *Plan) Len() int {
	n := 0
	for _, w := range p.wheels {
		n += len(w.looks)
	}
	return n
}

// Next returns the first due moment after a moment; false if nothing is ever due.
func (p *Plan) Next(after time.Time) (time.Time, bool) {
	if len(p.wheels) == 0 {
		return time.Time{}, false
	}
	from := gridAfter(after)
	next := int64(1<<63 - 1)
	for _, w := range p.wheels {
		first, i := w.seek(from)
		next = min(next, first+w.looks[i].offset)
	}
	return moment(floor(next, int64(Grid))), true
}

// Take returns the jobs that are due after from and up to to, sorted by due moment, check and node. It costs as much as
// there are jobs in the window and, a little, distinct intervals in the plan.
func (p *Plan) Take(from, to time.Time) []events.Job {
	var found []hit
	start, end := gridAfter(from), gridAfter(to)
	for _, w := range p.wheels {
		for turn, i := w.seek(start); turn+w.looks[i].offset < end; {
			found = append(found, hit{floor(turn+w.looks[i].offset, int64(Grid)), w.looks[i]})
			if i++; i == len(w.looks) {
				turn, i = turn+w.interval, 0
			}
		}
	}
	slices.SortFunc(found, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.check, b.check), cmp.Compare(a.node, b.node))
	})
	jobs := make([]events.Job, len(found))
	for i, h := range found {
		jobs[i] = job(&p.checks[h.check], p.nodes[h.node], moment(h.due))
	}
	return jobs
}

// hit is a look that is due in a window.
type hit struct {
	due int64
	look
}

// seek returns the first look whose exact moment is at or after from: it is looks[i], in the turn of the wheel that
// starts at turn.
func (w *wheel) seek(from int64) (turn int64, i int) {
	turn = floor(from, w.interval)
	i, _ = slices.BinarySearchFunc(w.looks, from-turn, func(l look, at int64) int { return cmp.Compare(l.offset, at) })
	if i == len(w.looks) {
		return turn + w.interval, 0
	}
	return turn, i
}

func job(d *events.Definition, node string, due time.Time) events.Job {
	return events.Job{
		ID: events.JobID(d.Check, node, due), Node: node, Run: d.Run, Interval: d.Interval, Due: due,
	}
}

// gridAfter is the first moment of the grid after t. An exact moment at or after it is due after t, because what is due
// is rounded down to the grid.
func gridAfter(t time.Time) int64 { return floor(t.UnixNano(), int64(Grid)) + int64(Grid) }

// floor rounds n down to a multiple of unit, also below zero.
func floor(n, unit int64) int64 {
	m := n % unit
	if m < 0 {
		m += unit
	}
	return n - m
}

func moment(ns int64) time.Time { return time.Unix(0, ns).UTC() }
