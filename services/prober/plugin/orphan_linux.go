package plugin

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// adopts tells whether processes that lost their parent become children of this one: it is the first process of a
// container, or has asked for it. Then it has to reap what plugins leave behind, or the dead would pile up.
var adopts = sync.OnceValue(func() bool {
	var sub int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&sub)), 0, 0, 0)
	return os.Getpid() == 1 || err == nil && sub != 0
})

// reapOrphans reaps what is left of a group that was killed. Those that are not dead yet it leaves to a goroutine, which
// ends with the last of them.
func reapOrphans(group int) {
	if !reapSome(group, syscall.WNOHANG) {
		go reapSome(group, 0)
	}
}

// reapSome returns true if no child of the group is left.
func reapSome(group, options int) bool {
	for {
		pid, err := syscall.Wait4(-group, nil, options, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return true
		case pid == 0:
			return false
		}
	}
}
