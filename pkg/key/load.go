package key

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// Load reads a key file after it has looked at what the file is: a regular one that belongs to root or to whoever runs
// this process, that nobody else can write and that others can't read (mode 0600, or 0640 for a group that may). Root may
// read a file of whomever. The error wraps fs.ErrNotExist or fs.ErrPermission where it is one of those.
func Load(path string) (*Ring, error) {
	data, err := read(path, MaxFile, func(info os.FileInfo) error { return safe(info, os.Geteuid()) })
	if err != nil {
		return nil, fmt.Errorf("read the cluster key: %w", err)
	}
	return Parse(path, data)
}

// read returns what stands in a regular file, and of a larger one a byte more than most. It opens the file first and then
// looks at what was opened, whatever the path means by then; opened like this a named pipe keeps nobody waiting.
func read(path string, most int, look func(os.FileInfo) error) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if err := look(info); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return io.ReadAll(io.LimitReader(f, int64(most)+1))
}

// safe says what is wrong with the file a key stands in, for a process of user uid.
func safe(info os.FileInfo, uid int) error {
	if mode := info.Mode().Perm(); mode&0o037 != 0 {
		return fmt.Errorf("its mode %#o lets others at it: chmod 0600 (or 0640 for a group that may read it)", mode)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && uid != 0 && s.Uid != 0 && s.Uid != uint32(uid) { //nolint:gosec // no user's number is negative
		return fmt.Errorf("it belongs to user %d, who could change it: chown it to root, or to user %d who runs this", s.Uid, uid)
	}
	return nil
}
