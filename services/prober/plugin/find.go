package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Prefix is what the file name of every plugin starts with.
const Prefix = "check_"

// Finder looks plugins up in folders, the first one first. It keeps nothing in memory: a look costs a system
// call per folder and two for the file, some hundredths of what starting the plugin costs (BenchmarkFind), and a plugin that comes or goes is noticed at once.
type Finder struct {
	Dirs []string
}

// Find returns the path of check_<name>. The first folder that has an entry of that name decides: a file there that can't
// be executed is an error, not a reason to take another folder's file, or a plugin that lost its mode would silently be
// replaced by a different one. The error says where it looked and what to do.
func (f Finder) Find(name string) (string, error) {
	if err := events.ValidatePlugin(name); err != nil {
		return "", err
	}
	for _, dir := range f.Dirs {
		path := filepath.Join(dir, Prefix+name)
		err := executable(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		return path, nil
	}
	return "", f.notFound(name)
}

// Plugins lists the names (without "check_") of all plugins that could be run now: sorted, each once, at most
// events.MaxPlugins. A folder that does not exist has none.
func (f Finder) Plugins() []string {
	var names []string
	for _, dir := range f.Dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // most hosts lack one of the folders; Find names them when it matters
		}
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), Prefix)
			if ok && !slices.Contains(names, name) {
				if path, err := f.Find(name); err == nil && path != "" {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	return names[:min(len(names), events.MaxPlugins)]
}

// executable returns nil for a regular file, or a link to one, that this process may execute.
func executable(path string) error {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	switch {
	case err == unix.ENOENT || err == unix.ENOTDIR:
		return fs.ErrNotExist
	case err != nil:
		return fmt.Errorf("look at plugin %s: %w", path, err)
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return fmt.Errorf("%s is a folder, want an executable file", path)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is no regular file, want an executable file", path)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS); err != nil {
		return fmt.Errorf("%s is not executable for this user (mode %o); chmod +x may be missing", path, st.Mode&0o7777)
	}
	return nil
}

// notFound says where a plugin was looked for, and points at links that lead nowhere.
func (f Finder) notFound(name string) error {
	if len(f.Dirs) == 0 {
		return fmt.Errorf("%s%s not found: there is no folder to look in", Prefix, name)
	}
	for _, dir := range f.Dirs {
		path := filepath.Join(dir, Prefix+name)
		if to, err := os.Readlink(path); err == nil {
			return fmt.Errorf("%s is a link to %s, which does not exist", path, to)
		}
	}
	return fmt.Errorf("%s%s not found in %s", Prefix, name, strings.Join(f.Dirs, ", "))
}
