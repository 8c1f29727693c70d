package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// quiet is how long only the plugin's end is waited for, not its output. Most plugins write a line and end; they cost
// one wake-up instead of three. One that writes more than a pipe holds waits this long before it is read.
const quiet = 50 * time.Millisecond

// fastPath tells whether the kernel has process descriptors that can be polled (Linux 5.3, or a sandbox that has them).
func fastPath() bool {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return false
	}
	return unix.Close(fd) == nil
}

// runFast starts a plugin by vfork and waits for it in poll, on one thread from start to end. Measured against os/exec it
// saves the goroutines, the network poller and two of three wake-ups. The thread is locked because Pdeathsig means the
// thread that started the plugin, not the process: the plugin would die with a thread that the runtime has no more use
// for. The lock holds that thread until the plugin is gone; a thread that blocks in poll anyway costs nothing more.
func (r *Runner) runFast(ctx context.Context, c command, buf *buffers) (outcome, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := r.start(ctx, c)
	if errors.Is(err, errNoPidfd) {
		return outcome{}, err
	}
	if err != nil {
		return notRun(startError(c.path, err)), nil
	}
	p.out.buf, p.err.buf = buf.out[:0], buf.err[:0]
	unhook := context.AfterFunc(ctx, p.stop)
	ended := p.await(time.Now().Add(c.timeout))
	o := outcome{ended: time.Now()}
	if !ended {
		o.TimedOut = c.timeout
	}
	ws, gone := p.finish(ended)
	unhook()
	o.setEnd(ws, &p.usage)
	o.Crowded = p.crowded
	o.stopped = p.isStopped()
	o.Stdout, o.Stderr, o.Cut, o.Limits = p.out.buf, p.err.buf, p.out.cut, r.cage.limits
	if !gone {
		r.abandon(p)
	}
	return o, nil
}

// process is a plugin that was started.
type process struct {
	pid      int
	fd       int // its descriptor: readable when it has ended
	out, err pipe
	cage     *cage
	crowded  bool           // see Seen
	usage    syscall.Rusage // when it was reaped

	mu      sync.Mutex
	reaped  bool // its number may belong to another process now
	stopped bool // the context ended
}

// start starts a plugin with two pipes. It returns errNoPidfd if the kernel has no descriptor for it.
func (r *Runner) start(ctx context.Context, c command) (*process, error) {
	var out, err [2]int
	if e := syscall.Pipe2(out[:], syscall.O_CLOEXEC); e != nil {
		return nil, fmt.Errorf("make a pipe: %w", e)
	}
	defer syscall.Close(out[1])
	if e := syscall.Pipe2(err[:], syscall.O_CLOEXEC); e != nil {
		syscall.Close(out[0])
		return nil, fmt.Errorf("make a pipe: %w", e)
	}
	defer syscall.Close(err[1])
	p := &process{fd: -1, out: pipe{fd: out[0]}, err: pipe{fd: err[0]}, cage: r.cage}
	attr := &syscall.ProcAttr{
		Dir: "/", Env: c.env, Files: []uintptr{r.stdin.Fd(), uintptr(out[1]), uintptr(err[1])},
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, PidFD: &p.fd},
	}
	e := retryBusy(ctx, func() (e error) {
		p.pid, e = syscall.ForkExec(c.path, c.argv, attr)
		return e
	})
	if e == nil && p.fd < 0 {
		p.kill()
		p.reap()
		e = errNoPidfd
	}
	if e != nil {
		p.out.close()
		p.err.close()
		return nil, e
	}
	r.cage.put(p.pid) // nobody else can have its number: it isn't reaped
	return p, nil
}

// await reads the plugin's output until the plugin has ended. It returns false if the deadline came first, or if the
// context has ended and the plugin is still there a second later.
func (p *process) await(deadline time.Time) bool {
	now := time.Now()
	early := now.Add(quiet)
	if early.After(deadline) {
		early = deadline
	}
	if p.ended(now, early) {
		return true
	}
	for {
		set := [3]unix.PollFd{p.out.wanted(), p.err.wanted(), {Fd: int32(p.fd), Events: unix.POLLIN}}
		stopped := p.isStopped()
		n := poll(set[:], min(time.Until(deadline), time.Second))
		p.out.read(set[0].Revents)
		p.err.read(set[1].Revents)
		switch {
		case set[2].Revents != 0:
			return true
		case n == 0 && (stopped || !time.Now().Before(deadline)):
			return false
		case n > 0 && !time.Now().Before(deadline): // a flood must not put off the end
			return p.ended(deadline, deadline)
		}
	}
}

// ended waits for the plugin's end alone.
func (p *process) ended(now, until time.Time) bool {
	set := [1]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	for {
		if poll(set[:], until.Sub(now)) > 0 {
			return true
		}
		if now = time.Now(); !now.Before(until) {
			return false
		}
	}
}

// finish takes what output is still to come, kills what is left of the group and reaps the plugin. It returns false if
// the plugin was killed and is not gone.
func (p *process) finish(ended bool) (syscall.WaitStatus, bool) {
	if ended {
		p.drain(time.Now().Add(grace))
		p.crowded = looksCrowded(p.out.buf, p.err.buf) && p.cage.crowded()
	} else {
		p.crowded = p.cage.crowded()
		p.kill()
		now := time.Now()
		if ended = p.ended(now, now.Add(deathWait)); ended {
			p.drain(now)
		}
	}
	p.out.close()
	p.err.close()
	if !ended {
		return 0, false
	}
	p.kill() // before reaping: as long as the dead plugin is there, nobody else can have its group's number
	return p.reap(), true
}

// drain reads until all writers are gone, or until the time is past and there is nothing to read just now.
func (p *process) drain(until time.Time) {
	for rounds := 0; p.out.open() || p.err.open(); rounds++ {
		set := [2]unix.PollFd{p.out.wanted(), p.err.wanted()}
		wait := time.Duration(0)
		if rounds > 0 { // the usual plugin has closed both
			wait = time.Until(until)
		}
		n := poll(set[:], wait)
		p.out.read(set[0].Revents)
		p.err.read(set[1].Revents)
		if late := !time.Now().Before(until); late && (n == 0 || rounds > 64) || p.isStopped() {
			return
		}
	}
}

// abandon leaves a plugin that SIGKILL can't end to a goroutine that reaps it when it is gone.
func (r *Runner) abandon(p *process) {
	r.stuck.Add(1)
	go func() {
		defer r.stuck.Add(-1)
		for !p.ended(time.Now(), time.Now().Add(time.Hour)) {
		}
		p.kill()
		p.reap()
	}()
}

// stop kills the plugin because the context has ended.
func (p *process) stop() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.kill()
}

func (p *process) isStopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// kill kills the group, unless its number may have passed to another one.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = killGroup(p.pid)
	}
}

// reap collects the dead plugin and, where orphans are handed to this process, those of its group.
func (p *process) reap() syscall.WaitStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ws syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(p.pid, &ws, 0, &p.usage); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	p.reaped = true
	if p.fd >= 0 {
		syscall.Close(p.fd)
	}
	if adopts() {
		reapOrphans(p.pid)
	}
	return ws
}
