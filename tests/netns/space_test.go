//go:build netns

package netns

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// space is a machine of its own as far as the network goes: a network namespace, and a mount namespace for what
// /etc/resolv.conf is there. It is held by a process that does nothing but wait for the end of its standard input, which
// comes when this process ends, however it does.
type space struct {
	t      testing.TB
	name   string
	holder *exec.Cmd
	net    *os.File
}

func newSpace(t testing.TB, name string) *space {
	t.Helper()
	s := &space{t: t, name: name, holder: exec.Command("cat")}
	s.holder.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	stdin, err := s.holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.holder.Start(); err != nil {
		t.Fatalf("make a network namespace (the kernel may not allow it here, as in most containers): %v", err)
	}
	if s.net, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", s.holder.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		s.net.Close()
		_ = s.holder.Wait()
	})
	s.run("", "ip", "link", "set", "lo", "up")
	return s
}

// inside calls f with the network of the space: sockets and devices that f opens belong there for good. f must open them
// itself, not leave it to a goroutine of its own.
func (s *space) inside(f func()) {
	s.t.Helper()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		s.t.Fatal(err)
	}
	defer home.Close()
	if err := unix.Setns(int(s.net.Fd()), unix.CLONE_NEWNET); err != nil {
		s.t.Fatalf("enter the network of %s: %v", s.name, err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(fmt.Sprintf("a thread is lost in the network of %s: %v", s.name, err))
		}
		runtime.UnlockOSThread()
	}()
	f()
}

// command prepares a program that runs in the space, its files included.
func (s *space) command(args ...string) *exec.Cmd {
	proc := fmt.Sprintf("/proc/%d/ns/", s.holder.Process.Pid)
	return exec.Command("nsenter", append([]string{"--net=" + proc + "net", "--mount=" + proc + "mnt", "--"}, args...)...)
}

// run runs a program in the space to its end; it has to end well.
func (s *space) run(stdin string, args ...string) string {
	s.t.Helper()
	cmd := s.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("in %s: %s: %v: %s\n%s", s.name, strings.Join(args, " "), err, errs.String(), stdin)
	}
	return string(out)
}

// spawn starts a program that stays until the test ends. It gets the end of its standard input when this process ends.
func (s *space) spawn(stderr io.Writer, env []string, args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := s.command(args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = stderr
	if _, err := cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return cmd
}
