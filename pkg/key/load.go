package key

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Load reads a key file after it has looked at what the file is: a regular one that belongs to root or to whoever runs
// this process, that nobody else can write and that others can't read (mode 0600, or 0640 for a group that may). Root may
// read a file of whomever. The error wraps fs.ErrNotExist or fs.ErrPermission where it is one of those.
func Load(path string) (*Ring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the cluster key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat() // of what was opened, whatever the path means by now
	if err != nil {
		return nil, fmt.Errorf("read the cluster key: %w", err)
	}
	if err := safe(info, os.Geteuid()); err != nil {
		return nil, fmt.Errorf("cluster key %s: %w", path, err)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the cluster key: %w", err)
	}
	return Parse(path, data)
}

// safe says what is wrong with the file a key stands in, for a process of user uid.
func safe(info os.FileInfo, uid int) error {
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if mode := info.Mode().Perm(); mode&0o037 != 0 {
		return fmt.Errorf("its mode %#o lets others at it: chmod 0600 (or 0640 for a group that may read it)", mode)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && uid != 0 && s.Uid != 0 && s.Uid != uint32(uid) { //nolint:gosec // no user's number is negative
		return fmt.Errorf("it belongs to user %d, who could change it: chown it to root, or to user %d who runs this", s.Uid, uid)
	}
	return nil
}
