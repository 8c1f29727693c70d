// Package pipeline measures the whole way from the schedule to the arbiter in one `dmonitor run`: 2,000 checks, each
// looked at every ten seconds, with a plugin that costs next to nothing.
//
// One iteration is ten seconds of running. CPU is that of the node and its plugins together, set against what a bare C
// loop takes for the same plugin in the same minute.
package pipeline

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/tests/rig"
)

const (
	checks   = 2000
	interval = 10 * time.Second
	// goalLate and goalMemory are the design's: the 99th percentile of how late a plugin starts, and what 2,000 checks
	// may take on a node, bus included.
	goalLate   = 5 * time.Millisecond
	goalMemory = 64 << 20
)

func TestMain(m *testing.M) { rig.Main(m) }

func BenchmarkPipeline(b *testing.B) {
	dir := b.TempDir()
	compile(b, filepath.Join(dir, "loop"), "-O2", "../runner/testdata/loop.c")
	compile(b, filepath.Join(dir, "check_static"), "-O2", "-static", "../runner/testdata/ok.c")
	n := start(b, dir)
	results := rig.Subscribe(b, n.Addr+":4222", events.AllResults)
	rig.Until(b, "every check has been looked at", func() bool { return results.Count() >= checks })

	fill(b, n)

	var floor, cpu, wall time.Duration
	seen, ran := results.Count(), 0
	for b.Loop() {
		floor += loopCPU(b, dir)
		// The loop has kept the machine busy: let the node catch its breath before it is measured.
		time.Sleep(time.Second)
		before, start, had := n.CPU(b), time.Now(), results.Count()
		time.Sleep(interval)
		cpu += n.CPU(b) - before
		wall += time.Since(start)
		ran += results.Count() - had
	}
	late := lateness(b, results.Events()[seen:])
	report(b, ran, cpu, wall, floor/time.Duration(b.N), late, n.Memory(b))
}

func start(b *testing.B, dir string) *rig.Node {
	b.Helper()
	files := map[string]string{}
	for i := range checks {
		files[fmt.Sprintf("hosts.d/host-%04d.example.com/static", i)] = ""
	}
	n := rig.NewNodes(b, 1, files, "DMONITOR_INTERVAL="+interval.String(), "DMONITOR_AGREE=1", "DMONITOR_PLUGINS="+dir)[0]
	n.Start()
	rig.WaitClients(b, []*rig.Node{n})
	return n
}

// fill makes the node keep as many results as it ever will, so that its memory is that of a node that has run for long.
func fill(b *testing.B, n *rig.Node) {
	b.Helper()
	messages := map[string][]byte{}
	for i := range 50 {
		r := events.Result{
			ID: "filler", Node: "filler", Site: "filler", Check: events.Check{Host: fmt.Sprintf("filler-%02d.example.com", i), Test: "static"},
			Status: events.OK, Output: "OK", Started: time.Now(), Due: time.Now(), Elapsed: events.Millis(time.Millisecond),
		}
		body, err := events.Encode(&r)
		if err != nil {
			b.Fatal(err)
		}
		messages[r.Subject()] = body
	}
	for range 60 { // 60,000 of some 300 bytes, in portions that no subscriber is cut off for
		rig.Publish(b, n.Addr+":4222", messages, 20)
		time.Sleep(50 * time.Millisecond)
	}
}

func compile(b *testing.B, out string, args ...string) {
	b.Helper()
	if text, err := exec.Command("cc", append(args, "-o", out)...).CombinedOutput(); err != nil {
		b.Fatalf("cc %v: %v\n%s", args, err, text)
	}
}

// loopCPU is what the C loop takes for one run of the plugin, one in flight.
func loopCPU(b *testing.B, dir string) time.Duration {
	b.Helper()
	const runs = 1000
	out, err := exec.Command(filepath.Join(dir, "loop"), "1", fmt.Sprint(runs), filepath.Join(dir, "check_static")).Output()
	if err != nil {
		b.Fatalf("C loop: %v", err)
	}
	var good int
	var cpu, wall float64
	if _, err := fmt.Sscan(string(out), &good, &cpu, &wall); err != nil || good != runs {
		b.Fatalf("C loop: %q: %v", out, err)
	}
	return time.Duration(cpu / runs * float64(time.Second))
}

// lateness is how long after their due moments the plugins started, by the node's own clock.
func lateness(b *testing.B, seen []rig.TextEvent) []time.Duration {
	b.Helper()
	var late []time.Duration
	for _, e := range seen {
		r, err := events.Decode[events.Result](e.Subject, e.Data)
		if err != nil {
			b.Fatal(err)
		}
		if r.Node == "filler" {
			continue
		}
		if r.Status != events.OK {
			b.Fatalf("%s: %s: %s", r.Check, r.Status, r.Output)
		}
		late = append(late, r.Started.Sub(r.Due))
	}
	return late
}

func report(b *testing.B, ran int, cpu, wall, floor time.Duration, late []time.Duration, memory int64) {
	each := cpu / time.Duration(ran)
	p50, p99 := rig.Percentile(late, 50), rig.Percentile(late, 99)
	b.ReportMetric(float64(ran)/wall.Seconds(), "checks/s")
	b.ReportMetric(float64(each.Microseconds()), "µs-CPU/check")
	b.ReportMetric(float64(each)/float64(floor), "x-C-loop-CPU")
	b.ReportMetric(float64(p99.Microseconds())/1000, "late-p99-ms")
	b.ReportMetric(float64(memory)/(1<<20), "MiB")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\none node, %d checks every %v, static plugin\t\tgoal\n", checks, interval)
	fmt.Fprintf(w, "checks run\t%.0f/s\t%d/s\n", float64(ran)/wall.Seconds(), checks/int(interval.Seconds()))
	fmt.Fprintf(w, "CPU per check, scheduler to arbiter\t%v = %.1f × C loop (%v)\t≤ 3.5 × (Nagios 4)\n", each, float64(each)/float64(floor), floor)
	fmt.Fprintf(w, "start lateness\tp50 %v, p99 %v\tp99 ≤ %v: %s\n", p50.Round(10*time.Microsecond), p99.Round(10*time.Microsecond), goalLate, rig.Reached(p99 <= goalLate))
	fmt.Fprintf(w, "memory\t%.0f MiB\t≤ %d MiB: %s\n", float64(memory)/(1<<20), goalMemory>>20, rig.Reached(memory <= goalMemory))
	w.Flush()
}
