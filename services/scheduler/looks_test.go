package scheduler

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/scheduler/plan"
)

// In this story each check is one node's only, so that its moments don't move when nodes come and go and everything that
// is due can be counted.
const (
	pinned       = 5 // checks per node
	pinnedRepeat = 2 * time.Second
	// inTime is how late a job may be: Grace, what a keeper's tick adds, and the rest for a holder that is held up.
	inTime = 2500 * time.Millisecond

	brief = 2 * pinnedRepeat
	long  = 3 * pinnedRepeat // after the lease has moved
)

// TestLooksNeverStop: whatever happens to the scheduler that leads, to the other schedulers and to the majority, every
// node that is there gets every job that is due.
func TestLooksNeverStop(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	for i := range r.parts {
		for k := range pinned {
			r.write(0, fmt.Sprintf("hosts.d/n%d-%d/ssh", i, k), fmt.Sprintf("interval: %v\nagree: 1\nnodes: n%d\n", pinnedRepeat, i))
		}
	}
	r.until("jobs of every check", func(got []received) bool { return len(counts(got)) == pinned*len(r.parts) })
	r.settle()
	for _, step := range []struct {
		what  string
		watch time.Duration
		do    func() (alive []int)
	}{
		{"a scheduler that doesn't lead dies", brief, func() []int {
			r.parts[(r.leader()+1)%3].stop()
			return []int{0, 1, 2}
		}},
		{"the one who leads is cut off", long, func() []int {
			r.restartScheduler((r.leader() + 1) % 3)
			r.since = time.Now()
			old := r.leader()
			r.cluster.Cut(old)
			r.moves(old)
			return []int{0, 1, 2} // it looks, too
		}},
		{"it is back", brief, func() []int {
			for i := range r.parts {
				r.cluster.Heal(i)
			}
			return []int{0, 1, 2}
		}},
		{"the one who leads dies a second after another one's return", long, func() []int {
			r.settle()
			old := r.leader()
			r.die((old + 1) % 3)
			r.revive((old + 1) % 3)
			from := time.Now()
			<-time.After(time.Second)
			r.die(old)
			r.moves(old)
			r.since = from
			return []int{(old + 1) % 3, (old + 2) % 3}
		}},
		{"one is left", brief, func() []int {
			for i := 2; i > 0; i-- {
				r.die(i)
			}
			if r.cluster.Bus(0) == nil {
				r.cluster.Open(0)
				r.startProber(0)
				r.startScheduler(0)
				r.until("jobs out of what is remembered", r.mine(0))
			}
			r.since = time.Now()
			return []int{0}
		}},
		{"it starts anew, alone", brief, func() []int {
			r.die(0)
			r.cluster.Open(0)
			r.startProber(0)
			r.startScheduler(0)
			r.until("jobs out of what is remembered", r.mine(0))
			r.since = time.Now()
			return []int{0}
		}},
		{"it starts anew, alone and without memory", brief, func() []int {
			r.die(0)
			if err := os.Remove(filepath.Join(r.cluster.Options(0).Data, "catalog.json")); err != nil {
				t.Fatal(err)
			}
			r.cluster.Open(0)
			r.startProber(0)
			r.startScheduler(0)
			r.waitLog(0, "this node looks at what "+r.parts[0].dir+" says")
			r.until("jobs out of its own directory", r.mine(0))
			r.since = time.Now()
			return []int{0}
		}},
	} {
		r.complete(step.what, step.watch, step.do)
	}
}

// mine tells whether node i has received a job for each of its checks.
func (r *rig) mine(i int) func([]received) bool {
	return func(got []received) bool {
		n := counts(got)
		for k := range pinned {
			if n[fmt.Sprintf("n%d-%d n%d", i, k, i)] == 0 {
				return false
			}
		}
		return true
	}
}

// complete does something and then checks that the nodes that are alive got all that was due while it happened (what does
// it may say from when on: not all are there from the beginning) and for a while longer.
func (r *rig) complete(what string, watch time.Duration, do func() []int) {
	r.Helper()
	idle, done := idleLateness()
	r.since = time.Now()
	alive := do()
	from := r.since
	<-time.After(watch)
	to := time.Now()
	deadline := to.Add(bustest.Patience)
	for _, i := range alive {
		missing, worst := r.missing(i, from, to)
		for len(missing) > 0 && time.Now().Before(deadline) {
			<-time.After(50 * time.Millisecond)
			missing, worst = r.missing(i, from, to)
		}
		if len(missing) > 0 {
			r.Errorf("%s: %d jobs of %s never came: %q", what, len(missing), r.parts[i].name, missing[:min(5, len(missing))])
		}
		r.parts[i].worst = worst
	}
	close(done)
	machine := time.Duration(0)
	for _, d := range <-idle {
		machine = max(machine, d)
	}
	for _, i := range alive {
		worst := r.parts[i].worst
		r.Logf("%s: the latest job of %s came after %v; the machine itself was late by %v", what, r.parts[i].name, worst, machine)
		if worst > inTime+2*machine {
			r.Errorf("%s: a job of %s came after %v, want %v (and the machine was late by %v)", what, r.parts[i].name, worst, inTime, machine)
		}
	}
}

// missing lists the jobs of node i that were due after from and up to to and have not come, and says how late the latest
// was of those that have.
func (r *rig) missing(i int, from, to time.Time) (ids []string, worst time.Duration) {
	var checks []events.Definition
	for k := range pinned {
		checks = append(checks, definition(fmt.Sprintf("n%d-%d", i, k), pinnedRepeat))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range plan.New(checks, []string{r.parts[i].name}).Take(from, to) {
		at, ok := r.ids[j.ID]
		if !ok {
			ids = append(ids, j.ID)
		}
		worst = max(worst, at.Sub(j.Due))
	}
	return ids, worst
}

// leaseMoves is how long it may take until somebody else leads after the one who did has died or was cut off: 4 s, or 9 s
// if an election is needed first (bus.HoldLease), and as much again and more for a busy machine.
const leaseMoves = 30 * time.Second

// moves waits until somebody else leads.
func (r *rig) moves(old int) {
	r.Helper()
	began := time.Now()
	for r.leaderSeenBy((old+1)%3) == old {
		<-time.After(10 * time.Millisecond)
	}
	took := time.Since(began)
	r.Logf("the lease moved after %v", took)
	if took > leaseMoves {
		r.Errorf("the lease moved after %v, want %v", took, leaseMoves)
	}
}

// die ends a node: its bus first, so that nothing is given up politely.
func (r *rig) die(i int) {
	if r.cluster.Bus(i) == nil {
		return
	}
	r.cluster.Stop(i)
	r.parts[i].stop()
	r.parts[i].leave()
}

// revive starts a node that has died.
func (r *rig) revive(i int) {
	r.cluster.Start(i)
	r.startProber(i)
	r.startScheduler(i)
	r.until("jobs for the one that is back", r.mine(i))
}

// restartScheduler starts a scheduler that has died, on a node that hasn't, and waits until it knows what to look at.
func (r *rig) restartScheduler(i int) {
	r.Helper()
	const knows = "this is what the nodes say together"
	before := r.parts[i].log.count(knows)
	r.startScheduler(i)
	for deadline := time.Now().Add(bustest.Patience); r.parts[i].log.count(knows) == before; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("%s doesn't learn what to look at", r.parts[i].name)
		}
	}
}
