package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

const (
	// grace is how long output may still come after the plugin itself has ended: bash ends before the last command of
	// its ">(tee …)" has written.
	grace = 500 * time.Millisecond
	// deathWait is how long a killed plugin may take to be gone. Only one that is stuck in the kernel takes longer.
	deathWait = 2 * time.Second
	// busyRetries bounds the tries to start a file that somebody has open for writing (ETXTBSY): it was just copied
	// there, or another start's child holds it for an instant. The waits double from 5 ms: 155 ms in all.
	busyRetries = 5

	// MaxStuck is how many killed plugins may be stuck in the kernel before nothing more is started.
	MaxStuck = 32

	// defaultPath is PATH where the prober has none.
	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// Options of a Runner.
type Options struct {
	Dirs []string // where plugins are looked for, the first one first; relative ones are made absolute
	Node string   // what plugins see as DMONITOR_NODE
	// Limits of every plugin; none if zero, but for that of core dumps: there are none of plugins.
	Limits Limits
}

// Runner runs plugins. It may be used from many goroutines at once; each Run holds one operating system thread.
type Runner struct {
	Finder
	node  string
	path  string   // PATH=…
	stdin *os.File // /dev/null
	cage  *cage
	stuck atomic.Int64
	// portable makes Run take the way through os/exec. It is set where the kernel has no process descriptors.
	portable atomic.Bool
	buffers  sync.Pool
}

// Answer is what one run found.
type Answer struct {
	Verdict
	Path    string        // the file that was run; empty if none was found
	Started time.Time     // by this node's clock
	Elapsed time.Duration // until the plugin ended or was given up
	// Stopped is set if the context ended before the plugin did: the plugin was killed and the verdict means nothing.
	Stopped bool
}

// NewRunner makes a Runner. The caller closes it when no Run is under way.
func NewRunner(o Options) (*Runner, error) {
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("open standard input for plugins: %w", err)
	}
	r := &Runner{node: o.Node, stdin: stdin, path: "PATH=" + os.Getenv("PATH"), cage: newCage(o.Limits)}
	if r.path == "PATH=" {
		r.path += defaultPath
	}
	for _, dir := range o.Dirs { // plugins run in the root folder, so a relative path would not lead to them
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("plugin folder %s: %w", dir, err), stdin.Close())
		}
		r.Dirs = append(r.Dirs, abs)
	}
	r.buffers.New = func() any { return new(buffers) }
	r.portable.Store(!fastPath())
	return r, nil
}

// Close frees what the Runner holds.
func (r *Runner) Close() error { return r.stdin.Close() }

// Stuck tells how many killed plugins are not gone yet.
func (r *Runner) Stuck() int { return int(r.stuck.Load()) }

// Run runs a plugin once and judges it. It returns when the plugin has ended, at the latest some seconds after its
// timeout, or soon after ctx has ended. It never fails: a plugin that can't be run is an answer too (unknown).
func (r *Runner) Run(ctx context.Context, run events.Run) Answer {
	started := time.Now()
	path, err := r.Find(run.Plugin)
	if err != nil {
		o := notRun(err)
		return Answer{Started: started, Elapsed: o.ended.Sub(started), Verdict: Judge(o.Seen)}
	}
	return r.runFile(ctx, started, path, run)
}

// runFile runs a file as the plugin.
func (r *Runner) runFile(ctx context.Context, started time.Time, path string, run events.Run) Answer {
	a := Answer{Started: started}
	buf, _ := r.buffers.Get().(*buffers)
	var o outcome
	if r.Stuck() >= MaxStuck {
		o = notRun(fmt.Errorf("%d killed plugins are stuck in the kernel; not starting more", r.Stuck()))
	} else {
		a.Path = path
		o = r.run(ctx, r.command(path, run), buf)
	}
	a.Elapsed, a.Stopped = o.ended.Sub(started), o.stopped
	a.Verdict = Judge(o.Seen)
	r.buffers.Put(buf) // Judge has copied what it keeps
	return a
}

// command is one run, ready for the kernel.
type command struct {
	path    string
	argv    []string
	env     []string
	timeout time.Duration
}

func (r *Runner) command(path string, run events.Run) command {
	argv := make([]string, 0, 2+len(run.Args))
	argv = append(argv, path)
	if len(run.Args) == 0 {
		argv = append(argv, run.Host)
	}
	timeout := run.Timeout.Duration()
	return command{
		path: path,
		argv: append(argv, run.Args...),
		env: []string{
			r.path, "LANG=C.UTF-8", // numbers with a point, words that don't depend on the machine
			"DMONITOR_HOST=" + run.Host, "DMONITOR_TEST=" + run.Test, "DMONITOR_NODE=" + r.node,
			"DMONITOR_TIMEOUT=" + strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64), // seconds, as most tools take it
		},
		timeout: timeout,
	}
}

// outcome is what was seen of a run, and when.
type outcome struct {
	Seen
	ended   time.Time // when the plugin ended, not when the last of its output was read
	stopped bool      // the context ended first
}

func notRun(err error) outcome { return outcome{Seen: Seen{NotRun: err}, ended: time.Now()} }

// run runs a command by the way this machine has.
func (r *Runner) run(ctx context.Context, c command, buf *buffers) outcome {
	if err := ctx.Err(); err != nil {
		o := notRun(err)
		o.stopped = true
		return o
	}
	if !r.portable.Load() {
		o, err := r.runFast(ctx, c, buf)
		if !errors.Is(err, errNoPidfd) {
			return o
		}
		r.portable.Store(true)
	}
	return r.runPortable(ctx, c, buf)
}

// errNoPidfd says that the kernel started a process without a descriptor for it.
var errNoPidfd = errors.New("no process descriptors on this machine")

// retryBusy calls start again for a little while as long as somebody has the file open for writing.
func retryBusy(ctx context.Context, start func() error) error {
	for i := range busyRetries {
		err := start()
		if !errors.Is(err, syscall.ETXTBSY) {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond << i):
		case <-ctx.Done():
			return err
		}
	}
	return start()
}

// startError says in words that help why a file that is there and executable could not be started.
func startError(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT):
		if name := interpreter(path); name != "" {
			return fmt.Errorf("could not start %s: its interpreter %q was not found", path, name)
		}
		return fmt.Errorf("could not start %s: it or the loader it needs was not found", path)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("could not start %s: no program this machine can run (a script needs a first line such as #!/bin/sh)", path)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("could not start %s: not executable for this user, or its interpreter is not, or its file system is mounted noexec", path)
	default:
		return fmt.Errorf("could not start %s: %w", path, err)
	}
}

// interpreter reads the first line of a script: "/bin/sh" of "#!/bin/sh -e".
func interpreter(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	line, _ := bufio.NewReaderSize(f, 256).ReadSlice('\n') // 256 bytes: what Linux reads of it (BINPRM_BUF_SIZE)
	name, found := strings.CutPrefix(string(line), "#!")
	if !found {
		return ""
	}
	name, _, _ = strings.Cut(strings.Trim(name, " \t\n"), " ")
	return name
}

// buffers hold the output of one run.
type buffers struct {
	out [maxStdout]byte
	err [maxStderr]byte
}
