package plugin

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test's own binary be a plugin: called through a link named check_x, it does what x says.
func TestMain(m *testing.M) {
	if act, ok := strings.CutPrefix(filepath.Base(os.Args[0]), Prefix); ok {
		os.Exit(perform(act))
	}
	goleak.VerifyTestMain(m)
}

// perform is what the plugins made of this binary do.
func perform(act string) int {
	switch act {
	case "flood": // far more than any limit, on both outputs
		block := []byte(strings.Repeat("all work and no play\n", 50_000))
		fmt.Println("FLOOD OK | written=300MB")
		for range 300 {
			_, _ = os.Stdout.Write(block)
			_, _ = os.Stderr.Write(block[:64<<10])
		}
		return 1
	case "endless": // never stops writing
		for {
			_, _ = os.Stdout.WriteString("more and more and more\n")
		}
	case "deaf": // hears no signal that can be unheard
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
		fmt.Println("I stay")
		time.Sleep(time.Hour)
	case "tree": // children and their children, all in the group
		for range 3 {
			cmd := exec.Command("/bin/sh", "-c", "sleep 3600 & sleep 3600 & wait")
			_ = cmd.Start()
		}
		time.Sleep(time.Hour)
	case "args":
		fmt.Printf("%d arguments, %d bytes\n", len(os.Args)-1, len(strings.Join(os.Args[1:], "")))
	case "prober": // runs a plugin as a prober does, until somebody kills it
		return beProber(os.Args[1])
	case "selftest":
		return beTested(os.Args[1])
	case "bombed":
		return beBombed(os.Args[1])
	case "opener":
		return openMany()
	}
	return 0
}

// beProber runs check_x of a folder until it is killed; see TestMain.
func beProber(dir string) int {
	r, err := NewRunner(Options{Dirs: []string{dir}, Node: "n"})
	if err != nil {
		return 1
	}
	a := r.Run(context.Background(), order("x", long))
	fmt.Println(a.Output)
	return 0
}
