package plugin

import (
	"cmp"
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Limits of what is kept of a plugin's output, in bytes. What exceeds them is read and thrown away.
const (
	maxStdout = events.MaxOutput
	maxStderr = 4 << 10
)

// Seen is how one run of a plugin ended and what it wrote: all that Judge goes by.
type Seen struct {
	TimedOut time.Duration  // the timeout that passed, after which the plugin was killed; 0 if it ended by itself
	NotRun   error          // why the plugin could not be started; nil if it was
	Exit     int            // its exit code, if Signal is 0
	Signal   syscall.Signal // the signal that ended it, 0 if it exited
	Stdout   []byte         // at most events.MaxOutput bytes
	Stderr   []byte         // at most 4 KiB
	Cut      bool           // standard output was longer than what was kept
	Limits   Limits         // under which it ran
	Resident uint64         // the most memory that it, or a child it has waited for, had in bytes; 0 if that is not known
	Crowded  bool           // when it ended there were about as many processes as the limit allows
}

// Verdict is what a run means.
type Verdict struct {
	Status events.Status
	Output string // the first line without perfdata, or why there is none worth showing; one line
	Detail string // further lines, and what the plugin wrote to standard error
	Perf   []events.Perf
}

// Judge tells what a run means. The first row that fits decides:
//
//	it has run into a limit of this node, and that was seen             unknown
//	past the timeout                                                    timeout
//	first line is exactly "OK"                                          ok, whatever the exit code
//	first word is "FAIL"                                                fail, whatever the exit code
//	not started; exit code 126 or 127; ended by a signal                unknown
//	exit code 1, and Java's runtime says that it could not start        unknown
//	nothing but white space on standard output                          unknown
//	exit code 0, 1, 2, 3                                                ok, warning, fail, unknown
//	any other exit code                                                 unknown
//
// A line ends in "\n" or "\r\n". Punctuation after the first word does not belong to it: "FAIL: no route" says FAIL, while
// "FAILED" and "FAIL-SAFE" don't.
func Judge(s Seen) Verdict {
	if s.NotRun != nil {
		return Verdict{Status: events.Unknown, Output: oneLine(s.NotRun.Error())}
	}
	stdout := s.Stdout
	if s.Cut {
		stdout = cutRune(stdout)
	}
	text := clean(stdout)
	said, more, perf := split(text, s.Cut)
	v := Verdict{Detail: detail(more, clean(s.Stderr), s.Cut), Perf: parsePerf(perf)}
	var why string
	v.Status, why = status(s, text)
	v.Output = output(said, more, why)
	return v
}

// status walks the rows of Judge's table. Why is empty where the plugin's own words say enough.
func status(s Seen, text string) (st events.Status, why string) {
	line, _, _ := strings.Cut(text, "\n")
	limit := s.limit()
	switch {
	case limit != "":
		return events.Unknown, limit
	case s.TimedOut > 0:
		return events.Timeout, fmt.Sprintf("no answer within %v", s.TimedOut)
	case line == "OK":
		return events.OK, ""
	case firstWord(line) == "FAIL":
		return events.Fail, ""
	case s.Exit == 1 && s.Signal == 0 && (shows(s.Stdout, signsOfStillbirth) || shows(s.Stderr, signsOfStillbirth)):
		return events.Unknown, "it needs Java, which could not start on this node"
	}
	if why := noVerdict(s, text); why != "" {
		return events.Unknown, cmp.Or(s.limitOfFiles(), why)
	}
	return [...]events.Status{events.OK, events.Warning, events.Fail, events.Unknown}[s.Exit], ""
}

// noVerdict says why a run that ended by itself means nothing; empty if its exit code is one from 0 to 3, and counts.
func noVerdict(s Seen, text string) string {
	switch {
	case s.Signal != 0:
		return "killed by " + signalName(s.Signal)
	case s.Exit == 126:
		return "exit code 126: something in it could not be executed"
	case s.Exit == 127:
		return "exit code 127: something it needs was not found"
	case strings.TrimSpace(text) == "":
		return fmt.Sprintf("no output, exit code %d", s.Exit)
	case s.Exit < 0 || s.Exit > 3:
		return fmt.Sprintf("exit code %d means nothing (0 ok, 1 warning, 2 fail, 3 unknown)", s.Exit)
	}
	return ""
}

// firstWord is what stands before the first blank or "|", without punctuation at its end.
func firstWord(line string) string {
	line, _, _ = strings.Cut(line, "|")
	words := strings.Fields(line)
	if len(words) == 0 {
		return ""
	}
	return strings.TrimRight(words[0], ".,:;!-")
}

// output is the line people read: why the plugin's answer does not count, if so, and then its first words.
func output(said, more, why string) string {
	if said == "" {
		said, _, _ = strings.Cut(more, "\n")
	}
	switch {
	case why == "":
		return limit(said, 3*maxStdout)
	case said == "":
		return why
	default:
		return limit(why+"; it said: "+said, 3*maxStdout)
	}
}

// detail puts the further lines and standard error together.
func detail(more, stderr string, cut bool) string {
	if cut {
		more += fmt.Sprintf("\n[output past %d bytes was thrown away]", maxStdout)
	}
	if stderr = strings.TrimSpace(stderr); stderr != "" {
		more += "\nstandard error: " + stderr
	}
	return strings.TrimPrefix(more, "\n")
}

// oneLine makes an error fit for Output; it may quote a plugin's file.
func oneLine(s string) string {
	return limit(strings.ReplaceAll(clean([]byte(s)), "\n", " "), 3*maxStdout)
}

func limit(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return string(cutRune([]byte(s[:most])))
}

func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return fmt.Sprintf("signal %d (%s)", int(s), name)
	}
	return fmt.Sprintf("signal %d", int(s))
}
