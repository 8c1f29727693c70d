package round_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// fleet returns a state with checks on three nodes that have all said ok once, and their results.
func fleet(tb testing.TB, checks int) (*round.State, []*events.Result) {
	tb.Helper()
	s := round.New("arbiter")
	defs := map[events.Check]events.Definition{}
	var results []*events.Result
	nodes := []string{"fra", "nyc", "sgp"}
	for i := range checks {
		c := events.Check{Host: fmt.Sprintf("www%d.example.com", i), Test: "ssh"}
		defs[c] = events.Definition{
			Run:      events.Run{Check: c, Plugin: "ssh", Timeout: events.Millis(events.DefaultTimeout)},
			Interval: events.Millis(events.DefaultInterval), Agree: 2,
		}
		for _, n := range nodes {
			results = append(results, &events.Result{Node: n, Site: n, Check: c, Status: events.OK, Output: "OK - 12 ms"})
		}
	}
	for _, n := range nodes {
		round.Apply(s, round.NodePresent{Presence: &events.Presence{Node: n, Site: n, Plugins: []string{"ssh"}}}, start)
	}
	round.Apply(s, round.CatalogChanged{Checks: defs}, start)
	for _, r := range results {
		r.ID = events.JobID(r.Check, r.Node, start)
		round.Apply(s, round.Arrived{Result: r}, start)
	}
	return s, results
}

// ids are more than a State remembers per node, so that none is known when its turn comes again.
func ids() []string { return strings.Split("abcdefghijklmnopqrstuvwxyz", "") }

// BenchmarkRoutine is a routine ok of one of 2,000 checks on three nodes, all of them up.
func BenchmarkRoutine(b *testing.B) {
	s, results := fleet(b, 2000)
	ids := ids()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r := results[n%len(results)]
		r.ID = ids[n/len(results)%len(ids)]
		n++
		if out := round.Apply(s, round.Arrived{Result: r}, start.Add(time.Duration(n)*time.Millisecond)); out != nil {
			b.Fatal(out)
		}
	}
}

// TestMemory bounds what 2,000 checks on three nodes need, the results themselves included.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, results := fleet(t, 2000)
	for _, r := range results {
		r.Output = string(make([]byte, 100))
		r.ID = events.JobID(r.Check, r.Node, start.Add(time.Minute))
		round.Apply(s, round.Arrived{Result: r}, start.Add(time.Minute))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	const limit = 12 << 20
	used := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("2,000 checks on 3 nodes, with their 6,000 results: %d KiB", used>>10)
	if used > limit {
		t.Errorf("%d bytes, want at most %d", used, limit)
	}
	runtime.KeepAlive(s)
	runtime.KeepAlive(results)
}

// TestRoutineDoesNotAllocate holds the hot path: a routine ok of a check that is up makes no garbage.
func TestRoutineDoesNotAllocate(t *testing.T) {
	s, results := fleet(t, 1)
	ids := ids()
	n := 0
	if got := testing.AllocsPerRun(1000, func() {
		results[0].ID = ids[n%len(ids)]
		n++
		round.Apply(s, round.Arrived{Result: results[0]}, start.Add(time.Second))
	}); got != 0 {
		t.Errorf("%v allocations per routine result, want none", got)
	}
}
