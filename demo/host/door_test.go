package host

import (
	"fmt"
	"os/exec"
	"sync"
	"testing"
)

// A fixed port is taken even if programs are being started at the same time: each of them has, for a moment, a copy of every
// socket of this process.
func TestPortIsTakenWhileProgramsStart(t *testing.T) {
	stop := make(chan struct{})
	var starters sync.WaitGroup
	t.Cleanup(func() { close(stop); starters.Wait() })
	for range 6 {
		starters.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = exec.Command("true").Run()
				}
			}
		})
	}
	for i := range 1000 {
		d, err := newDoor(fmt.Sprintf("127.0.7.7:%d", 20000+i), nil)
		if err != nil {
			t.Fatal(err)
		}
		d.close()
	}
}
