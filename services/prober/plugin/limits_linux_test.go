package plugin

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// limited makes a runner with limits, and its folder.
func limited(t *testing.T, portable bool, l Limits) (*Runner, string) {
	t.Helper()
	r, dir := newRunner(t, portable)
	r.cage = newCage(l)
	return r, dir
}

// TestMemoryEater: a plugin that takes all the memory it can get is stopped by its limit, and that is no word about the
// host, whatever it says.
func TestMemoryEater(t *testing.T) {
	for name, portable := range map[string]bool{"fast": false, "portable": true} {
		t.Run(name, func(t *testing.T) {
			r, dir := limited(t, portable, Limits{Memory: 256 << 20})
			put(t, dir, "eater", "#!/usr/bin/perl\n$| = 1;\nprint \"FAIL no answer\\n\";\nmy @all;\npush @all, \"x\" x (8 << 20) while 1;\n", 0o755)
			a := r.Run(t.Context(), order("eater", patient))
			if a.Status != events.Unknown || !strings.Contains(a.Output, "limit of 256 MiB of memory") {
				t.Errorf("%s %q after %v", a.Status, a.Output, a.Elapsed)
			}
		})
	}
}

// TestManyFiles: a plugin that opens 100,000 files gets four times its limit, for it raises it, and no more.
func TestManyFiles(t *testing.T) {
	r, dir := limited(t, false, Limits{Files: 100})
	helper(t, dir, "opener")
	a := r.Run(t.Context(), order("opener", patient))
	if a.Status != events.Unknown || !strings.Contains(a.Output, "limit of 100 open files") || !strings.Contains(a.Output, "said: 39") {
		t.Errorf("%s %q", a.Status, a.Output)
	}
}

// TestEndlessFile: a plugin that writes a file for ever has it cut off, and leaves no core dump.
func TestEndlessFile(t *testing.T) {
	r, dir := limited(t, false, Limits{FileSize: 1 << 20})
	file := filepath.Join(dir, "file")
	put(t, dir, "writer", "#!/bin/sh\nwhile [ \"$(ulimit -H -f)\" = unlimited ]; do :; done\nexec cat /dev/zero >"+file+"\n", 0o755)
	a := r.Run(t.Context(), order("writer", patient))
	if a.Status != events.Unknown || !strings.Contains(a.Output, "limit of 1 MiB for a file") {
		t.Errorf("%s %q", a.Status, a.Output)
	}
	if st, err := os.Stat(file); err != nil || st.Size() != 1<<20 {
		t.Errorf("%v, %v: want a file of 1 MiB", st, err)
	}
	put(t, dir, "core", "#!/bin/sh\nuntil [ \"$(ulimit -H -c)\" = 0 ]; do :; done\nulimit -c\n", 0o755)
	if a := r.Run(t.Context(), order("core", patient)); a.Output != "0" {
		t.Errorf("core dumps of %q, want 0", a.Output)
	}
}

// somebody is a user whom nobody else is: the kernel counts processes by user, and not those of root.
const somebody = 54321

// TestForkBomb: a plugin that starts itself over and over reaches the limit; it, and one that runs beside it and can't
// start what it needs, are unknown; the prober, of the same user, goes on, and all is as before.
func TestForkBomb(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else for a while")
	}
	if space, err := os.Readlink("/proc/self/ns/pid"); err != nil || !seesAll(space) {
		t.Skip("in a container processes aren't counted")
	}
	dir := asSomebody(t)
	put(t, dir, "bomb", "#!/usr/bin/perl\nwhile (1) {\n\tmy $p = fork();\n"+
		"\tif (defined $p && !$p) { sleep 3600; exit }\n\tselect(undef, undef, undef, 0.001) unless defined $p;\n}\n", 0o755)
	put(t, dir, "beside", "#!/usr/bin/perl\n$| = 1;\nprint \"FAIL nothing counted\\n\";\nwhile (1) {\n\tselect(undef, undef, undef, 0.1);\n"+
		"\tmy $p = fork();\n\tif (!defined $p) { print STDERR \"fork: $!\\n\"; exit 2 }\n\texit unless $p;\n\twait;\n}\n", 0o755)
	put(t, dir, "after", "#!/bin/sh\necho OK\n", 0o755)
	cmd := exec.Command(filepath.Join(dir, "check_bombed"), dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: somebody, Gid: somebody}}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	var got map[string]string
	if err != nil || json.Unmarshal(out, &got) != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"bomb", "beside"} {
		if !strings.HasPrefix(got[name], "unknown: the plugins of this node have reached the limit of 100 processes") {
			t.Errorf("%s: %s", name, got[name])
		}
	}
	if got["after"] != "ok: OK" {
		t.Errorf("after it: %q", got["after"])
	}
	await(t, "nothing is left", func() bool { return tasks(somebody) == 0 })
}

// TestNoLimitOfProcessesInAContainer: where a user's processes can't all be seen, there is no limit of them.
func TestNoLimitOfProcessesInAContainer(t *testing.T) {
	if os.Getenv("DMONITOR_TEST_CONTAINED") != "" {
		if n := newCage(Limits{Processes: 100}).procs.Load(); n != 0 {
			t.Errorf("limit of %d", n)
		}
		return
	}
	for space, want := range map[string]bool{"pid:[4026531836]": true, "pid:[4026532193]": false, "": false} {
		if seesAll(space) != want {
			t.Errorf("%q: want %v", space, want)
		}
	}
	contain := []string{"unshare", "--pid", "--fork", "--mount-proc"}
	if os.Getuid() != 0 || exec.Command(contain[0], append(contain[1:], "true")...).Run() != nil {
		t.Skip("no namespaces can be made here")
	}
	self := filepath.Join(asSomebody(t), "self")
	must(t, os.Rename(filepath.Join(filepath.Dir(self), Prefix+"prober"), self))
	user := []string{"setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", self, "-test.v", "-test.run=^TestNoLimitOfProcessesInAContainer$"}
	cmd := exec.Command(contain[0], append(contain[1:], user...)...)
	cmd.Env = append(os.Environ(), "DMONITOR_TEST_CONTAINED=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestCrowdIsSeenOnStandardOutput: a runtime that is refused a thread may say so there.
func TestCrowdIsSeenOnStandardOutput(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		r.cage = &cage{limits: Limits{Processes: 1}} // there is always one
		r.cage.procs.Store(1)
		put(t, dir, "java", "#!/bin/sh\necho 'Failed to start thread - pthread_create failed (EAGAIN)'; exit 1\n", 0o755)
		if a := r.Run(t.Context(), order("java", patient)); a.Status != events.Unknown || !strings.Contains(a.Output, "limit of 1 processes") {
			t.Errorf("%s %q", a.Status, a.Output)
		}
	})
}
