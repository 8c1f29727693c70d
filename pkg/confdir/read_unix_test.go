//go:build unix

package confdir

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestReadFIFO: a FIFO without a writer doesn't hold up the reader, whose opening it would wait for ever.
func TestReadFIFO(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, "hosts.d/web"))
	for _, name := range []string{"hosts.d/web/ssh", "nodes.txt", "alert.d"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, problems := Read(os.DirFS(dir), Defaults{})
	want := `alert.d: is a named pipe; want a directory here
hosts.d/web/ssh: is a named pipe; want a regular file here
nodes.txt: is a named pipe; want a regular file here`
	if got := problems.Err().Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
