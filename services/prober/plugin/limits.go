package plugin

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"
)

// Limits bound what a plugin may take of its node. Zero is no limit. They are the kernel's limits of a process (on Linux;
// elsewhere there are none), so a child of a plugin has them too, each for itself.
//
// They are for plugins that are broken, not for plugins that are hostile: they are put on just after the plugin was
// started, when this node is busy some milliseconds into its life, and a plugin that is setuid to another user escapes all
// of them but those that dmonitor has itself. What bounds all plugins together is the service manager's part (TasksMax,
// MemoryMax).
type Limits struct {
	// Memory is how many bytes a process may have to itself and may write to (RLIMIT_DATA), be it touched or not; the stacks
	// of threads are among them. What is reserved without the right to write to it doesn't count (mmap(2), PROT_NONE): runtimes
	// such as Java's and Go's reserve more than any machine has.
	Memory uint64
	// Processes is how many processes and threads dmonitor's user may have more than when they were counted last: at the
	// start, and every ten minutes. The kernel counts by user (RLIMIT_NPROC), so all plugins share it; it doesn't count
	// root's.
	Processes uint64
	// Files is how many files a process may have open (RLIMIT_NOFILE). It may raise that to four times as many by itself.
	Files uint64
	// FileSize is how many bytes a file may have that it writes (RLIMIT_FSIZE).
	FileSize uint64
}

// DefaultLimits leave room for what people write plugins in, on a machine that has this many bytes of memory (0: unknown), where
// this many plugins run at once.
//
// Measured: a plugin in Perl or Python has 5 to 40 MB, one that starts a Java or Go runtime 100 to 200 MB. But Java's asks
// for as much as a 64th of the machine's memory when it starts (its InitialRAMPercentage), and more for itself; a sixteenth
// is four times that. A plugin has one to four processes, one with a Java runtime some thirty threads on a machine with
// many processors. 1,024 open files is what Unix systems give a program by custom.
func DefaultLimits(memory uint64, atOnce int) Limits {
	return Limits{
		Memory: max(1<<30, memory/16), Processes: max(1024, 32*uint64(max(0, atOnce))), Files: 1024, FileSize: 256 << 20,
	}
}

// Signs, in the words of the C library and the usual interpreters, that a process was refused something. LANG is set, so
// the words are English.
var (
	signsOfMemory = signs("annot allocate memory", "ut of memory", "OutOfMemory", "MemoryError", "bad_alloc",
		"nsufficient memory", "Not enough space", "ould not reserve") // the last three are Java's
	signsOfProcesses = signs("Resource temporarily unavailable", "annot fork", "an't fork", "fork failed", "an't start new thread",
		"unable to create native thread", "unable to create new native thread", "pthread_create failed", "ut of system resources")
	// A Java runtime that can't start ends with 1, which would mean a warning.
	signsOfStillbirth = signs("There is insufficient memory for the Java Runtime Environment", "Error occurred during initialization of VM",
		"Could not create the Java Virtual Machine")
	signsOfFiles    = signs("oo many open files")
	signsOfFileSize = signs("ile too large", "ile size limit exceeded")
)

func signs(words ...string) (out [][]byte) {
	for _, w := range words {
		out = append(out, []byte(w))
	}
	return out
}

func shows(text []byte, signs [][]byte) bool {
	return slices.ContainsFunc(signs, func(sign []byte) bool { return bytes.Contains(text, sign) })
}

// looksCrowded tells whether a plugin that wrote this may have been refused a process. Java's runtime writes so to standard
// output.
func looksCrowded(stdout, stderr []byte) bool {
	return shows(stderr, signsOfProcesses) || shows(stdout, signsOfProcesses)
}

// limit says which limit of this node a run has run into, so that what it says is no word about the host; empty if none,
// or if it can't be told. Words alone prove nothing about memory and processes: a plugin may repeat what another host
// said. So they count only if this node has seen that the plugin took half of its memory, or that most of the processes were
// there.
func (s *Seen) limit() string {
	said := func(signs [][]byte) bool { return shows(s.Stderr, signs) || shows(s.Stdout, signs) }
	l := s.Limits
	switch {
	case l.Processes > 0 && s.Crowded && (s.TimedOut > 0 || said(signsOfProcesses)):
		return fmt.Sprintf("the plugins of this node have reached the limit of %d processes", l.Processes)
	case l.Memory > 0 && s.Resident >= l.Memory/2 && (s.Signal != 0 && s.TimedOut == 0 || said(signsOfMemory)):
		return fmt.Sprintf("it has reached this node's limit of %s of memory", mebibytes(l.Memory))
	case l.FileSize > 0 && s.Signal == syscall.SIGXFSZ:
		return s.limitOfFileSize()
	}
	return ""
}

// limitOfFiles says which limit of files a run seems to have run into that is unknown anyway. Of files and their sizes there is
// nothing to be seen afterwards, and what a plugin writes to standard error may come from the host (by ssh, say). So the
// words never stand against a verdict, or a host could choose not to be judged; they only say why there is none.
func (s *Seen) limitOfFiles() string {
	switch {
	case s.Limits.FileSize > 0 && shows(s.Stderr, signsOfFileSize):
		return s.limitOfFileSize()
	case s.Limits.Files > 0 && shows(s.Stderr, signsOfFiles):
		return fmt.Sprintf("it has reached this node's limit of %d open files", s.Limits.Files)
	}
	return ""
}

func (s *Seen) limitOfFileSize() string {
	return fmt.Sprintf("it has reached this node's limit of %s for a file", mebibytes(s.Limits.FileSize))
}

func mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }
