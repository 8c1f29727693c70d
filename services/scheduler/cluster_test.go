package scheduler

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/services/scheduler/plan"
)

// TestCluster is the story of three nodes, told on one real bus, because a bus takes seconds to form.
func TestCluster(t *testing.T) {
	r := newRig(t, 3)
	r.write(0, "hosts.d/web/ssh", "interval: 300ms\nagree: 1\n")
	t.Run("jobs", func(t *testing.T) { r.T = t; r.jobs() })
	t.Run("edit", func(t *testing.T) { r.T = t; r.edit() })
	t.Run("bad edit", func(t *testing.T) { r.T = t; r.badEdit() })
	t.Run("another node's check", func(t *testing.T) { r.T = t; r.another() })
	t.Run("conflict", func(t *testing.T) { r.T = t; r.conflict() })
	t.Run("removal", func(t *testing.T) { r.T = t; r.removal() })
	t.Run("leader cut off", func(t *testing.T) { r.T = t; r.leaderCut() })
	t.Run("leader stops", func(t *testing.T) { r.T = t; r.leaderStops() })
}

// jobs: each node gets its own jobs and no other's, three per interval in all, evenly spread.
func (r *rig) jobs() {
	r.until("jobs for every node", r.everyNode("web", 3))
	got := r.until("some rounds", r.everyNode("web", 20))
	const interval = 300 * time.Millisecond
	first, last := got[0].Due, got[0].Due
	ids := map[string]bool{}
	thirds := map[time.Duration]string{} // of the interval, and who looks there
	for _, j := range got {
		third := j.Due.Sub(first).Round(interval/3) % interval
		if who, taken := thirds[(third+interval)%interval]; taken && who != j.node {
			r.Fatalf("%s and %s look at the same time", who, j.node)
		}
		thirds[(third+interval)%interval] = j.node
		if j.node != j.Node || j.Interval.Duration() != interval {
			r.Errorf("%s received %+v", j.node, j.Job)
		}
		if off := j.Due.Sub(first).Round(interval/3) - j.Due.Sub(first); off.Abs() > plan.Grid {
			r.Errorf("%s is %v off the thirds of the interval", j.ID, off)
		}
		ids[j.ID] = true
		first, last = minTime(first, j.Due), maxTime(last, j.Due)
	}
	want := float64(last.Sub(first))/float64(interval)*3 + 1
	if ratio := float64(len(ids)) / want; ratio < 0.8 || ratio > 1.05 {
		r.Errorf("%d jobs in %v, want %.0f", len(ids), last.Sub(first), want)
	}
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// edit: what is written into a file reaches the jobs.
func (r *rig) edit() {
	r.write(0, "hosts.d/web/ssh", "interval: 200ms\nagree: 1\nargs: [-p, 2222, web]\n")
	r.until("edited jobs", func(got []received) bool {
		return len(got) > 0 && len(got[len(got)-1].Args) == 3 && got[len(got)-1].Interval.Duration() == 200*time.Millisecond
	})
}

// badEdit: a file that was spoilt leaves in force what it said before, and says where the mistake is, once.
func (r *rig) badEdit() {
	r.write(0, "hosts.d/web/ssh", "interval: 200ms\nagree: many\n")
	line := `hosts.d/web/ssh:2: agree: \"many\" is no number of sites; write 1 to 64`
	r.waitLog(0, line)
	r.write(0, "hosts.d/mail/ssh", "interval: 500ms\nagree: 1\n") // the rest is followed meanwhile
	got := r.until("the other check", r.everyNode("mail", 3))
	for _, j := range got {
		if j.Host == "web" && len(j.Args) != 3 {
			r.Errorf("%s is another job than before the bad edit: %+v", j.ID, j.Job)
		}
	}
	if n := counts(got); n["web n0"] == 0 || n["web n2"] == 0 {
		r.Errorf("the check of the bad file is not made any more: %v", n)
	}
	if n := r.parts[0].log.count(line); n != 1 {
		r.Errorf("logged %d times: %s", n, line)
	}
	r.write(0, "hosts.d/web/ssh", "interval: 200ms\nagree: 1\n")
	r.waitLog(0, "no longer wrong: "+filepath.Join(r.parts[0].dir, line))
	r.until("the mended check", func(got []received) bool {
		return len(got) > 0 && got[len(got)-1].Host == "web" && len(got[len(got)-1].Args) == 0
	})
}

// another: a check that one node defines is made by all, or by those it names.
func (r *rig) another() {
	r.write(1, "hosts.d/db/ssh", "interval: 200ms\nagree: 1\n")
	r.write(1, "hosts.d/lan/ssh", "interval: 200ms\nagree: 1\nnodes: n2\n")
	r.until("jobs for every node", r.everyNode("db", 3))
	got := r.until("some rounds", r.everyNode("db", 10))
	n := counts(got)
	if n["lan n2"] < 5 || n["lan n0"] > 0 || n["lan n1"] > 0 {
		r.Errorf("a check for n2 only: %v", n)
	}
}

// conflict: of two definitions the newer edit wins, on every node's log once.
func (r *rig) conflict() {
	r.write(2, "hosts.d/db/ssh", "interval: 300ms\nagree: 1\n")
	r.until("the newer definition", func(got []received) bool {
		return len(got) > 0 && got[len(got)-1].Host == "db" && got[len(got)-1].Interval.Duration() == 300*time.Millisecond
	})
	r.waitLog(0, "db/ssh: defined differently by two nodes: what n2 says is in force, what n1 says is not")
	if err := os.RemoveAll(filepath.Join(r.parts[2].dir, "hosts.d")); err != nil {
		r.Fatal(err)
	}
	r.until("the older definition again", func(got []received) bool {
		return len(got) > 0 && got[len(got)-1].Host == "db" && got[len(got)-1].Interval.Duration() == 200*time.Millisecond
	})
}

// removal: when its file is removed a check stops, while the others go on.
func (r *rig) removal() {
	if err := os.Remove(filepath.Join(r.parts[0].dir, "hosts.d/mail/ssh")); err != nil {
		r.Fatal(err)
	}
	r.until("twenty jobs in a row that are not the removed check's", func(got []received) bool {
		for _, j := range got[max(0, len(got)-20):] {
			if j.Host == "mail" {
				return false
			}
		}
		return len(got) >= 20
	})
}

// leaderCut: when the node that publishes is cut off, another takes over, and the one that is cut off goes on by itself.
func (r *rig) leaderCut() {
	old := r.leader()
	r.cluster.Cut(old)
	r.until("jobs for everybody", r.everyNode("web", 3))
	r.moves(old)
	r.until("jobs for everybody", r.everyNode("web", 20))
	r.cluster.Heal(old)
	r.until("jobs for everybody again", r.everyNode("web", 3))
	r.settle()
}

// leaderStops: when the node that publishes stops politely, the others have their jobs without a pause.
func (r *rig) leaderStops() {
	old := r.leader()
	r.parts[old].leave()
	r.mu.Lock()
	from := len(r.got)
	r.mu.Unlock()
	stopped := time.Now()
	r.parts[old].stop()
	r.cluster.Stop(old)
	r.until("jobs for those who are left", r.everyNode("web", 5, old))
	r.mu.Lock()
	got := r.got[from:len(r.got):len(r.got)]
	r.mu.Unlock()
	last, gap := stopped, time.Duration(0)
	for _, j := range got {
		if d := j.Due.Sub(last); d > gap {
			gap = d
		}
		last = maxTime(last, j.Due)
	}
	r.Logf("longest time without a job: %v", gap)
	if limit := 10 * time.Second; gap > limit {
		r.Errorf("%v without a job, want at most %v", gap, limit)
	}
}
