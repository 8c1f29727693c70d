package plugin

import (
	"context"
	"errors"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

// runPortable runs a command through os/exec. It costs a goroutine and a wake-up per pipe more than runFast, and it can
// tell only after the plugin was reaped that it has ended: between that and the kill of its group the kernel could in
// theory give the group's number away.
func (r *Runner) runPortable(ctx context.Context, c command, buf *buffers) outcome {
	limit, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	stdout, stderr := keeper{buf: buf.out[:0]}, keeper{buf: buf.err[:0]}
	var killed, crowded atomic.Bool
	var cmd *exec.Cmd
	err := retryBusy(limit, func() error {
		cmd = exec.CommandContext(limit, c.path)
		cmd.Args, cmd.Env, cmd.Dir = c.argv, c.env, "/"
		cmd.Stdin, cmd.Stdout, cmd.Stderr = r.stdin, &stdout, &stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.WaitDelay = grace
		cmd.Cancel = func() error {
			killed.Store(true)
			crowded.Store(r.cage.crowded())
			return killGroup(cmd.Process.Pid)
		}
		return cmd.Start()
	})
	if err != nil {
		return notRun(startError(c.path, err))
	}
	r.cage.put(cmd.Process.Pid)
	_ = cmd.Wait() // what it says is in ProcessState; a broken pipe or a late grandchild is no news
	ended := time.Now()
	if looksCrowded(stdout.buf, stderr.buf) && r.cage.crowded() {
		crowded.Store(true)
	}
	_ = killGroup(cmd.Process.Pid) // what is left of it
	o := outcome{ended: ended, Seen: Seen{
		Stdout: stdout.buf, Stderr: stderr.buf, Cut: stdout.cut, Limits: r.cage.limits, Crowded: crowded.Load(),
	}}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
		usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		o.setEnd(ws, usage)
	}
	switch {
	case killed.Load() && ctx.Err() != nil:
		o.stopped = true
	case killed.Load():
		o.TimedOut = c.timeout
	}
	return o
}

// muchMemory is from where on it is looked at what a plugin had, in KiB: few plugins have so much, and all others are spared
// a system call.
const muchMemory = 32 << 10

// setEnd takes over how a process ended, and what it had taken. Linux lets a process begin with the memory of the one that
// started it, so less than this process has ever had proves nothing.
func (s *Seen) setEnd(ws syscall.WaitStatus, usage *syscall.Rusage) {
	var own syscall.Rusage
	if usage != nil && usage.Maxrss > muchMemory && syscall.Getrusage(syscall.RUSAGE_SELF, &own) == nil && usage.Maxrss > own.Maxrss {
		s.Resident = uint64(usage.Maxrss) << 10 // in KiB, by getrusage(2) of Linux
	}
	if ws.Signaled() {
		s.Signal = ws.Signal()
		return
	}
	s.Exit = ws.ExitStatus()
}

// killGroup kills the process group that the plugin leads, and the plugin, should it have moved to another one.
func killGroup(pid int) error {
	return errors.Join(syscall.Kill(-pid, syscall.SIGKILL), syscall.Kill(pid, syscall.SIGKILL))
}

// keeper keeps the first bytes written to it, as many as its buffer holds, and forgets the rest.
type keeper struct {
	buf []byte
	cut bool
}

func (k *keeper) Write(p []byte) (int, error) {
	room := cap(k.buf) - len(k.buf)
	if len(p) > room {
		k.cut = true
	}
	k.buf = append(k.buf, p[:min(room, len(p))]...)
	return len(p), nil
}
