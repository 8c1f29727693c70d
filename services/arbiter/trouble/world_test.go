package trouble_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

var start = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// failer is what a test and a property have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is a log that takes events by compare-and-swap, and arbiters that write to it.
type world struct {
	t        failer
	now      time.Time
	log      []events.Trouble // sequence n is log[n-1]
	arbiters []*arbiter
}

type arbiter struct {
	w         *world
	name      string
	state     *trouble.State
	said      []*events.Trouble // without a majority
	proposals []trouble.Decision
	adopted   int
}

func newWorld(t failer, arbiters int) *world {
	w := &world{t: t, now: start}
	for i := range arbiters {
		a := &arbiter{w: w, name: fmt.Sprintf("a%d", i)}
		w.arbiters = append(w.arbiters, a)
		a.boot()
	}
	return w
}

// boot starts an arbiter anew; it reads the log.
func (a *arbiter) boot() {
	a.state, a.proposals = trouble.New(a.name, trouble.DefaultRules()), nil
	a.give(trouble.Tick{})
	a.reread()
}

func (w *world) lastSeq(k events.TroubleKey) uint64 {
	for i, t := range slices.Backward(w.log) {
		if t.TroubleKey == k {
			return uint64(i + 1)
		}
	}
	return 0
}

func (a *arbiter) reread() {
	seen := map[events.TroubleKey]bool{}
	for i, t := range slices.Backward(a.w.log) {
		if !seen[t.TroubleKey] {
			seen[t.TroubleKey] = true
			a.give(trouble.Committed{Trouble: &a.w.log[i], Seq: uint64(i + 1)})
		}
	}
}

// give hands an input to the arbiter and takes note of what it decides.
func (a *arbiter) give(in trouble.Input) {
	for _, d := range trouble.Apply(a.state, in, a.w.now) {
		switch d.Kind {
		case trouble.Propose:
			copied := *d.Trouble
			if _, err := events.Encode(&copied); err != nil {
				a.w.t.Fatalf("%s: the event can't be sent: %v", a.name, err)
			}
			a.proposals = append(a.proposals, d)
		case trouble.Uncommitted:
			copied := *d.Trouble
			if _, err := events.Encode(&events.Uncommitted{By: a.name, Since: d.Since, Trouble: &copied}); err != nil {
				a.w.t.Fatalf("%s: the message can't be sent: %v", a.name, err)
			}
			a.said = append(a.said, d.Trouble)
		case trouble.Adopted:
			a.adopted++
		}
	}
}

// write lets the log answer the arbiter's first proposal.
func (a *arbiter) write(reach, reply bool) {
	d := a.proposals[0]
	a.proposals = a.proposals[1:]
	if reach && d.Last == a.w.lastSeq(d.Trouble.TroubleKey) {
		a.w.log = append(a.w.log, *d.Trouble)
	}
	if reach && reply {
		a.reread()
	}
	a.give(trouble.ProposalFailed{Key: d.Trouble.TroubleKey, ID: d.Trouble.ID})
}

// flow writes all proposals and tells everybody of what was committed.
func (w *world) flow() {
	for busy := true; busy; {
		busy = false
		for _, a := range w.arbiters {
			for len(a.proposals) > 0 {
				a.write(true, true)
				busy = true
			}
		}
		for _, a := range w.arbiters {
			a.reread()
		}
	}
}

// pass lets time pass, tick by tick; what is proposed is written at once. each is called once a second.
func (w *world) pass(d time.Duration, each ...func()) {
	until := w.now.Add(d)
	for {
		for _, f := range each {
			f()
		}
		w.flow()
		next := until
		if s := w.now.Add(time.Second); len(each) > 0 && s.Before(next) {
			next = s
		}
		for _, a := range w.arbiters {
			if at, ok := trouble.Next(a.state); ok && at.Before(next) {
				next = at
			}
		}
		if next.After(w.now) {
			w.now = next
		}
		for _, a := range w.arbiters {
			a.give(trouble.Tick{})
			if at, ok := trouble.Next(a.state); ok && !at.After(w.now) {
				w.t.Fatalf("%s: a tick asks for another one at once", a.name)
			}
		}
		w.flow()
		if !w.now.Before(until) {
			return
		}
	}
}

// all gives an input to every arbiter.
func (w *world) all(in trouble.Input) {
	for _, a := range w.arbiters {
		a.give(in)
	}
}

func blind(host string) trouble.Blind {
	return trouble.Blind{Check: events.BlindCheck{
		Check: events.Check{Host: host, Test: "ssh"}, Able: 1, Agree: 2, Reason: "only fra is able to look; 2 sites have to agree",
	}}
}

func sighted(host string) trouble.Sighted {
	return trouble.Sighted{Check: events.Check{Host: host, Test: "ssh"}}
}

// story writes the log as lines: "began blind 2", "ended node fra".
func (w *world) story() []string {
	var lines []string
	for _, t := range w.log {
		line := fmt.Sprintf("%s %s", t.Event, t.TroubleKey)
		if t.Total > 0 {
			line += fmt.Sprintf(" %d", t.Total)
		}
		lines = append(lines, line)
	}
	return lines
}

func (w *world) mustSay(lines ...string) {
	w.t.Helper()
	if got := w.story(); !slices.Equal(got, lines) {
		w.t.Fatalf("after %v the log says %q, want %q", w.now.Sub(start), got, lines)
	}
}

// checkLog: of each key beginnings and ends alternate, and what is between belongs to them.
func (w *world) checkLog() {
	w.t.Helper()
	last := map[events.TroubleKey]events.Trouble{}
	for i, t := range w.log {
		before, some := last[t.TroubleKey]
		open := some && before.Event != events.Ended
		if (t.Event == events.Began) == open {
			w.t.Fatalf("event %d: %s %s after %s", i+1, t.TroubleKey, t.Event, before.Event)
		}
		if open && (t.Trouble != before.Trouble || t.Step != before.Step+1 || !t.Began.Equal(before.Began)) {
			w.t.Fatalf("event %d: %+v does not follow %+v", i+1, t, before)
		}
		last[t.TroubleKey] = t
	}
}

func (a *arbiter) open() []string {
	var keys []string
	for _, t := range trouble.Open(a.state) {
		keys = append(keys, t.TroubleKey.String())
	}
	return keys
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func sortedValues(m map[string]bool) []bool {
	var out []bool
	for _, k := range sorted(m) {
		out = append(out, m[k])
	}
	return out
}

func hostIs(h string) func(events.BlindCheck) bool {
	return func(b events.BlindCheck) bool { return b.Host == h }
}
