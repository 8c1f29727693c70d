//go:build netns

package netns

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// stayEnv makes TestNothingIsLeftBehind set up a stage and wait to be ended.
const stayEnv = "NETNS_TEST_STAY"

// However these tests end, killed without a word or by Ctrl-C, their processes end with them, and with the last of these
// the kernel removes their namespaces and all links.
func TestNothingIsLeftBehind(t *testing.T) {
	if os.Getenv(stayEnv) != "" {
		stay(t)
	}
	t.Parallel()
	for _, how := range []os.Signal{syscall.SIGKILL, syscall.SIGINT} {
		cmd := exec.Command("/proc/self/exe", "-test.run", "^TestNothingIsLeftBehind$")
		cmd.Env = append(os.Environ(), stayEnv+"=1", "TMPDIR="+t.TempDir()) // it can't remove its files when it is killed
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		spaces, said := map[string]bool{}, ""
		for in := bufio.NewScanner(out); in.Scan() && in.Text() != "set up"; {
			said += in.Text() + "\n"
			if space, ok := strings.CutPrefix(in.Text(), "space "); ok {
				spaces[space] = true
			}
		}
		before := inhabitants(spaces)
		if err := cmd.Process.Signal(how); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if len(spaces) != len(addrs)+1 || before < len(spaces)+len(nodes) {
			t.Errorf("%d namespaces with %d processes: want one for each machine and the switch, and the nodes besides:\n%s", len(spaces), before, said)
		}
		rig.Until(t, fmt.Sprintf("after %v nobody is left in the namespaces", how), func() bool { return inhabitants(spaces) == 0 })
	}
}

// stay sets everything up, tells which namespaces there are, and waits.
func stay(t *testing.T) {
	s := newStage(t, settings{})
	for _, sp := range append([]*space{s.bridge}, s.spaces()...) {
		name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", sp.holder.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("space " + name)
	}
	fmt.Println("set up")
	select {}
}

func (l *lan) spaces() []*space {
	var all []*space
	for _, s := range l.machines {
		all = append(all, s)
	}
	return all
}

// inhabitants counts the processes of this machine that are in one of the network namespaces.
func inhabitants(spaces map[string]bool) int {
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		panic(err)
	}
	n := 0
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil && spaces[name] {
			n++
		}
	}
	return n
}
