package cmd_test

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func build(t *testing.T, name string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), name)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// start runs a command and returns the first line of its log that matches.
func start(t *testing.T, bin, match string, env ...string) (*exec.Cmd, []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin)
	cmd.Env = env
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if m := regexp.MustCompile(match).FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return cmd, m
		}
	}
	t.Fatalf("%s ended without a line like %s", bin, match)
	return nil, nil
}

// stop sends SIGTERM and wants a clean end.
func stop(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func TestInbox(t *testing.T) {
	t.Parallel()
	cmd, m := start(t, build(t, "demo-inbox"), `shows it on (http://[0-9.:]+/)`, "DEMO_SMTP_LISTEN=127.0.0.1:0", "DEMO_HTTP_LISTEN=127.0.0.1:0", "DEMO_HINT=nothing here")
	resp, err := http.Get(m[1])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "nothing here") {
		t.Errorf("%s, %v", body, err)
	}
	stop(t, cmd)
}

func TestHost(t *testing.T) {
	t.Parallel()
	bin := build(t, "demo-host")
	for _, c := range []struct{ match, ssh string }{
		{`http://127.0.0.1:\d+/ as SSH on 127.0.0.1:\d+; it is up for 1h0m0s and down for 2s in turns`, "127.0.0.1:0"},
		{`answers on http://127.0.0.1:\d+/; it is up`, "none"},
		{`control on http://127.0.0.1:\d+/`, "none"},
	} {
		cmd, _ := start(t, bin, c.match, "DEMO_HTTP_LISTEN=127.0.0.1:0", "DEMO_SSH_LISTEN="+c.ssh, "DEMO_UP=1h", "DEMO_DOWN=2s", "DEMO_CONTROL_LISTEN=127.0.0.1:0")
		stop(t, cmd)
	}
	if out, err := exec.CommandContext(t.Context(), bin, "--help").Output(); err != nil || !strings.Contains(string(out), "DEMO_CONTROL_LISTEN") {
		t.Errorf("--help: %s, %v", out, err)
	}
}
