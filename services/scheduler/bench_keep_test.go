package scheduler

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/scheduler/plan"
)

// BenchmarkKeeper says what keeping watch over one's own jobs costs a node with 2,000 checks at 10 s, 200 jobs a second:
// the processor time of publishing and receiving them, and of that with a keeper that hears them too, in turns in one
// run. Want: with-keeper at most 1.3 (a job is decoded by one more reader, and that is nearly all), and keeper-KB below
// 1,000. (-benchtime 4000x takes twenty seconds.)
func BenchmarkKeeper(b *testing.B) {
	var checks []events.Definition
	for i := range 2000 {
		checks = append(checks, definition(fmt.Sprintf("h%d.example.com", i), 10*time.Second))
	}
	out := bustest.New(b, 1).Bus(0)
	got := make(chan struct{}, 1<<16)
	sub, err := bus.Subscribe(out, events.JobsSubject("paris"), func(events.Job) { got <- struct{}{} })
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Stop()
	s := knowing(checks, "paris")
	defer start(s, out)()
	var without, with time.Duration
	memory := uint64(0)
	b.ResetTimer()
	const turns = 4
	for turn := range turns {
		began, spent, end := heap(), processorTime(), func() {}
		if turn%2 == 1 {
			end = watchOver(b, s, out)
		}
		for range b.N / turns {
			<-got
		}
		if took := processorTime() - spent; turn%2 == 1 {
			with += took
			memory = max(memory, heap()-min(began, heap()))
		} else {
			without += took
		}
		end()
	}
	b.StopTimer()
	b.ReportMetric(float64(with)/float64(without), "with-keeper")
	b.ReportMetric(float64(memory)/1024, "keeper-KB")
	b.ReportMetric(0, "ns/op") // it is the schedule that sets the pace
}

// watchOver runs a keeper as a Scheduler does.
func watchOver(b *testing.B, s *state, out *bus.Bus) (stop func()) {
	k := &keeper{state: s, out: out, log: zerolog.Nop(), rare: zerolog.Nop(), own: plan.NewOwn("paris", time.Now())}
	sub, err := bus.Subscribe(out, events.JobsSubject("paris"), k.hear)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- k.run(ctx) }()
	return func() {
		cancel()
		<-done
		sub.Stop()
	}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heap is what is in use after a collection, which other goroutines may add to.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
