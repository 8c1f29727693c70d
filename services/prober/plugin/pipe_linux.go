package plugin

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pipe is the reading end of a plugin's output.
type pipe struct {
	keeper
	fd   int // -1 when closed
	toss []byte
}

func (p *pipe) open() bool { return p.fd >= 0 }

// wanted is what to poll for; a closed pipe is passed over by the kernel.
func (p *pipe) wanted() unix.PollFd { return unix.PollFd{Fd: int32(p.fd), Events: unix.POLLIN} }

// read reads once what poll has said is there, and closes the pipe at its end. The buffer's free room is read into
// directly; what exceeds it goes to a buffer that is made only then.
func (p *pipe) read(revents int16) {
	if revents == 0 {
		return
	}
	if revents&unix.POLLIN == 0 {
		p.close()
		return
	}
	room := p.buf[len(p.buf):cap(p.buf)]
	full := len(room) == 0
	if full {
		if p.toss == nil {
			p.toss = make([]byte, 64<<10) // what a pipe holds
		}
		room = p.toss
	}
	n, err := syscall.Read(p.fd, room)
	switch {
	case errors.Is(err, syscall.EINTR), errors.Is(err, syscall.EAGAIN):
		return
	case n <= 0:
		p.close()
		return
	case full:
		p.cut = true
	default:
		p.buf = p.buf[:len(p.buf)+n]
	}
	if revents&unix.POLLHUP != 0 && n < len(room) { // no writer is left, and this was all
		p.close()
	}
}

func (p *pipe) close() {
	if p.fd >= 0 {
		syscall.Close(p.fd)
		p.fd = -1
	}
}

// poll waits until one of the descriptors is ready, and returns how many are. It returns 0 at the end of the time, and
// also when a signal came; callers look at the clock.
func poll(set []unix.PollFd, wait time.Duration) int {
	ms := (max(wait, 0) + time.Millisecond - 1) / time.Millisecond // rounded up, or the end of a wait would be a busy loop
	n, err := unix.Poll(set, int(min(ms, 1<<30)))
	if err != nil {
		return 0
	}
	return n
}
