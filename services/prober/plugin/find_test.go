package plugin

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// put writes a plugin and returns its path.
func put(t testing.TB, dir, name, body string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, Prefix+name)
	if err := os.WriteFile(path, []byte(body), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask may have taken bits
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	a, b, gone := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "gone")
	f := Finder{Dirs: []string{gone, a, b}}
	inB := put(t, b, "one", "", 0o755)
	inA := put(t, a, "both", "", 0o755)
	put(t, b, "both", "", 0o755)
	put(t, a, "plain", "", 0o644)
	put(t, b, "plain", "", 0o755)
	links := map[string]string{"link": inB, "broken": filepath.Join(a, "nowhere")}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(a, Prefix+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(a, "check_dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ rule, name, path, err string }{
		{"a folder that lacks it is passed over", "one", inB, ""},
		{"the first folder wins", "both", inA, ""},
		{"a link to a plugin is a plugin", "link", filepath.Join(a, "check_link"), ""},
		{"a file that is not executable is not passed over", "plain", "", "not executable"},
		{"a folder is no plugin", "dir", "", "is a folder"},
		{"not found says where it looked", "none", "", "check_none not found in " + gone + ", " + a + ", " + b},
		{"a link that leads nowhere is named", "broken", "", "which does not exist"},
		{"a name can't leave the folder", "../one", "", "plugin name"},
		{"a name can't be empty", "", "", "plugin name is empty"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			path, err := f.Find(c.name)
			if path != c.path || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("Find(%q) = %q, %v; want %q, %q", c.name, path, err, c.path, c.err)
			}
		})
	}
	if got, want := f.Plugins(), []string{"both", "link", "one"}; !slices.Equal(got, want) {
		t.Errorf("plugins %q, want %q", got, want)
	}
}

func TestPluginsComeAndGo(t *testing.T) {
	dir := t.TempDir()
	f := Finder{Dirs: []string{dir}}
	path := put(t, dir, "new", "", 0o755)
	if got := f.Plugins(); !slices.Equal(got, []string{"new"}) {
		t.Errorf("a plugin that came is not there: %q", got)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := f.Plugins(); len(got) != 0 {
		t.Errorf("a plugin that lost its mode is still there: %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Find("new"); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("a plugin that was removed: %v", err)
	}
}

func TestNoFolders(t *testing.T) {
	if _, err := (Finder{}).Find("x"); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("error %v", err)
	}
}

func BenchmarkFind(b *testing.B) {
	last := b.TempDir()
	put(b, last, "x", "", 0o755)
	f := Finder{Dirs: []string{b.TempDir(), b.TempDir(), last}}
	for b.Loop() {
		if _, err := f.Find("x"); err != nil {
			b.Fatal(err)
		}
	}
}
