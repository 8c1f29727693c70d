package embed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
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

// store returns the folder of this mode, ready to be opened, and the folder of a history that this node kept while it was
// alone and that its cluster doesn't have yet; "" if there is none. A history that was kept in a cluster is carried over
// into the folder of a node that is alone now.
func (o Options) store() (dir, old string, err error) {
	single, cluster := filepath.Join(o.Data, singleDir), filepath.Join(o.Data, clusterDir)
	if o.clustered() {
		if len(kept(single)) > 0 {
			old = single
		}
		return cluster, old, nil
	}
	if len(kept(cluster)) > 0 {
		if err := o.carryBack(cluster, single); err != nil {
			return "", "", fmt.Errorf("carry over what this node kept in a cluster (%s): %w; nothing was lost, it stays there", cluster, err)
		}
	}
	return single, "", nil
}

// streamsIn is where a store keeps its streams; the account is the only one there is.
func streamsIn(store string) string {
	return filepath.Join(store, server.JetStreamStoreDir, server.DEFAULT_GLOBAL_ACCOUNT, "streams")
}

// kept lists the streams in a store, by name.
func kept(store string) []string {
	entries, _ := os.ReadDir(streamsIn(store)) // a folder that can't be read is told of by who opens it
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// setAside renames a folder, so that it is not found again as a store, and returns its new name.
func setAside(dir, why string) (string, error) {
	name := fmt.Sprintf("%s.%s-%s", dir, why, time.Now().UTC().Format("20060102T150405.000Z"))
	if err := os.Rename(dir, name); err != nil {
		return "", fmt.Errorf("set %s aside: %w", dir, err)
	}
	return name, syncDir(filepath.Dir(dir))
}
