package confdir

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// MaxFile is the largest file in bytes that is read. A note is at most 8 KiB, so nobody needs more by honest means.
const MaxFile = 64 << 10

// maxPerFile bounds the problems that are reported for one file: a wrong file copied here would otherwise fill the log.
const maxPerFile = 20

// Read reads the directory. Problems in the order of their files; a file with a problem contributes nothing. A
// directory without hosts.d, alert.d, revoked.d or nodes.txt is fine; a missing directory is a problem of ".".
func Read(fsys fs.FS, d Defaults) (Snapshot, Problems) {
	r := &reader{fsys: fsys, defaults: d}
	if r.isDir(".", false) {
		r.topNames()
		r.recipients()
		r.revoked()
		r.hosts()
		r.nodes()
	}
	r.snapshot.sort()
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	return r.snapshot, r.problems
}

type reader struct {
	fsys     fs.FS
	defaults Defaults
	snapshot Snapshot
	problems Problems
}

func (r *reader) report(file, message, remedy string) {
	r.problems = append(r.problems, Problem{File: file, Message: message, Remedy: remedy})
}

// topNames reports names that look like a slip of the pen, because a "host.d" would otherwise be watched by nobody.
func (r *reader) topNames() {
	for _, name := range r.list(".") {
		if slices.Contains(topNames, name) {
			continue
		}
		if meant := Nearest(name, topNames); meant != "" {
			r.report(name, "not read", "did you mean "+meant+"?")
		}
	}
}

func (r *reader) hosts() {
	if !r.isDir(HostsDir, true) {
		return
	}
	for _, host := range r.list(HostsDir) {
		dir := path.Join(HostsDir, host)
		if err := events.ValidateHost(host); err != nil {
			r.report(dir, err.Error(), "")
			continue
		}
		if !r.isDir(dir, true) {
			continue
		}
		for _, test := range r.list(dir) {
			r.check(events.Check{Host: host, Test: test})
		}
	}
}

func (r *reader) check(c events.Check) {
	file := path.Join(HostsDir, c.Host, c.Test)
	if c.Test[0] == '_' {
		r.report(file, fmt.Sprintf("%q is a reserved name", c.Test), "names that start with _ are kept for later; rename or remove it")
		return
	}
	if err := events.ValidateTest(c.Test); err != nil {
		remedy := ""
		if strings.Contains(c.Test, ".") {
			remedy = "a test's file has no extension; rename or remove it"
		}
		r.report(file, err.Error(), remedy)
		return
	}
	data, edited, ok := r.read(file)
	if !ok {
		return
	}
	def, problems := parseCheck(file, data, c, r.defaults, edited)
	r.problems = append(r.problems, problems...)
	if len(problems) == 0 {
		r.snapshot.Checks = append(r.snapshot.Checks, def)
	}
}

func (r *reader) recipients() {
	if !r.isDir(AlertDir, true) {
		return
	}
	seen := map[string]string{}
	for _, address := range r.list(AlertDir) {
		file := path.Join(AlertDir, address)
		if err := events.ValidateRecipient(address); err != nil {
			r.report(file, err.Error(), "")
			continue
		}
		data, edited, ok := r.read(file)
		if !ok {
			continue
		}
		// Mail servers don't tell the two apart, and nobody wants every notice twice.
		if first, twice := seen[strings.ToLower(address)]; twice {
			r.report(file, "the same recipient as "+first, "keep one of the two")
			continue
		}
		seen[strings.ToLower(address)] = address
		rec, problems := parseRecipient(file, data, address, edited)
		r.problems = append(r.problems, problems...)
		if len(problems) == 0 {
			r.snapshot.Recipients = append(r.snapshot.Recipients, rec)
		}
	}
}

func (r *reader) revoked() {
	if !r.isDir(RevokedDir, true) {
		return
	}
	for _, name := range r.list(RevokedDir) {
		file := path.Join(RevokedDir, name)
		who, err := whoIsRevoked(name)
		if err != nil {
			r.report(file, err.Error(), "")
			continue
		}
		if len(r.snapshot.Revoked) == events.MaxRevocations {
			r.report(RevokedDir, fmt.Sprintf("has more than %d files", events.MaxRevocations), "remove those of credentials that have expired")
			return
		}
		data, edited, ok := r.read(file)
		if !ok {
			continue
		}
		rev, problems := parseRevocation(file, data, who, edited)
		r.problems = append(r.problems, problems...)
		if len(problems) == 0 {
			r.snapshot.Revoked = append(r.snapshot.Revoked, rev)
		}
	}
}

func (r *reader) nodes() {
	if _, err := fs.Stat(r.fsys, NodesFile); errors.Is(err, fs.ErrNotExist) && !r.dangling(NodesFile) {
		return
	}
	data, _, ok := r.read(NodesFile)
	if !ok {
		return
	}
	nodes, problems := ParseNodes(NodesFile, data)
	r.problems = append(r.problems, problems...)
	if len(problems) == 0 {
		r.snapshot.Nodes = nodes
	}
}

// isDir tells whether there is a directory at dir, and reports what else is there. A symbolic link is followed.
func (r *reader) isDir(dir string, mayMiss bool) bool {
	info, err := fs.Stat(r.fsys, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && mayMiss && !r.dangling(dir):
		return false
	case errors.Is(err, fs.ErrNotExist) && dir == ".":
		r.report(dir, "the directory does not exist", "create it, or set DMONITOR_CONFIG")
		return false
	case err != nil:
		r.failed(dir, err)
		return false
	case !info.IsDir():
		r.report(dir, "is "+kind(info.Mode()), "want a directory here")
		return false
	}
	return true
}

// list returns the names in a directory, sorted, without what is passed over. What could be read before an error is
// returned too.
func (r *reader) list(dir string) []string {
	entries, err := fs.ReadDir(r.fsys, dir)
	if err != nil {
		r.failed(dir, err)
	}
	var names []string
	for _, e := range entries {
		if !passedOver(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// read returns a regular file's bytes and when it was last changed. It asks what the file is before it opens it, because
// opening a FIFO waits for a writer. A file that vanished since the directory was listed is no problem.
func (r *reader) read(file string) (data []byte, edited time.Time, ok bool) {
	info, err := fs.Stat(r.fsys, file)
	if errors.Is(err, fs.ErrNotExist) && !r.dangling(file) {
		return nil, time.Time{}, false
	}
	if err != nil {
		r.failed(file, err)
		return nil, time.Time{}, false
	}
	if !info.Mode().IsRegular() {
		r.report(file, "is "+kind(info.Mode()), "want a regular file here")
		return nil, time.Time{}, false
	}
	f, err := r.fsys.Open(file)
	if err != nil {
		r.failed(file, err)
		return nil, time.Time{}, false
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		r.failed(file, err)
		return nil, time.Time{}, false
	}
	if len(data) > MaxFile {
		r.report(file, fmt.Sprintf("larger than %d KiB", MaxFile>>10), "shorten it")
		return nil, time.Time{}, false
	}
	return data, info.ModTime().UTC(), true
}

// dangling tells whether there is a symbolic link that leads nowhere.
func (r *reader) dangling(file string) bool {
	info, err := fs.Lstat(r.fsys, file)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// failed reports what the file system said.
func (r *reader) failed(file string, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.report(file, "is a symbolic link that leads nowhere", "remove it, or create what it points to")
	case errors.Is(err, fs.ErrPermission):
		r.report(file, "permission denied", "let the user that dmonitor runs as read it")
	default:
		if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
			err = pe.Err
		}
		r.report(file, "can't be read: "+err.Error(), "")
	}
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m.IsRegular():
		return "a file"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

// passedOver tells whether a name is one that editors and package tools leave lying about.
func passedOver(name string) bool {
	return strings.HasPrefix(name, ".") || // hidden; vi's swap file, emacs' lock
		strings.HasSuffix(name, "~") || // vi's and emacs' backup
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#") || // emacs' autosave
		strings.HasSuffix(name, ".swp") ||
		strings.Contains(name, ".dpkg-") // dpkg's old, new and distributed versions
}
