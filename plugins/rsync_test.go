package plugins

import (
	"io"
	"net"
	"strings"
	"testing"
)

// What the daemon hears are lines that end with a line feed alone: a carriage return might count as part of a name.
func TestRsyncLines(t *testing.T) {
	t.Parallel()
	const want = "@RSYNCD: 31.0\npub\n"
	heard := make([]byte, len(want))
	port := serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "@RSYNCD: 31.0\n")
		if _, err := io.ReadFull(c, heard); err == nil {
			_, _ = io.WriteString(c, "@RSYNCD: OK\n")
		}
	})
	exit, out := try(t, nil, "check_rsync", "127.0.0.1", "-p", port, "-m", "pub")
	expect(t, exit, out, exitOK, "has module")
	if string(heard) != want {
		t.Errorf("the daemon heard %q, want %q", heard, want)
	}
}

func TestRsync(t *testing.T) {
	t.Parallel()
	const hello = "@RSYNCD: 32.0 sha512 md5\n"
	server := func(answers ...string) func(net.Conn) {
		return clerk{hello: hello, answers: append([]string{"@RSYNCD: 31.0", ""}, answers...)}.talk
	}
	list := "hello\n\none            \tthe first\ntwo            \t\n@RSYNCD: EXIT\nBYE"
	tryTalks(t, "check_rsync", []talkCase{
		{"a greeting and a list are enough", server("#list", list), "", exitOK, `rsync answered "@RSYNCD: 32.0 sha512 md5" in `},
		{"modules are counted, the message of the day isn't", server("#list", list), "", exitOK, ", 2 modules"},
		{"no modules are a list, too", server("#list", "@RSYNCD: EXIT\nBYE"), "", exitOK, ", 0 modules"},
		{"a module that is there", server("pub", "hello\n@RSYNCD: OK\n"), "-m pub", exitOK, `, has module "pub"`},
		{"a module that wants a login", server("pub", "@RSYNCD: AUTHREQD abc\n"), "-m pub", exitOK, `, has module "pub" and wants a login for it`},
		{"a module that isn't", server("pub", "@ERROR: Unknown module 'pub'\n"), "-m pub", exitFail, `answered with "@ERROR: Unknown module 'pub'"`},
		{"no list", server("#list", "@ERROR: max connections (5) reached -- try again later\n"), "", exitFail, `"@ERROR: max connections (5) reached -- try again later"`},
		{"no greeting but an error", says("@ERROR: access denied\n"), "", exitFail, `refuses service: it said "@ERROR: access denied"`},
		{"a list without an end", server("#list", "one\tx\n"), "", exitFail, "no end of its list of modules within 1.0 s"},
		{"something else than a list", server("#list", "@RSYNCD: AUTHREQD abc\nBYE"), "", exitFail, "closed the connection instead of its list of modules"},
		{"a list that breaks off", server("#list", "one\tx\nBYE"), "", exitFail, "closed the connection instead of its list of modules"},
		{"a list of everything", server("#list", strings.Repeat("spam\tspam\n", 200_000)), "", exitFail, "no end of its list of modules within 1024 KiB"},
		{"a server that only greets", says(hello), "-m pub", exitFail, `no sign of a word about module "pub" within 1.0 s`},
		{"a name that would be two commands", silent, "-m a/b", exitUnknown, "can't be the name of a module"},
	})
}
