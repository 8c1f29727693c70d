// Package folder writes the small files that dmonitor keeps in its data folder beside the bus's own store.
//
// What holds: a file is its old content or its new one, whatever happens in between, a power cut included; and when
// Replace returns nil, it is the new one. Only this user can read it. Nobody else writes in the data folder, which the bus
// has locked; two goroutines must not replace the same file at once.
package folder

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace writes a file in place of the one that has its name, if there is one. The error is os.ErrNotExist if the folder
// is missing.
func Replace(name string, data []byte) error {
	next := name + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(next, name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name)) // It is the folder that has the new name in it.
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
