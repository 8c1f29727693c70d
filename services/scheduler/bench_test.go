package scheduler

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/scheduler/plan"
)

// BenchmarkLateness publishes 200 jobs a second on a real bus (-benchtime 2000x takes ten seconds) and says how late they
// are where they are received: the first half of the way from due moment to started plugin. What a mere sleeper's
// lateness is in the same run ("idle") tells how much of it is the machine's.
func BenchmarkLateness(b *testing.B) {
	var checks []events.Definition
	for i := range 400 {
		checks = append(checks, definition(fmt.Sprintf("h%d.example.com", i), 6*time.Second))
	}
	lateness(b, checks, "berlin", "paris", "tokyo")
}

// BenchmarkLatenessMany is the same with 5,000 checks on three nodes, each looked at every 15 s: 1,000 jobs a second.
func BenchmarkLatenessMany(b *testing.B) {
	var checks []events.Definition
	for i := range 5000 {
		checks = append(checks, definition(fmt.Sprintf("h%d.example.com", i), 15*time.Second))
	}
	lateness(b, checks, "berlin", "paris", "tokyo")
}

func lateness(b *testing.B, checks []events.Definition, nodes ...string) {
	out := bustest.New(b, 1).Bus(0)
	late := make(chan time.Duration, 1<<16)
	sub, err := bus.Subscribe(out, events.SubjectJobs+"*", func(j events.Job) { late <- time.Since(j.Due) })
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Stop()
	s := knowing(checks, nodes...)
	idle, done := idleLateness()
	b.ResetTimer()
	stop := start(s, out)
	defer stop()
	all := make([]time.Duration, b.N)
	for i := range all {
		all[i] = <-late
	}
	b.StopTimer()
	close(done)
	report(b, "", all)
	report(b, "idle-", <-idle)
	b.ReportMetric(0, "ns/op") // it is the schedule that sets the pace
}

// idleLateness measures what this machine does to anybody who sleeps until a moment of the grid and does nothing then.
func idleLateness() (idle chan []time.Duration, done chan struct{}) {
	idle, done = make(chan []time.Duration, 1), make(chan struct{})
	go func() {
		var all []time.Duration
		for {
			due := time.Now().Truncate(plan.Grid).Add(plan.Grid)
			select {
			case <-done:
				idle <- all
				return
			case <-time.After(time.Until(due)):
				all = append(all, time.Since(due))
			}
		}
	}()
	return idle, done
}

func report(b *testing.B, prefix string, all []time.Duration) {
	slices.Sort(all)
	for _, q := range []struct {
		part float64
		name string
	}{{0.5, "p50-ms"}, {0.99, "p99-ms"}} {
		d := all[min(len(all)-1, int(q.part*float64(len(all))))]
		b.ReportMetric(float64(d.Microseconds())/1000, prefix+q.name)
	}
}
