package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
			helper(t, dir, "eater")
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
	if a.Status != events.Unknown || !strings.Contains(a.Output, "limit of 100 open files") || !strings.Contains(a.Output, "FAIL 39") {
		t.Errorf("%s %q", a.Status, a.Output)
	}
}

// TestEndlessFile: a plugin that writes a file for ever has it cut off, and leaves no core dump.
func TestEndlessFile(t *testing.T) {
	r, dir := limited(t, false, Limits{FileSize: 1 << 20})
	file := filepath.Join(dir, "file")
	put(t, dir, "writer", "#!/bin/sh\nexec cat /dev/zero >"+file+"\n", 0o755)
	a := r.Run(t.Context(), order("writer", patient))
	if a.Status != events.Unknown || !strings.Contains(a.Output, "limit of 1 MiB for a file") {
		t.Errorf("%s %q", a.Status, a.Output)
	}
	if st, err := os.Stat(file); err != nil || st.Size() != 1<<20 {
		t.Errorf("%v, %v: want a file of 1 MiB", st, err)
	}
	put(t, dir, "core", "#!/bin/sh\nulimit -c\nulimit -H -c\n", 0o755)
	if a := r.Run(t.Context(), order("core", patient)); a.Output != "0" || a.Detail != "0" {
		t.Errorf("core dumps of %q %q, want 0 0", a.Output, a.Detail)
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
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o755))
	self, err := os.ReadFile("/proc/self/exe") // the test's binary itself may be where only root can reach it
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "check_bombed"), self, 0o755))
	must(t, os.Link(filepath.Join(dir, "check_bombed"), filepath.Join(dir, "check_bomb")))
	put(t, dir, "beside", "#!/bin/sh\necho FAIL nothing counted\nwhile :; do n=$(sleep 0.1); done\n", 0o755)
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

// beBombed runs the plugins of TestForkBomb; see TestMain.
func beBombed(dir string) int {
	r, err := NewRunner(Options{Dirs: []string{dir}, Node: "n", Limits: Limits{Processes: 100}})
	if err != nil {
		return 1
	}
	said := map[string]string{}
	run := func(name string, timeout time.Duration) string {
		a := r.Run(context.Background(), order(name, timeout))
		return fmt.Sprintf("%s: %s", a.Status, a.Output)
	}
	beside := make(chan string)
	go func() { beside <- run("beside", patient) }()
	said["bomb"] = run("bomb", 3*time.Second)
	said["beside"] = <-beside
	said["after"] = run("after", patient)
	_ = json.NewEncoder(os.Stdout).Encode(said)
	return 0
}

// bomb starts processes for ever, without a word.
func bomb() int {
	for {
		if err := exec.Command("/bin/sleep", "3600").Start(); err != nil {
			time.Sleep(time.Millisecond)
		}
	}
}

// eat takes memory until there is none, and says that the host is to blame.
func eat() int {
	fmt.Println("FAIL no answer")
	for all := [][]byte{}; ; {
		block := make([]byte, 16<<20)
		for i := range block {
			block[i] = 1
		}
		all = append(all, block)
		_ = all
	}
}

// openMany opens files until it can't.
func openMany() int {
	var kept []*os.File
	for range 100_000 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			fmt.Printf("FAIL %d files\n", len(kept))
			fmt.Fprintln(os.Stderr, err.Error()) // in Go's words, "too many open files"
			fmt.Fprintln(os.Stderr, "Too many open files")
			return 2
		}
		kept = append(kept, f)
	}
	fmt.Println("OK")
	return 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
