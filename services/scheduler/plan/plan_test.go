package plan

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var epoch = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC)

func definition(host, test string, interval time.Duration, nodes ...string) events.Definition {
	return events.Definition{
		Run:      events.Run{Check: events.Check{Host: host, Test: test}, Plugin: test, Timeout: events.Millis(50 * time.Millisecond)},
		Interval: events.Millis(interval), Agree: 2, Nodes: nodes,
	}
}

// drawChecks draws a few checks with unlike intervals, some for some nodes only.
func drawChecks(t *rapid.T, nodes []string) []events.Definition {
	intervals := []time.Duration{
		100 * time.Millisecond, 110 * time.Millisecond, 333333 * time.Microsecond, time.Second, time.Minute, time.Hour,
	}
	var out []events.Definition
	for i := range rapid.IntRange(0, 8).Draw(t, "checks") {
		d := definition(fmt.Sprintf("h%d.example.com", i), rapid.SampledFrom([]string{"ssh", "ping", "http"}).Draw(t, "test"),
			rapid.SampledFrom(intervals).Draw(t, "interval"))
		if len(nodes) > 0 && rapid.Bool().Draw(t, "some") {
			d.Nodes = rapid.SliceOfNDistinct(rapid.SampledFrom(append(nodes, "elsewhere")), 1, len(nodes), rapid.ID).Draw(t, "allowed")
		}
		out = append(out, d)
	}
	return out
}

func drawNodes(t *rapid.T) []string {
	names := []string{"berlin", "cairo", "delhi", "lima", "oslo", "paris", "rome"}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, len(names), rapid.ID).Draw(t, "nodes")
}

func drawMoment(t *rapid.T, label string) time.Time {
	return epoch.Add(time.Duration(rapid.Int64Range(-int64(2*time.Minute), int64(2*time.Minute)).Draw(t, label)))
}

func ids(jobs []events.Job) []string {
	out := make([]string, len(jobs))
	for i, j := range jobs {
		out[i] = j.ID
	}
	return out
}

// TestOncePerInterval: in any window as long as its interval a node looks at a check exactly once, for intervals that
// fit the grid; so N nodes look N times. With others a look may fall to the other side of the window's edge.
func TestOncePerInterval(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t)
		checks := drawChecks(t, nodes)
		p := New(checks, nodes)
		from := drawMoment(t, "from")
		for _, d := range checks {
			looks := map[string]int{}
			for _, j := range New([]events.Definition{d}, nodes).Take(from, from.Add(d.Interval.Duration())) {
				looks[j.Node]++
			}
			for _, n := range nodes {
				low, high := 1, 1
				if d.Interval.Duration()%Grid != 0 {
					low, high = 0, 2
				}
				if !d.LooksFrom(n) {
					low, high = 0, 0
				}
				if got := looks[n]; got < low || got > high {
					t.Fatalf("%s looks %d times at %s in %v", n, got, d.Check, d.Interval)
				}
			}
		}
		want := 0
		for _, d := range checks {
			for _, n := range nodes {
				if d.LooksFrom(n) {
					want++
				}
			}
		}
		if p.Len() != want {
			t.Fatalf("Len %d, want %d", p.Len(), want)
		}
	})
}

// TestEvenlySpread: between the looks of N nodes at one check there is an N-th of the interval, give or take the grid,
// and each node keeps its distance from itself.
func TestEvenlySpread(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := append(drawNodes(t), "tokyo")
		interval := time.Duration(rapid.Int64Range(int64(100*time.Millisecond), int64(2*time.Minute)).Draw(t, "interval"))
		d := definition(rapid.StringMatching(`[a-z]{1,12}\.example\.com`).Draw(t, "host"), "ssh", interval)
		from := drawMoment(t, "from")
		jobs := New([]events.Definition{d}, nodes).Take(from, from.Add(5*interval))
		gap := interval / time.Duration(len(nodes))
		for i, j := range jobs[1:] {
			if off := j.Due.Sub(jobs[i].Due) - gap; off.Abs() > Grid {
				t.Fatalf("%v between two looks, want %v: %v", j.Due.Sub(jobs[i].Due), gap, ids(jobs))
			}
		}
		for i := len(nodes); i < len(jobs) && gap > Grid; i++ {
			if jobs[i].Node != jobs[i-len(nodes)].Node {
				t.Fatalf("the nodes don't take turns: %v", ids(jobs))
			}
		}
		if off := float64(len(jobs))/5 - float64(len(nodes)); math.Abs(off) > 1 {
			t.Fatalf("%d looks in 5 intervals by %d nodes", len(jobs), len(nodes))
		}
	})
}

// TestPhasesSpread: many checks with the same interval are not due at the same time, also when their names are alike.
func TestPhasesSpread(t *testing.T) {
	t.Parallel()
	const parts, per = 20, 100
	count := make([]int, parts)
	for i := range parts * per {
		c := events.Check{Host: fmt.Sprintf("web%d.example.com", i/2), Test: []string{"ping", "ssh"}[i%2]}
		count[Offset(c, time.Minute, 0, 1)*parts/time.Minute]++
	}
	for i, n := range count {
		if n < per/2 || n > per*3/2 { // 5 standard deviations
			t.Errorf("part %d of the minute has %d checks of %d", i, n, parts*per)
		}
	}
}

// TestSameEverywhere: the order in which checks and nodes became known doesn't matter, and nothing is due twice.
func TestSameEverywhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t)
		checks := drawChecks(t, nodes)
		from := drawMoment(t, "from")
		to := from.Add(10 * time.Second)
		a := New(checks, nodes).Take(from, to)
		b := New(rapid.Permutation(checks).Draw(t, "shuffled"), append(rapid.Permutation(nodes).Draw(t, "nodes again"), nodes...)).Take(from, to)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatal(diff)
		}
		seen := map[string]bool{}
		for _, j := range a {
			if seen[j.ID] {
				t.Fatalf("%s is due twice", j.ID)
			}
			seen[j.ID] = true
			if err := j.Validate(); err != nil {
				t.Fatal(err)
			}
			if j.ID != events.JobID(j.Check, j.Node, j.Due) || !j.Due.After(from) || j.Due.After(to) || j.Due.UnixNano()%int64(Grid) != 0 {
				t.Fatalf("job %+v of the window from %v to %v", j, from, to)
			}
		}
	})
}

// TestOthersStay: adding or removing a check doesn't move any other.
func TestOthersStay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t)
		checks := drawChecks(t, nodes)
		from := drawMoment(t, "from")
		to := from.Add(10 * time.Second)
		added := definition("new.example.com", "ssh", rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(t, "interval"))
		more := New(append(slices.Clone(checks), added), nodes).Take(from, to)
		others := slices.DeleteFunc(more, func(j events.Job) bool { return j.Check == added.Check })
		if diff := cmp.Diff(ids(New(checks, nodes).Take(from, to)), ids(others)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestWindows: windows that touch give what one window gives, and Next says when the next of them has something.
func TestWindows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t)
		p := New(drawChecks(t, nodes), nodes)
		a, b, c := drawMoment(t, "a"), drawMoment(t, "b"), drawMoment(t, "c")
		order := []time.Time{a, b, c}
		slices.SortFunc(order, time.Time.Compare)
		a, b, c = order[0], order[1], order[2]
		if diff := cmp.Diff(p.Take(a, c), append(p.Take(a, b), p.Take(b, c)...)); diff != "" {
			t.Fatal(diff)
		}
		next, ok := p.Next(a)
		if jobs := p.Take(a, c); len(jobs) > 0 && (!ok || !next.Equal(jobs[0].Due)) {
			t.Fatalf("Next says %v %v, the first job is due %v", next, ok, jobs[0].Due)
		}
		if ok && (!next.After(a) || len(p.Take(a, next)) == 0 || len(p.Take(a, next.Add(-1))) != 0) {
			t.Fatalf("Next(%v) says %v, and the windows up to there say otherwise", a, next)
		}
		if ok != (p.Len() > 0) {
			t.Fatalf("Next says %v with %d looks", ok, p.Len())
		}
	})
}

// TestNodesComeAndGo: when the nodes change, no node that stays waits longer than two intervals for its next look.
func TestNodesComeAndGo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, after := append(drawNodes(t), "tokyo"), append(drawNodes(t), "tokyo")
		interval := 200 * time.Millisecond
		checks := []events.Definition{definition("a.example.com", "ssh", interval)}
		change := drawMoment(t, "change")
		jobs := append(New(checks, before).Take(change.Add(-2*interval), change), New(checks, after).Take(change, change.Add(2*interval))...)
		var last time.Time
		for _, j := range jobs {
			if j.Node != "tokyo" {
				continue
			}
			if !last.IsZero() && j.Due.Sub(last) > 2*interval+Grid {
				t.Fatalf("%v between two looks", j.Due.Sub(last))
			}
			last = j.Due
		}
	})
}

// TestJob: a job says all that a prober needs. The offset is part of what schedulers of different versions agree on: if
// this test fails, an upgrade moves every check.
func TestJob(t *testing.T) {
	t.Parallel()
	d := definition("www.example.com", "ssh", time.Minute, "paris", "tokyo")
	d.Args = []string{"-p", "2222"}
	jobs := New([]events.Definition{d}, []string{"tokyo", "oslo", "paris"}).Take(time.Unix(0, 0), time.Unix(60, 0))
	due := []time.Time{time.UnixMilli(7060).UTC(), time.UnixMilli(37060).UTC()}
	want := []events.Job{
		{ID: "www.example.com/ssh@tokyo@7060", Node: "tokyo", Run: d.Run, Interval: d.Interval, Due: due[0]},
		{ID: "www.example.com/ssh@paris@37060", Node: "paris", Run: d.Run, Interval: d.Interval, Due: due[1]},
	}
	if diff := cmp.Diff(want, jobs); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
