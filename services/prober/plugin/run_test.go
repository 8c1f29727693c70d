package plugin

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// long is a timeout no test waits for, patient is how long a test waits for what must come.
const (
	long    = 5 * time.Minute
	patient = 30 * time.Second
)

// newRunner makes a runner with one folder of plugins, which it returns too.
func newRunner(t testing.TB, portable bool) (*Runner, string) {
	t.Helper()
	dir := t.TempDir()
	r, err := NewRunner(Options{Dirs: []string{dir}, Node: "here"})
	if err != nil {
		t.Fatal(err)
	}
	if !portable && r.portable.Load() && fastPath() {
		t.Fatal("the fast way is there and not taken")
	}
	r.portable.Store(portable)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, dir
}

// bothWays runs a test by the fast way and by the portable one: the contract is the same.
func bothWays(t *testing.T, test func(t *testing.T, r *Runner, dir string)) {
	t.Helper()
	for name, portable := range map[string]bool{"fast": false, "portable": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := newRunner(t, portable)
			test(t, r, dir)
		})
	}
}

func order(name string, timeout time.Duration, args ...string) events.Run {
	return events.Run{
		Check: events.Check{Host: "www.example.com", Test: "web"}, Plugin: name, Args: args, Timeout: events.Millis(timeout),
	}
}

// helper makes a plugin of the test's own binary; see TestMain.
func helper(t testing.TB, dir, act string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, Prefix+act)); err != nil {
		t.Fatal(err)
	}
	return act
}

func TestContract(t *testing.T) {
	for _, c := range []struct {
		rule, script string
		timeout      time.Duration
		want         events.Status
		output       string // is contained
		detail       string // is contained
	}{
		{"a first line OK is ok whatever the exit code", "echo OK; exit 2", long, events.OK, "OK", ""},
		{"a first word FAIL is fail whatever the exit code", "echo FAIL no route; exit 0", long, events.Fail, "FAIL no route", ""},
		{"exit code 126 is unknown", "echo x; exit 126", long, events.Unknown, "126", ""},
		{"exit code 127 is unknown, and standard error says why", "no-such-command-anywhere", long, events.Unknown, "127", "no-such-command-anywhere"},
		{"killed by a signal that isn't ours is unknown", "echo x; kill -9 $$", long, events.Unknown, "SIGKILL", ""},
		{"no output is unknown", "exit 0", long, events.Unknown, "no output", ""},
		{"no output but on standard error is unknown", "echo broken >&2; exit 2", long, events.Unknown, "no output", "broken"},
		{"exit code 0 is ok", "echo all well; exit 0", long, events.OK, "all well", ""},
		{"exit code 1 is warning", "echo slow; exit 1", long, events.Warning, "slow", ""},
		{"exit code 2 is fail", "echo down; exit 2", long, events.Fail, "down", ""},
		{"exit code 3 is unknown", "echo dunno; exit 3", long, events.Unknown, "dunno", ""},
		{"any other exit code is unknown", "echo odd; exit 77", long, events.Unknown, "exit code 77", ""},
		{"past the timeout is timeout", "echo OK; sleep 3600", 300 * time.Millisecond, events.Timeout, "no answer within 300ms", ""},
		{"past the timeout with both outputs closed is timeout", "exec >&- 2>&-; sleep 3600", 300 * time.Millisecond, events.Timeout, "no answer", ""},
		{"output after a while is read too", "sleep 0.2; echo OK", long, events.OK, "OK", ""},
		{"bytes that are no UTF-8 become U+FFFD", `printf 'Z\374rich \000 \033[31mred\n'`, long, events.OK, "Z\ufffdrich ␀ ␛[31mred", ""},
		{"standard input is empty", "read line && exit 2; echo nothing to read", long, events.OK, "nothing to read", ""},
		{"it runs in the root folder", "pwd", long, events.OK, "/", ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			bothWays(t, func(t *testing.T, r *Runner, dir string) {
				path := put(t, dir, "x", "#!/bin/sh\n"+c.script+"\n", 0o755)
				a := r.Run(t.Context(), order("x", c.timeout))
				if a.Status != c.want || !strings.Contains(a.Output, c.output) || !strings.Contains(a.Detail, c.detail) {
					t.Errorf("got %s %q %q; want %s %q %q", a.Status, a.Output, a.Detail, c.want, c.output, c.detail)
				}
				if a.Path != path || a.Stopped || a.Started.IsZero() || a.Elapsed <= 0 {
					t.Errorf("answer %+v", a)
				}
				if c.want == events.Timeout && a.Elapsed < c.timeout {
					t.Errorf("given up after %v, before the timeout", a.Elapsed)
				}
			})
		})
	}
}

func TestWhatCannotBeStarted(t *testing.T) {
	for _, c := range []struct {
		rule, body string
		mode       os.FileMode
		output     string
	}{
		{"a script whose interpreter is missing", "#!/no/such/interpreter -x\n", 0o755, `interpreter "/no/such/interpreter" was not found`},
		{"a script with a carriage return after its interpreter", "#!/bin/sh\r\necho OK\r\n", 0o755, `interpreter "/bin/sh\r" was not found`},
		{"a file that is neither program nor script", "just words\n", 0o755, "no program this machine can run"},
		{"an empty file", "", 0o755, "no program this machine can run"},
		{"a file without the right to execute it", "#!/bin/sh\necho OK\n", 0o644, "not executable"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			bothWays(t, func(t *testing.T, r *Runner, dir string) {
				put(t, dir, "x", c.body, c.mode)
				a := r.Run(t.Context(), order("x", long))
				if a.Status != events.Unknown || !strings.Contains(a.Output, c.output) {
					t.Errorf("got %s %q; want unknown, %q", a.Status, a.Output, c.output)
				}
			})
		})
	}
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		a := r.Run(t.Context(), order("none", long))
		if a.Status != events.Unknown || a.Output != "check_none not found in "+dir {
			t.Errorf("a plugin that is not there: %s %q", a.Status, a.Output)
		}
		put(t, dir, "x", "#!/bin/sh\necho OK\n", 0o755)
		a = r.Run(t.Context(), order("x", long, strings.Repeat("x", 4<<20)))
		if a.Status != events.Unknown || !strings.Contains(a.Output, "could not start") {
			t.Errorf("an argument too long for the kernel: %s %.100q", a.Status, a.Output)
		}
		a = r.Run(t.Context(), order("x", long, "a\x00b"))
		if a.Status != events.Unknown || !strings.Contains(a.Output, "could not start") {
			t.Errorf("an argument with a NUL: %s %q", a.Status, a.Output)
		}
	})
}

func TestArgumentsAndEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_PROBER", "x")
	r, dir := newRunner(t, false)
	slow, slowDir := newRunner(t, true)
	for _, w := range []struct {
		r   *Runner
		dir string
	}{{r, dir}, {slow, slowDir}} {
		put(t, w.dir, "x", "#!/bin/sh\necho \"$# $1 $2\"\nenv | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | sort\n", 0o755)
		a := w.r.Run(t.Context(), order("x", 90*time.Second))
		want := strings.Join([]string{
			"DMONITOR_HOST=www.example.com", "DMONITOR_NODE=here", "DMONITOR_TEST=web", "DMONITOR_TIMEOUT=90",
			"LANG=C.UTF-8", "PATH=" + os.Getenv("PATH"),
		}, "\n")
		if a.Output != "1 www.example.com" || a.Detail != want {
			t.Errorf("without arguments: %q, environment:\n%s\nwant:\n%s", a.Output, a.Detail, want)
		}
		a = w.r.Run(t.Context(), order("x", 1500*time.Millisecond, "-H", "two words"))
		if a.Output != "2 -H two words" || !strings.Contains(a.Detail, "DMONITOR_TIMEOUT=1.5\n") {
			t.Errorf("with arguments: %q, environment:\n%s", a.Output, a.Detail)
		}
	}
}

func TestHugeArguments(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		args := make([]string, events.MaxArgs)
		for i := range args {
			args[i] = strings.Repeat("x", events.MaxArgLen)
		}
		a := r.Run(t.Context(), order(helper(t, dir, "args"), long, args...))
		if want := fmt.Sprintf("%d arguments, %d bytes", events.MaxArgs, events.MaxArgs*events.MaxArgLen); a.Output != want {
			t.Errorf("%s %.200q, want %q", a.Status, a.Output, want)
		}
	})
}

func TestFlood(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		a := r.Run(t.Context(), order(helper(t, dir, "flood"), long))
		if a.Status != events.Warning || a.Output != "FLOOD OK" || !strings.Contains(a.Detail, "thrown away") {
			t.Errorf("%s %q", a.Status, a.Output)
		}
		if len(a.Detail) > maxStdout+maxStderr+200 {
			t.Errorf("kept %d bytes", len(a.Detail))
		}
		if len(a.Perf) != 1 || a.Perf[0].Value != 300 {
			t.Errorf("perfdata %v", a.Perf)
		}
	})
}

func TestEndlessOutputIsEndedByTheTimeout(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		if a := r.Run(t.Context(), order(helper(t, dir, "endless"), time.Second)); a.Status != events.Timeout {
			t.Errorf("%s %q", a.Status, a.Output)
		}
	})
}

func TestDeafPluginIsKilled(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		a := r.Run(t.Context(), order(helper(t, dir, "deaf"), time.Second))
		if a.Status != events.Timeout {
			t.Errorf("%s %q", a.Status, a.Output)
		}
	})
}

func TestCrashIsUnknown(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		put(t, dir, "x", "#!/bin/sh\nkill -SEGV $$\n", 0o755)
		if a := r.Run(t.Context(), order("x", long)); a.Status != events.Unknown || !strings.Contains(a.Output, "SIGSEGV") {
			t.Errorf("%s %q", a.Status, a.Output)
		}
	})
}

// TestGrandchildThatKeepsTheOutputOpen: the plugin has answered and ended; its child still holds both pipes.
func TestGrandchildThatKeepsTheOutputOpen(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		pids := filepath.Join(t.TempDir(), "pids")
		put(t, dir, "x", "#!/bin/sh\nsleep 3600 & echo $! > "+pids+"\necho OK\n", 0o755)
		start := time.Now()
		a := r.Run(t.Context(), order("x", long))
		if a.Status != events.OK || time.Since(start) > patient {
			t.Errorf("%s %q after %v", a.Status, a.Output, time.Since(start))
		}
		allGone(t, pids, 1)
	})
}

// TestGrandchildThatSaysTheLastWord: output that comes a moment after the plugin has ended still counts.
func TestGrandchildThatSaysTheLastWord(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		put(t, dir, "x", "#!/bin/sh\n(sleep 0.1; echo late but here) &\nexit 1\n", 0o755)
		if a := r.Run(t.Context(), order("x", long)); a.Status != events.Warning || a.Output != "late but here" {
			t.Errorf("%s %q", a.Status, a.Output)
		}
	})
}

// TestTimeoutKillsTheWholeGroup: children, their children, and one that is deaf.
func TestTimeoutKillsTheWholeGroup(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		pids := filepath.Join(t.TempDir(), "pids")
		put(t, dir, "x", fmt.Sprintf(`#!/bin/sh
trap '' TERM HUP INT
for i in 1 2 3; do
  (trap '' TERM; sh -c 'echo $$ >> %[1]s; sleep 3600; :') &
  sh -c 'echo $$ >> %[1]s; exec sleep 3600' &
done
echo $$ >> %[1]s
wait
sleep 3600
`, pids), 0o755)
		if a := r.Run(t.Context(), order("x", 2*time.Second)); a.Status != events.Timeout {
			t.Errorf("%s %q", a.Status, a.Output)
		}
		allGone(t, pids, 1)
	})
}

func TestStopKillsThePlugin(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		pids := filepath.Join(t.TempDir(), "pids")
		put(t, dir, "x", "#!/bin/sh\nsleep 3600 & echo $! > "+pids+".new; mv "+pids+".new "+pids+"; echo OK; wait\n", 0o755)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		answer := make(chan Answer)
		go func() { answer <- r.Run(ctx, order("x", long)) }()
		await(t, "the plugin runs", func() bool { _, err := os.Stat(pids); return err == nil })
		cancel()
		select {
		case a := <-answer:
			if !a.Stopped {
				t.Errorf("not marked as stopped: %+v", a)
			}
		case <-time.After(patient):
			t.Fatal("a run went on after its context had ended")
		}
		allGone(t, pids, 1)
		if a := r.Run(ctx, order("x", long)); !a.Stopped {
			t.Errorf("started after the end: %+v", a)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	bothWays(t, func(t *testing.T, r *Runner, dir string) {
		put(t, dir, "x", "#!/bin/sh\necho \"I am $1\"\n", 0o755)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for k := range 8 {
					want := fmt.Sprintf("I am %d-%d", i, k)
					if a := r.Run(t.Context(), order("x", long, want[5:])); a.Output != want {
						t.Errorf("%s %q, want %q", a.Status, a.Output, want)
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestBusyFile: a plugin that is being copied into place can't be started for a moment (ETXTBSY on Linux).
func TestBusyFile(t *testing.T) {
	busy := 0
	if err := retryBusy(t.Context(), func() error {
		if busy++; busy < 3 {
			return syscall.ETXTBSY
		}
		return nil
	}); err != nil || busy != 3 {
		t.Errorf("%v after %d tries", err, busy)
	}
	busy = 0
	if err := retryBusy(t.Context(), func() error { busy++; return syscall.ETXTBSY }); err == nil || busy != busyRetries+1 {
		t.Errorf("%v after %d tries: want an end", err, busy)
	}
}

// await polls until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patient); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", patient, what)
		}
	}
}

// allGone waits until no process listed in the file is alive. At least so many must be listed.
func allGone(t testing.TB, file string, least int) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(string(data))
	if len(pids) < least {
		t.Fatalf("%d processes listed, want at least %d", len(pids), least)
	}
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		await(t, "process "+text+" is gone", func() bool { return !alive(pid) })
	}
}

// alive tells whether a process runs; one that is dead and waits for its parent does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err) || !hasProc()
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}
