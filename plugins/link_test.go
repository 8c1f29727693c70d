package plugins

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLink(t *testing.T) {
	t.Parallel()
	home, dir := t.TempDir(), t.TempDir()
	touch := func(path string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	symlink := func(to, at string) {
		t.Helper()
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	old, self, other := touch(home+"/v1/dmonitor-plugins"), touch(home+"/v2/dmonitor-plugins"), touch(home+"/other")
	symlink(old, dir+"/check_ssh")             // an older place of ours: replaced
	symlink(home+"/gone", dir+"/check_ping")   // leads nowhere: replaced
	symlink(other, dir+"/check_tcp")           // somebody else's: stays
	touch(dir + "/check_http")                 // somebody's own plugin: stays
	symlink("nowhere", dir+"/check_https.new") // left over by a run that was killed
	err := Link(self, dir)
	for _, want := range []string{"check_tcp: there is a symlink to " + other, "check_http: there is a file of that name"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Link: %v, want %q", err, want)
		}
	}
	for name, want := range map[string]string{"check_ssh": self, "check_ping": self, "check_https": self, "check_tcp": other} {
		if got, err := os.Readlink(filepath.Join(dir, name)); err != nil || got != want {
			t.Errorf("%s leads to %q (%v), want %q", name, got, err, want)
		}
	}
	// In the binary's own directory the links are relative, so that it can be moved as a whole.
	if err := Link(self, filepath.Dir(self)); err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		if got, _ := os.Readlink(filepath.Join(home, "v2", name)); got != "dmonitor-plugins" {
			t.Errorf("%s leads to %q", name, got)
		}
	}
}
