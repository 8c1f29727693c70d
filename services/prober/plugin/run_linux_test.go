package plugin

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func TestTheFastWayIsTakenOnLinux(t *testing.T) {
	if !fastPath() {
		t.Fatal("this kernel has no process descriptors; these tests need Linux 5.3 or newer")
	}
}

// TestNothingIsLeft: no child, dead or alive, and no descriptor, after runs of every kind.
func TestNothingIsLeft(t *testing.T) {
	r, dir := newRunner(t, false)
	put(t, dir, "ok", "#!/bin/sh\necho OK\n", 0o755)
	put(t, dir, "slow", "#!/bin/sh\nsleep 3600\n", 0o755)
	put(t, dir, "bad", "#!/no/such\n", 0o755)
	put(t, dir, "child", "#!/bin/sh\nsleep 3600 & echo OK\n", 0o755)
	helper(t, dir, "flood")
	before := descriptors(t)
	for _, name := range []string{"ok", "slow", "bad", "child", "flood", "none"} {
		r.Run(t.Context(), order(name, time.Second))
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if n := ownChildren(t, dir); n != 0 {
		t.Errorf("%d children are left", n)
	}
	if r.Stuck() != 0 {
		t.Errorf("%d plugins are counted as stuck", r.Stuck())
	}
}

// TestStuckPluginIsNotWaitedFor: one that is not gone in time is given up, counted, and reaped when it does go.
func TestStuckPluginIsNotWaitedFor(t *testing.T) {
	r, dir := newRunner(t, false)
	put(t, dir, "x", "#!/bin/sh\nsleep 3600\n", 0o755)
	p, err := r.start(t.Context(), r.command(filepath.Join(dir, "check_x"), order("x", long)))
	if err != nil {
		t.Fatal(err)
	}
	p.out.close()
	p.err.close()
	r.abandon(p)
	if r.Stuck() != 1 {
		t.Errorf("%d counted", r.Stuck())
	}
	for range MaxStuck {
		r.stuck.Add(1)
	}
	if a := r.Run(t.Context(), order("x", long)); a.Status != events.Unknown || !strings.Contains(a.Output, "stuck in the kernel") {
		t.Errorf("%s %q: want nothing started", a.Status, a.Output)
	}
	r.stuck.Add(-MaxStuck)
	p.kill()
	await(t, "the plugin is reaped", func() bool { return r.Stuck() == 0 })
}

// TestKillOfTheProberKillsThePlugin: a prober that is killed can't clean up; Linux does it for the plugin itself.
func TestKillOfTheProberKillsThePlugin(t *testing.T) {
	dir := t.TempDir()
	helper(t, dir, "prober")
	pids := filepath.Join(dir, "pids")
	put(t, dir, "x", "#!/bin/sh\necho $$ > "+pids+".new; mv "+pids+".new "+pids+"; exec sleep 3600\n", 0o755)
	prober := exec.Command(filepath.Join(dir, "check_prober"), dir)
	if err := prober.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the plugin runs", func() bool { _, err := os.Stat(pids); return err == nil })
	if err := prober.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = prober.Wait()
	t.Cleanup(func() {
		if t.Failed() { // then it is still there
			_ = exec.Command("/bin/sh", "-c", "kill -9 $(cat "+pids+")").Run()
		}
	})
	allGone(t, pids, 1)
}

// TestOrphansAreReaped: where orphans become children of the prober, as they do of a container's first process, the
// dead of a killed group don't pile up.
func TestOrphansAreReaped(t *testing.T) {
	if os.Getenv("DMONITOR_TEST_ADOPTS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestOrphansAreReaped$", "-test.v")
		cmd.Env = append(os.Environ(), "DMONITOR_TEST_ADOPTS=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	r, dir := newRunner(t, false)
	put(t, dir, "x", "#!/bin/sh\n(sleep 3600 & sleep 3600 &)\nsleep 3600 & echo OK\n", 0o755)
	for range 3 {
		if a := r.Run(t.Context(), order("x", long)); a.Status != events.OK {
			t.Errorf("%s %q", a.Status, a.Output)
		}
	}
	await(t, "all orphans are reaped", func() bool { return ownChildren(t, dir) == 0 })
}

// TestFallsBackWithoutDescriptors: a kernel that starts a process without one is served by the portable way from then on.
func TestFallsBackWithoutDescriptors(t *testing.T) {
	r, dir := newRunner(t, true)
	put(t, dir, "x", "#!/bin/sh\necho OK\n", 0o755)
	if a := r.Run(t.Context(), order("x", long)); a.Status != events.OK {
		t.Errorf("%s %q", a.Status, a.Output)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// ownChildren counts the children of this process whose command line names the folder, and the dead ones.
func ownChildren(t *testing.T, dir string) int {
	t.Helper()
	entries, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range entries {
		parent, state := parentOf(path)
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if parent == os.Getpid() && (state == "Z" || strings.Contains(string(cmdline), dir)) {
			n++
		}
	}
	return n
}

func parentOf(path string) (pid int, state string) {
	f, err := os.Open(path)
	if err != nil {
		return 0, ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		_, _ = fmt.Sscanf(s.Text(), "PPid:\t%d", &pid)
		_, _ = fmt.Sscanf(s.Text(), "State:\t%1s", &state)
	}
	return pid, state
}
