package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/mattn/go-isatty"

	"github.com/dmonitor/dmonitor/pkg/key"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

type keygenCmd struct {
	Out string `short:"o" placeholder:"FILE" help:"Write it to this file, mode 0600; as root, also readable for the group dmonitor if there is one. A file that is there is left alone."`
}

// Help is shown under the command's flags.
func (keygenCmd) Help() string {
	return "The same key on every node is all it takes for them to trust each other, and nobody else:\n\n" +
		"    dmonitor keygen -o /etc/dmonitor/cluster.key\n\n" +
		"Copy the file to the other nodes, by a way that nobody listens to."
}

// Run prints a new cluster key, or writes it to a file.
func (c keygenCmd) Run(a *app) error {
	text := []byte(key.New() + "\n")
	if c.Out == "" {
		if _, err := a.stdout.Write(text); err != nil {
			return fmt.Errorf("print the key: %w", err)
		}
		if isTerminal(a.stdout) {
			fmt.Fprintln(a.stderr, "# It is written down nowhere. To have it in a file: dmonitor keygen -o /etc/dmonitor/cluster.key")
		}
		return nil
	}
	err := writeNew(c.Out, text, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hintError{
			fmt.Errorf("%s is there already, and is left alone: nodes with another key would not talk to this one any more", c.Out),
			"to change the key of a cluster, see docs/credentials.md; to begin anew, remove the file first",
		}
	}
	if err != nil {
		return hintError{fmt.Errorf("write the key: %w", err), "as root, or to another folder"}
	}
	ring, err := key.Parse(c.Out, text)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "wrote the new cluster key %s to %s%s\n", ring, c.Out, letGroupRead(c.Out))
	fmt.Fprintf(a.stdout, "next: copy it to the same place on every node; a node that runs takes it up within seconds\n")
	if e, err := a.env(); err == nil {
		if want, _ := e.KeyPath(); !sameFile(want, c.Out) {
			fmt.Fprintf(a.stdout, "note: dmonitor looks for it at %s, or where DMONITOR_KEY_FILE says\n", want)
		}
	}
	return nil
}

// group is the one that the packages run dmonitor as.
const group = "dmonitor"

// letGroupRead has the user read the key that a package runs dmonitor as, and says so.
func letGroupRead(file string) string {
	g, err := user.LookupGroup(group)
	if err != nil || os.Geteuid() != 0 {
		return ""
	}
	gid, err := strconv.Atoi(g.Gid)
	if err == nil {
		err = os.Chown(file, -1, gid)
	}
	if err == nil {
		err = os.Chmod(file, 0o640)
	}
	if err != nil {
		return fmt.Sprintf(" (but the group %s can't read it: %v)", group, err)
	}
	return ", readable for the group " + group
}

// writeNew writes a file that must not be there yet. It is whole or it isn't there.
func writeNew(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if serr := f.Sync(); err == nil {
		err = serr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(path) // half a secret is of no use; that there was an error is told anyway
	}
	return err
}

// replace writes a file in place of another, in one step.
func replace(path string, data []byte, mode os.FileMode) error {
	dir, name := filepath.Split(path)
	next := filepath.Join(dir, fmt.Sprintf(".%s.%d", name, os.Getpid())) // a name that the configuration's reader passes over
	if err := writeNew(next, data, mode); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		_ = os.Remove(next) // as above
		return err
	}
	return nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	two, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(one, two)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// ring reads the cluster key of this host, which there has to be.
func (a *app) ring() (*key.Ring, proc.Env, error) {
	e, err := a.env()
	if err != nil {
		return nil, e, err
	}
	path, _ := e.KeyPath()
	ring, err := e.LoadKey()
	switch {
	case err != nil:
		return nil, e, err
	case ring == nil:
		return nil, e, hintError{
			fmt.Errorf("there is no cluster key: %s: %w", path, fs.ErrNotExist),
			"on a node that has one, do it there; if none has: dmonitor keygen -o " + path,
		}
	}
	return ring, e, nil
}
