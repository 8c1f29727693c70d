//go:build plugins

package plugins

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// built builds dmonitor-plugins once and returns the binary's path.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dmonitor-plugins-bin-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "dmonitor-plugins")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/dmonitor/dmonitor/plugins/cmd/dmonitor-plugins").CombinedOutput()
	if err != nil {
		return "", errors.New("build dmonitor-plugins: " + err.Error() + "\n" + string(out))
	}
	return binary, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if binary, err := built(); err == nil {
		os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(code)
}

// check runs a plugin as a node does, with an empty environment, and returns its exit code and its output, after it has
// looked at whether the two agree. Without -t in args it has a minute: machines are shared.
func check(t *testing.T, name string, args ...string) (int, string) {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{name}, args...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "DMONITOR_TIMEOUT=60"}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	code, line := cmd.ProcessState.ExitCode(), string(out)
	if line == "" || strings.HasPrefix(line, "OK\n") || strings.HasPrefix(line, "FAIL ") != (code == 2) {
		t.Errorf("%s %v: exit code %d and output %q don't agree", name, args, code, line)
	}
	return code, line
}

// row is one call of a plugin and what has to come of it.
type row struct {
	rule string
	args []string
	exit int    // 0 ok, 1 warning, 2 fail, 3 unknown
	want string // is in the output
}

// checks makes all the calls.
func checks(t *testing.T, name string, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.rule, func(t *testing.T) {
			exit, out := check(t, name, r.args...)
			t.Logf("%s %s: %s", name, strings.Join(r.args, " "), strings.TrimSpace(out))
			if exit != r.exit || !strings.Contains(out, r.want) {
				t.Errorf("exit code %d, output %q\nwant %d and %q", exit, out, r.exit, r.want)
			}
		})
	}
}
