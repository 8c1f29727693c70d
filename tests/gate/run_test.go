package gate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun: the gate runs every stage whatever became of the others, fails if one of them failed, and says again at the
// end what could not be checked. The stages themselves are stubs here.
func TestRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make, docker string
		code         int
		want         []string
	}{
		"all fine": {
			"echo ran $1", "exit 0", 0,
			[]string{"ran test\n", "ran test-compose\n", "ran bench\n", "all 21 stages are fine"},
		},
		"the tests fail": {
			"echo ran $1; [ $1 != test ]", "exit 0", 1,
			[]string{"ran lint\n", "ran bench\n", "FAIL (exit code 1)   test ", "fine                 lint ", "1 of 21 stages failed"},
		},
		"the last one fails": {
			"echo ran $1; [ $1 != bench ]", "exit 0", 1,
			[]string{"FAIL (exit code 1)   bench ", "1 of 21 stages failed"},
		},
		"a stage runs out of time": {
			"echo ran $1; [ $1 != lint ] || exit 124", "exit 0", 1,
			[]string{"FAIL (out of time)   lint ", "1 of 21 stages failed"},
		},
		"something can't be checked": {
			`[ $1 != vuln ] || echo "NOT CHECKED: known vulnerabilities"`, "exit 0", 0,
			[]string{"=== summary", "NOT CHECKED: known vulnerabilities\nall 21 stages are fine"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			source, err := os.ReadFile("../../.ci/run")
			if err != nil {
				t.Fatal(err)
			}
			run := filepath.Join(dir, ".ci/run")
			program(t, dir, ".ci/need", "exit 0")
			executable(t, run, string(source))
			program(t, dir, "bin/make", c.make)
			program(t, dir, "bin/docker", c.docker)
			program(t, dir, "bin/go", "echo go version stub")
			code, out := execute(t, dir, []string{"PATH=" + dir + "/bin:" + os.Getenv("PATH")}, run)
			if code != c.code {
				t.Errorf("exit code %d, want %d; it printed:\n%s", code, c.code, out)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("does not say %q; it printed:\n%s", want, out)
				}
			}
		})
	}
}
