package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func many(checks, nodes int) ([]events.Definition, []string) {
	intervals := []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}
	var defs []events.Definition
	for i := range checks {
		defs = append(defs, definition(fmt.Sprintf("h%d.example.com", i), "ssh", intervals[i%len(intervals)]))
	}
	var names []string
	for i := range nodes {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	return defs, names
}

// BenchmarkTake: 5,000 checks on five nodes, in steps of the grid; the time per job says what planning costs.
func BenchmarkTake(b *testing.B) {
	p := New(many(5000, 5))
	now, jobs := epoch, 0
	for b.Loop() {
		next, _ := p.Next(now)
		jobs += len(p.Take(now, next))
		now = next
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(jobs), "ns/job")
}

// BenchmarkNew: what a change of nodes or checks costs.
func BenchmarkNew(b *testing.B) {
	checks, nodes := many(5000, 5)
	for b.Loop() {
		New(checks, nodes)
	}
}
