// Package runner measures what running a plugin costs: the prober's way against a bare loop in C that does nothing else,
// and against os/exec as one would use it without a second thought.
//
// All contenders take turns within each round, because the machine's own speed wanders; what counts is the median of the
// rounds' ratios. One iteration is one round. The CPU is that of the whole: user and system time, the contender's own
// and its plugins'.
package runner

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/prober/plugin"
)

// goal is how much of the C loop's CPU the prober may take with the static plugin, four in flight: see the numbers in
// the design. ForkExec alone was 1.7.
const goal = 1.8

// timeout is what the contenders give a plugin; none needs it.
const timeout = time.Minute

// plugins are what is run, and how often in one measurement: a few hundred milliseconds' worth each.
var plugins = []struct {
	name string
	runs int
}{{"static", 240}, {"shell", 160}, {"go", 96}}

var widths = []int{1, 4, 16}

// cost is what one measurement says, per run.
type cost struct{ cpu, wall time.Duration }

// contender runs a plugin so many times, so many at once.
type contender struct {
	name string
	run  func(b *testing.B, path string, width, runs int) cost
}

func BenchmarkRunner(b *testing.B) {
	dir := b.TempDir()
	build(b, dir)
	contenders := []contender{
		{"C loop", cLoop(filepath.Join(dir, "loop"))},
		{"os/exec", goLoop(osExec)},
		{"no limits", goLoop(prober(b, dir, plugin.Limits{}))},
		{"prober", goLoop(prober(b, dir, plugin.DefaultLimits(0, 0)))},
	}
	costs := table{}
	for b.Loop() {
		for _, p := range plugins {
			for _, width := range widths {
				for _, c := range contenders {
					k := key{c.name, p.name, width}
					costs[k] = append(costs[k], c.run(b, filepath.Join(dir, plugin.Prefix+p.name), width, p.runs))
				}
			}
		}
	}
	costs.print(contenders)
	b.ReportMetric(costs.ratio(key{"prober", "static", 4}), "x-C-loop-CPU")
}

// key is one cell of the table.
type key struct {
	contender, plugin string
	width             int
}

// table has the measurements of all rounds.
type table map[key][]cost

// print writes what a person wants to know to standard output; a benchmark's own log would be cut.
func (t table) print(contenders []contender) {
	fmt.Printf("\n%d cores, %d rounds, medians; CPU of one run as a multiple of the C loop's\n\n",
		runtime.NumCPU(), len(t[key{"C loop", "static", 4}]))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "plugin\tin flight\tC loop\tos/exec\tno limits\tprober\t")
	for _, c := range contenders {
		fmt.Fprintf(w, "%s\t", c.name)
	}
	fmt.Fprintln(w)
	for _, p := range plugins {
		for _, width := range widths {
			fmt.Fprintf(w, "%s\t%d\t%v\t", p.name, width, t.median(key{"C loop", p.name, width}, cpuOf).Round(time.Microsecond))
			for _, c := range contenders[1:] {
				fmt.Fprintf(w, "×%.2f\t", t.ratio(key{c.name, p.name, width}))
			}
			for _, c := range contenders {
				fmt.Fprintf(w, "%.0f/s\t", 1/t.median(key{c.name, p.name, width}, wallOf).Seconds())
			}
			fmt.Fprintln(w)
		}
	}
	w.Flush()
	reached, verdict := t.ratio(key{"prober", "static", 4}), "reached"
	if reached > goal {
		verdict = "NOT REACHED"
	}
	fmt.Printf("\ngoal: CPU ×%.1f at most, prober, static plugin, 4 in flight: ×%.2f, %s\n\n", goal, reached, verdict)
}

// build makes the plugins and the C loop.
func build(b *testing.B, dir string) {
	b.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, cmd := range [][]string{
		{"cc", "-O2", "-o", at("loop"), "testdata/loop.c"},
		{"cc", "-O2", "-static", "-o", at(plugin.Prefix + "static"), "testdata/ok.c"},
		{"go", "build", "-o", at(plugin.Prefix + "go"), "testdata/ok.go"},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			b.Fatalf("%s: %v\n%s", strings.Join(cmd, " "), err, out)
		}
	}
	if err := os.WriteFile(at(plugin.Prefix+"shell"), []byte("#!/bin/sh\necho OK\n"), 0o755); err != nil {
		b.Fatal(err)
	}
}

// cLoop is the floor. The program measures itself.
func cLoop(loop string) func(*testing.B, string, int, int) cost {
	return func(b *testing.B, path string, width, runs int) cost {
		b.Helper()
		out, err := exec.Command(loop, strconv.Itoa(width), strconv.Itoa(runs), path).Output()
		if err != nil {
			b.Fatalf("C loop: %v", err)
		}
		var good int
		var cpu, wall float64
		if _, err := fmt.Sscan(string(out), &good, &cpu, &wall); err != nil || good != runs {
			b.Fatalf("C loop: %q: %d of %d answers are good (%v)", out, good, runs, err)
		}
		return per(runs, seconds(cpu), seconds(wall))
	}
}

// goLoop measures a way of running plugins in this process. A few runs go before, so that threads and buffers are there,
// as they are in a prober that has run for a while.
func goLoop(once func(path string) bool) func(*testing.B, string, int, int) cost {
	many := func(path string, width, runs int) (good int64) {
		var left, ok atomic.Int64
		left.Store(int64(runs))
		var wg sync.WaitGroup
		for range width {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					if once(path) {
						ok.Add(1)
					}
				}
			})
		}
		wg.Wait()
		return ok.Load()
	}
	return func(b *testing.B, path string, width, runs int) cost {
		b.Helper()
		many(path, width, 2*width)
		before, start := cpuTime(b), time.Now()
		good := many(path, width, runs)
		c := per(runs, cpuTime(b)-before, time.Since(start))
		if good != int64(runs) {
			b.Fatalf("%s: %d of %d answers are good", path, good, runs)
		}
		return c
	}
}

// prober is the way of package plugin: look up, run, judge; with limits or without, to see what they cost.
func prober(b *testing.B, dir string, limits plugin.Limits) func(string) bool {
	b.Helper()
	r, err := plugin.NewRunner(plugin.Options{Dirs: []string{dir}, Node: "bench", Limits: limits})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.Close() })
	return func(path string) bool {
		return r.Run(context.Background(), events.Run{
			Check:   events.Check{Host: "127.0.0.1", Test: "bench"},
			Plugin:  strings.TrimPrefix(filepath.Base(path), plugin.Prefix),
			Timeout: events.Millis(timeout),
		}).Status == events.OK
	}
}

// osExec is what the standard library offers: a group of its own, both outputs, a timeout.
func osExec(path string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, "127.0.0.1")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Run() == nil && stdout.String() == "OK\n"
}

// cpuTime is the CPU this process and its dead children have taken.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

func per(runs int, cpu, wall time.Duration) cost {
	return cost{cpu / time.Duration(runs), wall / time.Duration(runs)}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func cpuOf(c cost) time.Duration  { return c.cpu }
func wallOf(c cost) time.Duration { return c.wall }

func (t table) median(k key, of func(cost) time.Duration) time.Duration {
	var all []time.Duration
	for _, c := range t[k] {
		all = append(all, of(c))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// ratio compares a contender's CPU with the C loop's, round by round.
func (t table) ratio(k key) float64 {
	floor := t[key{"C loop", k.plugin, k.width}]
	var all []float64
	for i, c := range t[k] {
		all = append(all, c.cpu.Seconds()/floor[i].cpu.Seconds())
	}
	slices.Sort(all)
	return all[len(all)/2]
}
