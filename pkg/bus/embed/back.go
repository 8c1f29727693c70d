package embed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Words in the names of folders that were set aside. They are never deleted.
const (
	wordCarried = "carried" // what it held is in the other mode's folder
	wordBefore  = "before"  // an older history, in whose place another one came
)

// carryBack turns what a member of a cluster kept into the store of a node that is alone: the same messages with the
// same sequences and times, and the same positions of the consumers. A standalone server refuses to open streams that
// have copies elsewhere, but takes their files as they are when a stream of that name is made with one copy.
//
// The files are copied, never moved, and the folder gets its name only when it is whole and on the disk. So when this
// is interrupted it is done again from the start. What is copied is what this member had applied: after a kill -9 that
// can lack what its cluster decided in the last moment.
func (o Options) carryBack(cluster, single string) error {
	streams := kept(cluster)
	o.Log.Info().Msgf("this node runs alone now and ran in a cluster before: carrying over what it kept there (%s)", cluster)
	if !slices.Contains(streams, events.StreamOutages) {
		o.Log.Error().Msgf("this node kept no copy of the outages while it was in the cluster (not every member has one): "+
			"the history stays with the other members, and starts anew here; %s is set aside", cluster)
	}
	half := single + ".new"
	if err := os.RemoveAll(half); err != nil {
		return fmt.Errorf("remove what an interrupted attempt left: %w", err)
	}
	for _, name := range streams {
		if err := copyTree(filepath.Join(streamsIn(half), name), filepath.Join(streamsIn(cluster), name)); err != nil {
			return fmt.Errorf("copy stream %s: %w", name, err)
		}
	}
	if err := syncDir(half); err != nil {
		return err
	}
	if _, err := os.Stat(single); err == nil {
		older, err := setAside(single, wordBefore)
		if err != nil {
			return err
		}
		o.Log.Warn().Msgf("an older history of this node, from before it was in the cluster, stays in %s", older)
	}
	if err := os.Rename(half, single); err != nil {
		return fmt.Errorf("put the copy in place: %w", err)
	}
	aside, err := setAside(cluster, wordCarried)
	if err != nil {
		return err
	}
	o.Log.Info().Strs("streams", streams).Msgf("carried over; the original is kept in %s and may be deleted", aside)
	return nil
}

// copyTree copies a folder, and returns when all of it is on the disk.
func copyTree(to, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch {
		case e.IsDir():
			err = copyTree(dst, src)
		case e.Type().IsRegular():
			err = copyFile(dst, src)
		}
		if err != nil {
			return err
		}
	}
	return syncDir(to)
}

func copyFile(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Sync(), dst.Close())
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
