//go:build compose

package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// root is the project's folder, seen from this one.
const root = "../.."

// command runs a program to its end and returns what it wrote to standard output. What it says on standard error goes
// into the error.
func command(ctx context.Context, stdin io.Reader, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, tail(stderr.String(), 2000))
	}
	return stdout.String(), nil
}

// tail is the end of a text, where the reason of a failure usually is.
func tail(text string, n int) string {
	text = strings.TrimSpace(text)
	if len(text) > n {
		text = "…" + text[len(text)-n:]
	}
	return text
}

// needDocker fails the test where Docker or Compose is missing, and returns how Compose is called here.
func needDocker(t *testing.T) []string {
	t.Helper()
	const remedy = "\nremedy: apt-get install docker.io docker-compose, and start the daemon: service docker start"
	if _, err := command(t.Context(), nil, "docker", "info"); err != nil {
		t.Fatalf("this test needs Docker: %v%s", err, remedy)
	}
	for _, compose := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if _, err := command(t.Context(), nil, compose[0], append(compose[1:], "version")...); err == nil {
			return compose
		}
	}
	t.Fatalf("this test needs Compose: neither docker compose nor docker-compose runs%s", remedy)
	return nil
}
