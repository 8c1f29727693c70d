package confdir

import (
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// ears listens to the kernel for changes of the directory, its parent (where it is created and replaced), hosts.d,
// alert.d, revoked.d and every host's directory. Whatever can't be listened to is left to Watch's reading again.
type ears struct {
	dir  string
	w    *fsnotify.Watcher      // nil: deaf
	have map[string]os.FileInfo // what was at a path when it was last listened to
}

func newEars(dir string, deaf bool) *ears {
	e := &ears{dir: dir, have: map[string]os.FileInfo{}}
	if deaf {
		return e
	}
	if w, err := fsnotify.NewWatcher(); err == nil {
		e.w = w
	}
	return e
}

func (e *ears) events() <-chan fsnotify.Event {
	if e.w == nil {
		return nil
	}
	return e.w.Events
}

func (e *ears) errors() <-chan error {
	if e.w == nil {
		return nil
	}
	return e.w.Errors
}

func (e *ears) close() {
	if e.w != nil {
		e.w.Close()
	}
}

// listen brings the watches in line with the directories that are there now. A watch belongs to an inode, not to a
// path, so a path that leads to another directory than before is listened to anew.
func (e *ears) listen() {
	if e.w == nil {
		return
	}
	now := map[string]os.FileInfo{}
	for _, path := range e.paths() {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			continue
		}
		if before, ok := e.have[path]; ok && !os.SameFile(before, info) {
			_ = e.w.Remove(path) // else the kernel would keep it; it may also be gone by itself
		}
		// Adding what is there already costs little and repairs a watch that the kernel dropped.
		if e.w.Add(path) == nil {
			now[path] = info
		}
	}
	for path := range e.have {
		if _, ok := now[path]; !ok {
			_ = e.w.Remove(path)
		}
	}
	e.have = now
}

func (e *ears) paths() []string {
	hosts := filepath.Join(e.dir, HostsDir)
	paths := []string{filepath.Dir(e.dir), e.dir, hosts, filepath.Join(e.dir, AlertDir), filepath.Join(e.dir, RevokedDir)}
	entries, _ := os.ReadDir(hosts) // Read reports what is wrong with it
	for _, entry := range entries {
		if !passedOver(entry.Name()) {
			paths = append(paths, filepath.Join(hosts, entry.Name()))
		}
	}
	return paths
}
