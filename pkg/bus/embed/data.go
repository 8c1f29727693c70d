package embed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Folders inside the data folder, one per mode: a server that opens the other mode's store deletes it.
const (
	singleDir  = "bus-single"
	clusterDir = "bus-cluster"
	lockFile   = "bus.lock"
)

// ErrInUse is returned for a data folder that another process has locked.
var ErrInUse = errors.New("in use by another process")

// lockData makes the data folder and takes it for this process.
func lockData(dir string) (*flock.Flock, error) {
	if dir == "" {
		return nil, errors.New("data folder is not set (DMONITOR_DATA)")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder (DMONITOR_DATA): %w", err)
	}
	lock := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))
	got, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data folder %s: %w", dir, err)
	}
	if !got {
		return nil, fmt.Errorf("lock data folder %s: %w; is dmonitor already running? Each process needs its own DMONITOR_DATA",
			dir, ErrInUse)
	}
	return lock, nil
}

// store returns the folder of this mode, and warns if the other mode's holds a history that nobody carries over.
func (o Options) store() string {
	mine, other := singleDir, clusterDir
	now, before := "alone", "in a cluster"
	if o.clustered() {
		mine, other = other, mine
		now, before = before, now
	}
	if streams, _ := filepath.Glob(filepath.Join(o.Data, other, "jetstream", "*", "streams", "*")); len(streams) > 0 {
		o.Log.Warn().Msgf("this node runs %s now and ran %s before: the outages and notices it kept in %s are NOT carried over yet; "+
			"they stay there untouched", now, before, filepath.Join(o.Data, other))
	}
	return filepath.Join(o.Data, mine)
}
