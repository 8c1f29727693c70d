package plugins

import (
	"errors"
	"io"
	"net/url"
	"os"
	"strings"
)

// maxSecret is how much of a file with a password is read.
const maxSecret = 16 << 10

// secretFile returns the first line of a file: a password, or a name and a password. They come from files, since
// everybody on a machine can read the arguments of its processes. Its errors are the node's own.
func secretFile(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", own("read the password: %w", err)
	case !info.Mode().IsRegular(): // a pipe would keep us waiting
		return "", own("%s: a password should be in a regular file", path)
	case info.Mode().Perm()&0o007 != 0:
		return "", own("%s: everybody on this node can get at it (mode %04o); chmod 640 it", path, info.Mode().Perm())
	}
	f, err := os.Open(path)
	if err != nil {
		return "", own("read the password: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", own("read the password: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimRight(line, "\r")
	switch {
	case len(data) > maxSecret:
		return "", own("%s has more than %d bytes: is it the file with the password?", path, maxSecret)
	case line == "":
		return "", own("the first line of %s is empty: a password should be there", path)
	}
	return line, nil
}

// withoutLogin is an argument as it may be shown, where a host or a path was wanted and a URL may have come: without what
// is in front of its last @, as a password in a URL may have a / or an @ in it.
func withoutLogin(s string) string {
	scheme := ""
	if before, _, ok := strings.Cut(s, "//"); ok && !strings.Contains(before, "@") {
		scheme = before + "//"
	}
	if i := strings.LastIndex(s, "@"); i >= 0 {
		return scheme + "…" + s[i:]
	}
	return s
}

// shownURL is a URL that a server named as it may be shown: without the password in it.
func shownURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return withoutLogin(s)
	case u.User == nil: // as it came
		return s
	}
	u.User = url.User("…")
	return strings.Replace(u.String(), u.User.String()+"@", "…@", 1)
}

// errBareSecret is what comes of a password among the arguments.
var errBareSecret = errors.New("everybody on this machine can read a password among the arguments: put it into a file and name that")
