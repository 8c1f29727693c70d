//go:build deb

package deb

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The Debian that is tested on, and what it needs beyond the least.
const (
	suite    = "bookworm"
	mirror   = "http://deb.debian.org/debian"
	packages = "systemd,systemd-sysv,dbus,adduser,man-db,bash-completion,iputils-ping,libcap2-bin,monitoring-plugins-basic,procps"
)

// noise is what systemd-nspawn says where /run is a folder like any other.
var noise = regexp.MustCompile(`(?m)^?Attempted to remove disk file system under .*\n?`)

// patience is many times what anything here takes: machines are busy.
const patience = 2 * time.Minute

// debian makes a Debian that is kept, or returns the one that has been.
func debian() (string, error) {
	root, err := filepath.Abs(filepath.Join(cache, fmt.Sprintf("%s-%.8x", suite, sha256.Sum256([]byte(mirror+packages)))))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	fresh := filepath.Join(here, "debian")
	out, err := exec.Command("debootstrap", "--variant=minbase", "--include="+packages, suite, fresh, mirror).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("debootstrap: %w\n%s", err, tail(string(out), 20))
	}
	return root, os.Rename(fresh, root)
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// root is a Debian of one test's own.
type root struct {
	t    *testing.T
	dir  string
	name string
	init int // the process number of its systemd, once it runs
}

var machines atomic.Int32

func newRoot(t *testing.T) *root {
	t.Helper()
	dir, err := os.MkdirTemp(here, "root-") //nolint:usetesting // On the disk the Debian lies on: a copy may then share its blocks.
	if err != nil {
		t.Fatal(err)
	}
	r := &root{t: t, dir: filepath.Join(dir, "root"), name: fmt.Sprintf("dmonitor-%d-%d", os.Getpid(), machines.Add(1))}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("something of the Debian is left: %v", err)
		}
	})
	if out, err := exec.Command("cp", "-a", "--reflink=auto", base, r.dir).CombinedOutput(); err != nil {
		t.Fatalf("copy the Debian: %v\n%s", err, out)
	}
	for _, pkg := range []string{olderPkg, newerPkg} {
		if out, err := exec.Command("cp", pkg, filepath.Join(r.dir, "root")).CombinedOutput(); err != nil {
			t.Fatalf("copy the package: %v\n%s", err, out)
		}
	}
	return r
}

// try runs a script in the Debian, whether it is up or not, and returns what it said and its exit code.
func (r *root) try(script string) (string, int) {
	r.t.Helper()
	cmd := exec.Command("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--pipe", "--as-pid2",
		"--machine="+r.name, "--directory="+r.dir, "--setenv=DEBIAN_FRONTEND=noninteractive", "--setenv=LC_ALL=C.UTF-8", "bash", "-c", script)
	if r.init != 0 {
		cmd = exec.Command("nsenter", "--all", fmt.Sprintf("--target=%d", r.init), "env", "-i", "DEBIAN_FRONTEND=noninteractive",
			"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "bash", "-c", script)
	}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		r.t.Fatalf("run in the Debian: %v", err)
	}
	return noise.ReplaceAllString(string(out), ""), cmd.ProcessState.ExitCode()
}

// run is a script that has to end well.
func (r *root) run(script string) string {
	r.t.Helper()
	out, code := r.try(script)
	if code != 0 {
		r.t.Fatalf("exit code %d of\n%s\nit said:\n%s", code, script, out)
	}
	return out
}

// says wants a script's output to be exactly this.
func (r *root) says(script, want string) {
	r.t.Helper()
	if out, _ := r.try(script); strings.TrimSpace(out) != want {
		r.t.Errorf("%s\nsays %q\nwant %q", script, strings.TrimSpace(out), want)
	}
}

// write puts a file into the Debian.
func (r *root) write(path, text string, mode os.FileMode) {
	r.t.Helper()
	at := filepath.Join(r.dir, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), mode); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chmod(at, mode); err != nil {
		r.t.Fatal(err)
	}
}

// boot starts the Debian's own systemd, which is stopped at the end of the test.
func (r *root) boot() {
	r.t.Helper()
	log, err := os.Create(r.dir + ".log")
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("systemd-nspawn", "--register=no", "--keep-unit", "--private-network", "--boot",
		"--machine="+r.name, "--directory="+r.dir)
	cmd.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1") // whatever this machine has
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	r.t.Cleanup(func() {
		if r.t.Failed() {
			text, _ := os.ReadFile(r.dir + ".log")
			r.t.Logf("the machine said:\n%s", tail(string(text), 5))
		}
		if r.init != 0 {
			_ = syscall.Kill(r.init, syscall.Signal(34+4)) // SIGRTMIN+4 is what systemd takes for "power off"
		}
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
			r.t.Error("the machine did not stop by itself")
		}
		r.init = 0
	})
	children := fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid)
	var leader int
	r.eventually("the machine to begin", func() bool {
		text, _ := os.ReadFile(children)
		_, err := fmt.Sscan(string(text), &leader)
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", leader))
		return err == nil && strings.TrimSpace(string(comm)) == "systemd"
	})
	r.init = leader
	r.eventually("the machine to be up", func() bool {
		out, _ := r.try("systemctl is-system-running")
		switch strings.TrimSpace(out) {
		case "running":
			return true
		case "degraded": // A unit of Debian's that several machines on one kernel get in each other's way with; dmonitor isn't there yet.
			out, _ := r.try("systemctl --failed --no-pager --plain --no-legend")
			r.t.Logf("up without\n%s", out)
			return true
		}
		return false
	})
}

func (r *root) eventually(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !is(); <-time.After(100 * time.Millisecond) {
		if time.Now().After(end) {
			if r.init != 0 {
				out, _ := r.try("systemctl is-system-running; systemctl --failed --no-pager --plain; systemctl status --no-pager --full --lines 20 'dmonitor*'")
				r.t.Log(out)
			}
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}
