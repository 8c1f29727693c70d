package deb

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

func versionOf(t *testing.T, describe ...string) (string, error) {
	t.Helper()
	out, err := exec.Command("../../packaging/version", describe...).Output()
	return strings.TrimSpace(string(out)), err
}

// TestVersion: what git describe says becomes a version by which Debian sorts as the commits came.
func TestVersion(t *testing.T) {
	t.Parallel()
	var last string
	for _, c := range []struct{ describe, want string }{
		{"", "0.0.0~git20261122.abc1234"}, // no tag yet
		{"v0.4.0-rc.1", "0.4.0~rc.1"},
		{"v0.4.0-rc.1-3-gabc1234", "0.4.0~rc.1+3.gabc1234"},
		{"v0.4.0-rc.2", "0.4.0~rc.2"},
		{"v0.4.0", "0.4.0"},
		{"v0.4.0-2-g1234abc", "0.4.0+2.g1234abc"},
		{"v0.4.0-12-gabc1234", "0.4.0+12.gabc1234"},
		{"v0.4.0-12-gabc1234-dirty", "0.4.0+12.gabc1234.dirty"},
		{"v0.4.0-dirty", "0.4.0+dirty"},
		{"v0.4.1", "0.4.1"},
		{"v0.10.0", "0.10.0"},
	} {
		got := c.want
		if c.describe != "" {
			var err error
			if got, err = versionOf(t, c.describe); err != nil || got != c.want {
				t.Errorf("%s: %q, want %q (%v)", c.describe, got, c.want, err)
			}
		}
		if dpkg, err := exec.LookPath("dpkg"); err == nil && last != "" && c.describe != "v0.4.0-dirty" {
			if err := exec.Command(dpkg, "--compare-versions", last, "lt", got).Run(); err != nil {
				t.Errorf("Debian does not sort %s before %s", last, got)
			}
		}
		last = got
	}
	for _, bad := range []string{"0.4.0", "abc1234", "v", "v1..2", "v1.0 2", "v1.0-dirty-3"} {
		if got, err := versionOf(t, bad); err == nil {
			t.Errorf("%q is taken, as %s", bad, got)
		}
	}
}

// TestVersionOfThisTree: this very tree has a version, tags or not.
func TestVersionOfThisTree(t *testing.T) {
	t.Parallel()
	if err := exec.Command("git", "rev-parse", "HEAD").Run(); err != nil {
		t.Logf("no git here (%v): nothing to describe", err)
		return
	}
	got, err := versionOf(t)
	if err != nil || !regexp.MustCompile(`^\d+\.\d+\.\d+([+~].*)?$`).MatchString(got) {
		t.Errorf("version %q (%v)", got, err)
	}
}
