package main

import (
	"errors"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build makes the real binary in a directory of its own.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "dmonitor-plugins")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// start runs a program with no environment but the one given, and returns its exit code and output.
func start(t *testing.T, env []string, argv ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append([]string{}, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// The binary is each plugin through its symlink, and by the plugin's name; link may be done again.
func TestBinary(t *testing.T) {
	t.Parallel()
	bin, dir := build(t), t.TempDir()
	for range 2 {
		if exit, out := start(t, nil, bin, "link", dir); exit != 0 || !strings.Contains(out, "check_ssh") {
			t.Fatalf("link: exit %d, %s", exit, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "SSH-2.0-test\r\n")
			conn.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	cases := []struct {
		rule string
		env  []string
		argv []string
		exit int
		want string
	}{
		{"a symlink", nil, []string{filepath.Join(dir, "check_ssh"), "127.0.0.1", "-p", port}, 0, `ssh answered "SSH-2.0-test"`},
		{"the environment the prober gives", []string{"DMONITOR_HOST=127.0.0.1", "DMONITOR_TIMEOUT=5s"}, []string{filepath.Join(dir, "check_ssh"), "-p", port}, 0, ";;;0;4.500"},
		{"by its full name", nil, []string{bin, "check_tcp", "127.0.0.1", "-p", port}, 0, "answered in"},
		{"by its short name", nil, []string{bin, "tcp", "127.0.0.1", "-p", port}, 0, "answered in"},
		{"a fail", nil, []string{bin, "ssh", "127.0.0.1", "-p", port, "-c", "1ns"}, 2, "FAIL ssh answered"},
		{"a plugin's help is no result", nil, []string{filepath.Join(dir, "check_http"), "--help"}, 3, "--status"},
		{"help", nil, []string{bin, "--help"}, 0, "dmonitor-plugins link DIR"},
		{"nothing at all", nil, []string{bin}, 3, "dmonitor-plugins link DIR"},
		{"a plugin nobody has", nil, []string{bin, "load"}, 3, `no plugin "load" here`},
		{"link without its directory", nil, []string{bin, "link"}, 3, "usage: dmonitor-plugins link DIR"},
		{"link makes the folder", nil, []string{bin, "link", filepath.Join(dir, "new", "folder")}, 0, "check_ssh"},
		{"link where no folder can be", nil, []string{bin, "link", filepath.Join(bin, "folder")}, 1, "make a folder for the plugins"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			if exit, out := start(t, c.env, c.argv...); exit != c.exit || !strings.Contains(out, c.want) {
				t.Errorf("exit %d, %q\nwant %d and %q", exit, out, c.exit, c.want)
			}
		})
	}
}
