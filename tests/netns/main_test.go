//go:build netns

package netns

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// TestMain refuses to start where the tests can't run: a green run that ran nothing would be a lie.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		refuse("network namespaces need root: run as root, as in sudo make test-netns")
	}
	if err := mayEnter(); err != nil {
		refuse(fmt.Sprintf("this root may not enter network namespaces (%v): run as root of the machine itself, or of a "+
			"container that has CAP_SYS_ADMIN and no user namespace of its own", err))
	}
	for tool, pkg := range map[string]string{"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux", "cat": "coreutils"} {
		if _, err := exec.LookPath(tool); err != nil {
			refuse(fmt.Sprintf("%s is missing: apt-get install %s", tool, pkg))
		}
	}
	rig.Main(m)
}

// mayEnter tries to enter the namespace this process is in already, which changes nothing.
func mayEnter() error {
	here, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return err
	}
	defer here.Close()
	return unix.Setns(int(here.Fd()), unix.CLONE_NEWNET)
}

func refuse(why string) {
	fmt.Fprintln(os.Stderr, "FAIL: tests/netns can't run here: "+why)
	os.Exit(1)
}
