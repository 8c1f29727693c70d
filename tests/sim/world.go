package sim

import (
	"bytes"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// Times of a story.
const (
	interval = 10 * time.Second
	timeout  = 2 * time.Second
	maxDelay = round.Grace      // of a message: what is out of order for longer is not told from what is new
	faulty   = 10 * time.Minute // for how long things go wrong
	quiet    = 4 * time.Minute  // and then don't
	calmFor  = 70 * time.Second // in which what was wrong has to be put right
)

// start is when every story begins.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// World is one story.
type World struct {
	rng   *rand.Rand
	now   time.Time
	queue agenda
	count uint64 // of things put on the agenda: orders those of one moment
	calm  bool   // the faults are over

	nodes []*node
	hosts []*host
	net   network
	log   outageLog
	post  postOffice
	defs  map[events.Check]events.Definition
	runs  map[string]run // by the id of the result
	saw   map[seen][]run // what each node saw, one after the other
	agree int

	trace    bytes.Buffer
	failures []string
	Stats    Stats
}

// Stats say what happened, so that a green run is seen to have been one.
type Stats struct {
	Opened, Closed, Dismissed, Mails, Window      int
	Crashes, Freezes, Cuts, Runs, Refused, Unsure int
	Uncommitted, Mentions, Covered, Groups        int
}

func (s *Stats) add(o Stats) {
	s.Opened, s.Closed, s.Dismissed = s.Opened+o.Opened, s.Closed+o.Closed, s.Dismissed+o.Dismissed
	s.Mails, s.Window, s.Crashes, s.Freezes = s.Mails+o.Mails, s.Window+o.Window, s.Crashes+o.Crashes, s.Freezes+o.Freezes
	s.Groups += o.Groups
	s.Uncommitted, s.Mentions, s.Covered = s.Uncommitted+o.Uncommitted, s.Mentions+o.Mentions, s.Covered+o.Covered
	s.Cuts, s.Runs, s.Refused, s.Unsure = s.Cuts+o.Cuts, s.Runs+o.Runs, s.Refused+o.Refused, s.Unsure+o.Unsure
}

// run is what one run of a plugin found, as the world knows it.
type run struct {
	node   string
	check  events.Check
	status events.Status
	at     time.Time
}

// seen is a node's view of a check.
type seen struct {
	node  string
	check events.Check
}

// New sets a story up.
func New(seed uint64) *World {
	w := &World{
		rng: rand.New(rand.NewPCG(seed, 0x646d6f6e69746f72)), now: start,
		defs: map[events.Check]events.Definition{}, runs: map[string]run{}, saw: map[seen][]run{}, agree: 2,
	}
	w.post.w, w.log.w, w.net.w = w, w, w
	members := 3 + w.rng.IntN(3)
	shared := w.chance(0.3)
	for i := range members {
		n := newNode(w, fmt.Sprintf("n%d", i))
		if shared && i == members-1 && members > 3 {
			n.site = w.nodes[0].site
		}
		w.nodes = append(w.nodes, n)
	}
	for i := range 1 + w.rng.IntN(4) {
		h := &host{check: events.Check{Host: fmt.Sprintf("host%d", i), Test: "ssh"}, blindFrom: map[string]time.Time{}, fooled: map[string]time.Time{}}
		w.hosts = append(w.hosts, h)
		w.defs[h.check] = events.Definition{
			Run:      events.Run{Check: h.check, Plugin: "ssh", Timeout: events.Millis(timeout)},
			Interval: events.Millis(interval), Agree: w.agree,
		}
	}
	return w
}

// Run plays the story and returns what went against the rules, nothing if all went well.
func (w *World) Run() []string {
	w.log.elect()
	for _, n := range w.nodes {
		w.after(w.upTo(3*time.Second), n.boot)
	}
	w.faults()
	w.at(start.Add(faulty), w.endFaults)
	end := start.Add(faulty + quiet)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) && len(w.failures) == 0 {
		next := heap.Pop(&w.queue).(entry)
		w.now = next.at
		next.do()
	}
	if len(w.failures) == 0 {
		w.verdict()
	}
	return w.failures
}

// Trace is what happened, a line each.
func (w *World) Trace() string { return w.trace.String() }

func (w *World) tell(format string, args ...any) {
	fmt.Fprintf(&w.trace, "%9.3f  ", w.now.Sub(start).Seconds())
	fmt.Fprintf(&w.trace, format, args...)
	w.trace.WriteByte('\n')
}

// wrong notes that a rule is broken. The story ends there.
func (w *World) wrong(format string, args ...any) {
	w.tell("WRONG: "+format, args...)
	w.failures = append(w.failures, fmt.Sprintf(format, args...))
}

func (w *World) chance(p float64) bool { return w.rng.Float64() < p }

// upTo draws a duration of at most d.
func (w *World) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d) + 1)) }

func (w *World) between(a, b time.Duration) time.Duration { return a + w.upTo(b-a) }

func (w *World) at(t time.Time, do func()) {
	w.count++
	heap.Push(&w.queue, entry{t, w.count, do})
}

func (w *World) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

// entry is something that happens at a moment.
type entry struct {
	at    time.Time
	order uint64
	do    func()
}

type agenda []entry

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].order < a[j].order
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(entry)) }
func (a *agenda) Pop() any {
	last := len(*a) - 1
	e := (*a)[last]
	(*a)[last] = entry{}
	*a = (*a)[:last]
	return e
}
