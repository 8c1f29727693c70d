package key

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Load takes a file of the right mode, and says of another what to do about it.
func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "cluster.key")
	if err := os.WriteFile(file, []byte(New()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode := range fs.FileMode(0o1000) {
		if mode&0o400 == 0 {
			continue // nobody but root could read it
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		r, err := Load(file)
		fine := mode&0o077 == 0 || mode&0o077 == 0o040 // for the owner, and for a group that may read
		if (err == nil) != fine || (r != nil) != fine {
			t.Errorf("mode %#o: %v", mode, err)
		}
		if !fine && !strings.Contains(err.Error(), "chmod 0600") {
			t.Errorf("mode %#o: %v: what is to be done?", mode, err)
		}
	}
	if _, err := Load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Load(dir); err == nil || !strings.HasSuffix(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	link := filepath.Join(dir, "link")
	_ = os.Chmod(file, 0o600)
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(link); err != nil { // as secrets are mounted into containers
		t.Errorf("a link to it: %v", err)
	}
	if err := os.WriteFile(file, []byte("#\nsecret word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || !strings.HasPrefix(err.Error(), file+":2: not a cluster key") || strings.Contains(err.Error(), "secret word") {
		t.Errorf("no key: %v", err)
	}
}

// A named pipe that nobody writes to doesn't hold anybody up.
func TestLoadPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "cluster.key")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := Load(pipe)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.HasSuffix(err.Error(), "not a regular file") {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("still waiting")
	}
}

// file is what the system says of a file.
type file struct {
	fs.FileInfo
	mode fs.FileMode
	uid  uint32
}

func (f file) Mode() fs.FileMode { return f.mode }
func (f file) Sys() any          { return &syscall.Stat_t{Uid: f.uid} }

// Who owns the file can change it, so that has to be root or who runs this.
func TestOwner(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		owner uint32
		me    int
		want  string
	}{
		{0, 1000, ""},
		{1000, 1000, ""},
		{1000, 0, ""}, // the command line, as root, on a node that runs as somebody else
		{0, 0, ""},
		{1001, 1000, "it belongs to user 1001, who could change it: chown it to root, or to user 1000 who runs this"},
	} {
		err := safe(file{mode: 0o600, uid: c.owner}, c.me)
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("owner %d, for %d: %v, want %q", c.owner, c.me, err, c.want)
		}
	}
}
