package folder_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/bus/folder"
)

// A file is replaced as a whole, for this user's eyes; what a broken-off attempt has left behind is no obstacle; and what
// can't be written leaves the old file as it is.
func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name+".new", []byte("left behind, and longer than what comes"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second, longer", ""} {
		if err := folder.Replace(name, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v, want mode 0600", info, err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("files in the folder: %v, %v, want one", files, err)
	}
	if err := os.Mkdir(name+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := folder.Replace(name, []byte("third")); err == nil {
		t.Error("written, though there was no way to")
	}
	if got, err := os.ReadFile(name); err != nil || len(got) != 0 {
		t.Errorf("after a failure the file has %q, %v", got, err)
	}
	if err := folder.Replace(filepath.Join(dir, "none", "file"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such folder: %v", err)
	}
}
