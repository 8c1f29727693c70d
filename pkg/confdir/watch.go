package confdir

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Timing of Watch. An editor's save is several changes within a few milliseconds; a copy of a whole tree goes on for
// longer, and is read once in between if it takes more than maxSettle.
const (
	DefaultSettle = 150 * time.Millisecond
	DefaultReread = 30 * time.Second
	maxSettle     = 2 * time.Second
)

// WatchOptions tunes Watch. The zero value is right for a local directory.
type WatchOptions struct {
	Settle time.Duration // how long nothing may change before the directory is read; default DefaultSettle
	Reread time.Duration // the directory is read anyway this often; default DefaultReread
	Poll   bool          // don't ask the kernel to tell of changes, only read again
}

// Watch calls handle with what is in force in dir and with what is wrong there: at once, and then whenever either has
// changed. It blocks until ctx ends; handle is called from Watch's own goroutine, one call at a time.
//
// What is handed on has been through Keep: a bad file leaves in force what it said when it was last good, as far as this
// Watch has seen it. A changed time of a file is a change too, because the newest edit wins in the cluster.
//
// The kernel tells of most changes, in new host directories too, and for the rest (network file systems, targets of
// symbolic links, a kernel that is out of watches) the directory is read again now and then. It may be missing,
// vanish, come back or be replaced by another at any time; while it is missing everything stays in force.
func Watch(ctx context.Context, dir string, d Defaults, o WatchOptions, handle func(Snapshot, Problems)) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	w := &watch{
		dir: dir, defaults: d, handle: handle,
		settle: cmp.Or(o.Settle, DefaultSettle), reread: cmp.Or(o.Reread, DefaultReread),
		ears: newEars(dir, o.Poll),
	}
	defer w.ears.close()
	w.run(ctx)
}

type watch struct {
	dir            string
	defaults       Defaults
	handle         func(Snapshot, Problems)
	settle, reread time.Duration
	ears           *ears

	told     bool // handle has been called
	snapshot Snapshot
	problems Problems
}

func (w *watch) run(ctx context.Context) {
	settle := time.NewTimer(0) // the first reading is due at once
	defer settle.Stop()
	reread := time.NewTicker(w.reread)
	defer reread.Stop()
	var since time.Time // of the first change that was not read yet; zero if all were
	changed := func() {
		if since.IsZero() {
			since = time.Now()
		}
		settle.Reset(min(w.settle, max(0, maxSettle-time.Since(since))))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.ears.events():
			if w.concerns(e) {
				changed()
			}
		case err := <-w.ears.errors():
			if err != nil { // the kernel has lost count: anything may have changed
				changed()
			}
		case <-reread.C:
			// A file may be half written just now, so a change found here waits its time like any other.
			if snapshot, problems := w.look(); since.IsZero() && !w.same(snapshot, problems) {
				changed()
			}
		case <-settle.C:
			since = time.Time{}
			if snapshot, problems := w.look(); !w.same(snapshot, problems) {
				w.told, w.snapshot, w.problems = true, snapshot, problems
				w.handle(snapshot, problems)
			}
		}
	}
}

// look reads the directory. It listens before it reads, so that whatever the reading missed is heard of.
func (w *watch) look() (Snapshot, Problems) {
	w.ears.listen()
	snapshot, problems := Read(os.DirFS(w.dir), w.defaults)
	return Keep(w.snapshot, snapshot, problems), problems
}

func (w *watch) same(s Snapshot, p Problems) bool {
	return w.told && reflect.DeepEqual(p, w.problems) && reflect.DeepEqual(s, w.snapshot)
}

// concerns tells whether an event may have changed what Read returns. The directory's parent is listened to for the
// directory's own sake only.
func (w *watch) concerns(e fsnotify.Event) bool {
	if filepath.Dir(e.Name) == filepath.Dir(w.dir) {
		return e.Name == w.dir
	}
	return !passedOver(filepath.Base(e.Name))
}
