package plugin

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var few = Limits{Memory: 100 << 20, Processes: 10, Files: 5, FileSize: 1 << 20}

var judgeCases = []struct {
	rule string
	seen Seen
	want events.Status
	says string // Output
}{
	{"half of the memory and words that it is short is this node's limit", Seen{Limits: few, Resident: 50 << 20, Stdout: []byte("FAIL x\n"), Stderr: []byte("MemoryError\n")}, events.Unknown, "it has reached this node's limit of 100 MiB of memory; it said: FAIL x"},
	{"words alone prove nothing about memory: they may be another host's", Seen{Limits: few, Resident: 49 << 20, Stdout: []byte("FAIL Cannot allocate memory\n")}, events.Fail, "FAIL Cannot allocate memory"},
	{"much memory alone is no limit", Seen{Limits: few, Resident: 99 << 20, Stdout: []byte("FAIL x\n")}, events.Fail, "FAIL x"},
	{"much memory and past the timeout is timeout, though the signal was ours", Seen{Limits: few, Resident: 99 << 20, TimedOut: time.Second, Signal: syscall.SIGKILL}, events.Timeout, "no answer within 1s"},
	{"a crowd of processes and past the timeout is this node's limit", Seen{Limits: few, Crowded: true, TimedOut: time.Second}, events.Unknown, "the plugins of this node have reached the limit of 10 processes"},
	{"words alone prove nothing about processes", Seen{Limits: few, Exit: 2, Stdout: []byte("x"), Stderr: []byte("fork: Resource temporarily unavailable")}, events.Fail, "x"},
	{"a crowd and words on standard output are a limit: Java's runtime writes there", Seen{Limits: few, Crowded: true, Exit: 1, Stdout: []byte("[warning] Failed to start thread - pthread_create failed (EAGAIN)")}, events.Unknown, "the plugins of this node have reached the limit of 10 processes; it said: [warning] Failed to start thread - pthread_create failed (EAGAIN)"},
	{"words of Java, too", Seen{Limits: few, Crowded: true, Exit: 1, Stdout: []byte("# Cannot create worker GC thread. Out of system resources.")}, events.Unknown, "the plugins of this node have reached the limit of 10 processes; it said: # Cannot create worker GC thread. Out of system resources."},
	{"Java's words of memory count, too", Seen{Limits: few, Resident: 50 << 20, Exit: 2, Stdout: []byte("x"), Stderr: []byte("Could not reserve enough space")}, events.Unknown, "it has reached this node's limit of 100 MiB of memory; it said: x"},
	{"a Java runtime that can't start is no warning, which would be a vote for up", Seen{Limits: few, Exit: 1, Stdout: []byte("#\n# There is insufficient memory for the Java Runtime Environment to continue.\n")}, events.Unknown, "it needs Java, which could not start on this node; it said: #"},
	{"nor if it says so on standard error", Seen{Exit: 1, Stderr: []byte("Error occurred during initialization of VM\nCould not reserve enough space")}, events.Unknown, "it needs Java, which could not start on this node"},
	{"nor if its launcher says so", Seen{Exit: 1, Stdout: []byte("[warning] x"), Stderr: []byte("Error: Could not create the Java Virtual Machine.\n")}, events.Unknown, "it needs Java, which could not start on this node; it said: [warning] x"},
	{"where a host is judged down such words are the host's", Seen{Exit: 2, Stdout: []byte("x: Error occurred during initialization of VM\n")}, events.Fail, "x: Error occurred during initialization of VM"},
	{"a crowd alone is no limit", Seen{Limits: few, Crowded: true, Exit: 2, Stdout: []byte("x")}, events.Fail, "x"},
	{"words of files on standard error are no answer to a verdict: the host may have said them", Seen{Limits: few, Exit: 2, Stdout: []byte("CRITICAL x"), Stderr: []byte("socket: Too many open files\n")}, events.Fail, "CRITICAL x"},
	{"nor to the word FAIL, whatever the exit code", Seen{Limits: few, Exit: 9, Stdout: []byte("FAIL x"), Stderr: []byte("File too large\n")}, events.Fail, "FAIL x"},
	{"nor to a time-out", Seen{Limits: few, TimedOut: time.Second, Stderr: []byte("Too many open files\n")}, events.Timeout, "no answer within 1s"},
	{"they say why there is no output", Seen{Limits: few, Exit: 2, Stderr: []byte("socket: Too many open files\n")}, events.Unknown, "it has reached this node's limit of 5 open files"},
	{"and why an exit code means nothing", Seen{Limits: few, Exit: 153, Stdout: []byte("x"), Stderr: []byte("File size limit exceeded\n")}, events.Unknown, "it has reached this node's limit of 1 MiB for a file; it said: x"},
	{"a signal of the kernel's for a file is no word of the host", Seen{Limits: few, Signal: syscall.SIGXFSZ, Stdout: []byte("FAIL x")}, events.Unknown, "it has reached this node's limit of 1 MiB for a file; it said: FAIL x"},
	{"words of files on standard output are the host's", Seen{Limits: few, Exit: 2, Stdout: []byte("HTTP 500: Too many open files\n")}, events.Fail, "HTTP 500: Too many open files"},
	{"without limits nothing is a limit", Seen{Crowded: true, Resident: 1 << 40, Exit: 2, Stdout: []byte("x"), Stderr: []byte("Too many open files, out of memory, cannot fork")}, events.Fail, "x"},

	{"past the timeout is timeout", Seen{TimedOut: 10 * time.Second}, events.Timeout, "no answer within 10s"},
	{"past the timeout is timeout even if it had said OK before", Seen{TimedOut: time.Second, Stdout: []byte("OK\n")}, events.Timeout, "no answer within 1s; it said: OK"},
	{"past the timeout is timeout even if it had said FAIL before", Seen{TimedOut: time.Second, Stdout: []byte("FAIL x\n")}, events.Timeout, "no answer within 1s; it said: FAIL x"},
	{"past the timeout, the signal that killed it was ours", Seen{TimedOut: time.Second, Signal: syscall.SIGKILL}, events.Timeout, "no answer within 1s"},

	{"a first line OK is ok", Seen{Stdout: []byte("OK\n")}, events.OK, "OK"},
	{"a first line OK without its newline is ok", Seen{Stdout: []byte("OK"), Exit: 2}, events.OK, "OK"},
	{"a first line OK is ok with exit code 2", Seen{Stdout: []byte("OK\nmore"), Exit: 2}, events.OK, "OK"},
	{"a first line OK is ok with exit code 127", Seen{Stdout: []byte("OK\n"), Exit: 127}, events.OK, "OK"},
	{"a first line OK is ok though a signal ended it after", Seen{Stdout: []byte("OK\n"), Signal: syscall.SIGSEGV}, events.OK, "OK"},
	{"a line may end in carriage return and newline", Seen{Stdout: []byte("OK\r\nmore"), Exit: 2}, events.OK, "OK"},
	{"OK and more on the first line is not exactly OK", Seen{Stdout: []byte("OK - fine\n"), Exit: 2}, events.Fail, "OK - fine"},
	{"OK and perfdata on the first line is not exactly OK", Seen{Stdout: []byte("OK|a=1\n"), Exit: 1}, events.Warning, "OK"},
	{"a blank before OK is not exactly OK", Seen{Stdout: []byte(" OK\n"), Exit: 2}, events.Fail, "OK"},
	{"a blank after OK is not exactly OK", Seen{Stdout: []byte("OK \n"), Exit: 2}, events.Fail, "OK"},
	{"ok in small letters is not OK", Seen{Stdout: []byte("ok\n"), Exit: 1}, events.Warning, "ok"},
	{"OK on the second line is not OK", Seen{Stdout: []byte("hello\nOK\n"), Exit: 2}, events.Fail, "hello"},

	{"a first word FAIL is fail with exit code 0", Seen{Stdout: []byte("FAIL no route to host\n")}, events.Fail, "FAIL no route to host"},
	{"FAIL alone is fail", Seen{Stdout: []byte("FAIL")}, events.Fail, "FAIL"},
	{"a blank before FAIL does not hide it", Seen{Stdout: []byte("\tFAIL x\n")}, events.Fail, "FAIL x"},
	{"punctuation does not belong to the word FAIL", Seen{Stdout: []byte("FAIL: x\n")}, events.Fail, "FAIL: x"},
	{"perfdata does not belong to the word FAIL", Seen{Stdout: []byte("FAIL|t=1s\n")}, events.Fail, "FAIL"},
	{"FAIL is fail with exit code 127", Seen{Stdout: []byte("FAIL x\n"), Exit: 127}, events.Fail, "FAIL x"},
	{"FAIL is fail though a signal ended it after", Seen{Stdout: []byte("FAIL x\n"), Signal: syscall.SIGABRT}, events.Fail, "FAIL x"},
	{"FAILED is another word", Seen{Stdout: []byte("FAILED logins: 0\n")}, events.OK, "FAILED logins: 0"},
	{"FAIL-SAFE is another word", Seen{Stdout: []byte("FAIL-SAFE armed\n")}, events.OK, "FAIL-SAFE armed"},
	{"FAIL as a later word is not the first", Seen{Stdout: []byte("no FAIL here\n")}, events.OK, "no FAIL here"},
	{"FAIL on the second line is not the first word", Seen{Stdout: []byte("fine\nFAIL\n")}, events.OK, "fine"},

	{"not found is unknown", Seen{NotRun: errors.New("check_x not found in /a, /b")}, events.Unknown, "check_x not found in /a, /b"},
	{"exit code 126 is unknown", Seen{Stdout: []byte("hm\n"), Exit: 126}, events.Unknown, "exit code 126: something in it could not be executed; it said: hm"},
	{"exit code 127 is unknown", Seen{Exit: 127, Stderr: []byte("sh: foo: not found\n")}, events.Unknown, "exit code 127: something it needs was not found"},
	{"killed by a signal that isn't ours is unknown", Seen{Stdout: []byte("going\n"), Signal: syscall.SIGSEGV}, events.Unknown, "killed by signal 11 (SIGSEGV); it said: going"},
	{"no output is unknown with exit code 0", Seen{}, events.Unknown, "no output, exit code 0"},
	{"no output is unknown with exit code 2", Seen{Exit: 2, Stderr: []byte("oops")}, events.Unknown, "no output, exit code 2"},
	{"nothing but white space is no output", Seen{Stdout: []byte(" \n\t\r\n"), Exit: 2}, events.Unknown, "no output, exit code 2"},

	{"otherwise exit code 0 is ok", Seen{Stdout: []byte("PING OK - 3 ms\n")}, events.OK, "PING OK - 3 ms"},
	{"otherwise exit code 1 is warning", Seen{Stdout: []byte("slow\n"), Exit: 1}, events.Warning, "slow"},
	{"otherwise exit code 2 is fail", Seen{Stdout: []byte("CRITICAL - x\n"), Exit: 2}, events.Fail, "CRITICAL - x"},
	{"otherwise exit code 3 is unknown", Seen{Stdout: []byte("no idea\n"), Exit: 3}, events.Unknown, "no idea"},
	{"an empty first line: the next one is shown", Seen{Stdout: []byte("\nall well\n")}, events.OK, "all well"},
	{"exit code 4 is unknown", Seen{Stdout: []byte("x\n"), Exit: 4}, events.Unknown, "exit code 4 means nothing (0 ok, 1 warning, 2 fail, 3 unknown); it said: x"},
	{"exit code 255 is unknown", Seen{Stdout: []byte("x\n"), Exit: 255}, events.Unknown, "exit code 255 means nothing (0 ok, 1 warning, 2 fail, 3 unknown); it said: x"},
}

func TestJudge(t *testing.T) {
	for _, c := range judgeCases {
		t.Run(c.rule, func(t *testing.T) {
			v := Judge(c.seen)
			if v.Status != c.want || v.Output != c.says {
				t.Errorf("got %s %q, want %s %q", v.Status, v.Output, c.want, c.says)
			}
		})
	}
}

func TestJudgeKeepsAllThatWasSaid(t *testing.T) {
	one, max := 1.0, 100.0
	got := Judge(Seen{
		Stdout: []byte("DISK WARNING - / 91% | /=91%;90;95;1;100\nfurther\nlines | 'a b'=5s\nc=7\n"),
		Stderr: []byte("mind the gap\n"), Exit: 1,
	})
	want := Verdict{
		Status: events.Warning, Output: "DISK WARNING - / 91%", Detail: "further\nlines\nstandard error: mind the gap",
		Perf: []events.Perf{
			{Label: "/", Value: 91, Unit: "%", Warn: "90", Crit: "95", Min: &one, Max: &max},
			{Label: "a b", Value: 5, Unit: "s"},
			{Label: "c", Value: 7},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("verdict differs (-want +got):\n%s", d)
	}
}

func TestJudgeOfCutOutput(t *testing.T) {
	full := "ok | a=1 b=2 c=" + strings.Repeat("3", maxStdout)
	v := Judge(Seen{Stdout: []byte(full[:maxStdout]), Cut: true})
	if len(v.Perf) != 2 {
		t.Errorf("perfdata %v: want a and b, and nothing of the number that was cut", v.Perf)
	}
	if !strings.Contains(v.Detail, "thrown away") {
		t.Errorf("detail %q does not say that output is missing", v.Detail)
	}
	cut := append([]byte("é"), "é"[0])
	if got := Judge(Seen{Stdout: cut, Cut: true}).Output; got != "é" {
		t.Errorf("output %q: want the half character dropped", got)
	}
}

// fuzzResult puts a verdict into a message as the prober does.
func fuzzResult(v Verdict) *events.Result {
	return &events.Result{
		ID: "x", Node: "n", Site: "n", Check: events.Check{Host: "h", Test: "t"},
		Status: v.Status, Output: v.Output, Detail: v.Detail, Perf: v.Perf,
	}
}

func FuzzJudge(f *testing.F) {
	for _, c := range judgeCases {
		f.Add(c.seen.Stdout, c.seen.Stderr, c.seen.Exit, int(c.seen.Signal), int64(c.seen.TimedOut), false)
	}
	f.Add([]byte("\xff\x1b[2J\x00|\x9b'a''b'=1e400;~:5;@;U;-"), []byte("\xc3"), 0, 0, int64(0), true)
	f.Fuzz(func(t *testing.T, stdout, stderr []byte, exit, sig int, timedOut int64, cut bool) {
		s := Seen{
			TimedOut: time.Duration(timedOut), Exit: exit, Signal: syscall.Signal(sig),
			Stdout: stdout[:min(len(stdout), maxStdout)], Stderr: stderr[:min(len(stderr), maxStderr)], Cut: cut,
		}
		v := Judge(s)
		if strings.Contains(v.Output, "\n") {
			t.Errorf("output %q has several lines", v.Output)
		}
		for _, r := range v.Output + v.Detail {
			if r < ' ' && r != '\n' && r != '\t' || 0x7f <= r && r <= 0x9f {
				t.Errorf("control character %U in %q, %q", r, v.Output, v.Detail)
			}
		}
		r := fuzzResult(v)
		data, err := events.Encode(r)
		if err != nil {
			t.Fatalf("the bus refuses it: %v", err)
		}
		back, err := events.Decode[events.Result](r.Subject(), data)
		if err != nil {
			t.Fatalf("a reader refuses it: %v", err)
		}
		if d := cmp.Diff(*r, back); d != "" {
			t.Errorf("it changes on the way: %s", d)
		}
		switch line, _, _ := strings.Cut(strings.ReplaceAll(string(s.Stdout), "\r\n", "\n"), "\n"); {
		case s.TimedOut > 0 && v.Status != events.Timeout:
			t.Errorf("past the timeout, and %s", v.Status)
		case s.TimedOut <= 0 && line == "OK" && v.Status != events.OK && !cut:
			t.Errorf("first line OK, and %s", v.Status)
		case v.Status == events.Fail && exit != 2 && !strings.Contains(line, "FAIL"):
			t.Errorf("fail without a reason: %q, exit code %d", s.Stdout, exit)
		}
	})
}

func ExampleJudge() {
	v := Judge(Seen{Stdout: []byte("PING WARNING - 240 ms | rta=240ms;200;500\n"), Exit: 1})
	fmt.Println(v.Status, v.Output, v.Perf[0].Value, v.Perf[0].Unit)
	// Output: warning PING WARNING - 240 ms 240 ms
}
