//go:build netns

package netns

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slowCable is a cable that takes its time: two TAP devices, and this process between them.
type slowCable struct {
	delay atomic.Int64 // nanoseconds, one way
	moved atomic.Int64 // frames that came out at an end
}

func (c *slowCable) set(oneWay time.Duration) { c.delay.Store(int64(oneWay)) }

// connect makes the ends of the cable, in two spaces.
func (c *slowCable) connect(t testing.TB, a *space, aName string, b *space, bName string) {
	t.Helper()
	x, y := newTAP(t, a, aName), newTAP(t, b, bName)
	go c.carry(x, y)
	go c.carry(y, x)
}

// frame is one on its way.
type frame struct {
	data []byte
	due  time.Time
}

// onTheWay bounds the frames inside a cable, in each direction. More are lost, as in a full queue.
const onTheWay = 10_000

func (c *slowCable) carry(from, to *os.File) {
	way := make(chan frame, onTheWay)
	go func() {
		for f := range way {
			time.Sleep(time.Until(f.due))
			if _, err := to.Write(f.data); err == nil { // an end that is down takes nothing, and the frame is lost
				c.moved.Add(1)
			}
		}
	}()
	defer close(way)
	buf := make([]byte, 65536)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return // the test has ended
		}
		f := frame{append([]byte(nil), buf[:n]...), time.Now().Add(time.Duration(c.delay.Load()))}
		select {
		case way <- f:
		default:
		}
	}
}

// newTAP makes a network device in a space whose frames are read and written by this process. It goes with the test.
func newTAP(t testing.TB, s *space, name string) *os.File {
	t.Helper()
	var tap *os.File
	s.inside(func() {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatalf("open /dev/net/tun (modprobe tun, if the kernel has it as a module): %v", err)
		}
		req, err := unix.NewIfreq(name)
		if err != nil {
			t.Fatal(err)
		}
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
			t.Fatalf("make the device %s: %v", name, err)
		}
		tap = os.NewFile(uintptr(fd), name)
	})
	t.Cleanup(func() { tap.Close() })
	return tap
}
