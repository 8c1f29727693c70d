package plugins

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Link makes dir/check_* symlinks to the binary self, which calls Run when it is called by such a name. Done twice it
// changes nothing. A symlink to another place of a binary with the same name, and one that leads nowhere, is replaced;
// anything else of that name is somebody's own plugin: it is left alone, and the error names it. In the binary's own
// directory the symlinks are relative, so that it can be moved as a whole.
func Link(self, dir string) error {
	self, err := filepath.EvalSymlinks(self)
	if err != nil {
		return fmt.Errorf("find this binary: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make a folder for the plugins: %w", err)
	}
	to := self
	if d, err := filepath.EvalSymlinks(dir); err == nil && d == filepath.Dir(self) {
		to = filepath.Base(self)
	}
	var all []error
	for _, name := range Names() {
		all = append(all, linkOne(to, filepath.Join(dir, name)))
	}
	return errors.Join(all...)
}

func linkOne(to, at string) error {
	old, err := os.Readlink(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err := os.Symlink(to, at)
		if now, _ := os.Readlink(at); err != nil && now != to { // another process may have been as quick
			return fmt.Errorf("link %s: %w", at, err)
		}
		return nil
	case err != nil:
		return fmt.Errorf("link %s: there is a file of that name already, and it is no symlink", at)
	case old == to:
		return nil
	}
	if _, err := os.Stat(at); err == nil && filepath.Base(old) != filepath.Base(to) {
		return fmt.Errorf("link %s: there is a symlink to %s already", at, old)
	}
	// Renaming over it leaves no moment without the plugin.
	fresh := at + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("link %s: %w", at, err)
	}
	if err := os.Symlink(to, fresh); err != nil {
		return fmt.Errorf("link %s: %w", at, err)
	}
	if err := os.Rename(fresh, at); err != nil {
		return fmt.Errorf("link %s: %w", at, err)
	}
	return nil
}
