package plugins

import (
	"net"
	"strings"
	"testing"
)

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
		{"a list that breaks off", server("#list", "one\tx\nBYE"), "", exitFail, "closed the connection instead of its list of modules"},
		{"a list of everything", server("#list", strings.Repeat("spam\tspam\n", 200_000)), "", exitFail, "no end of its list of modules within 1024 KiB"},
		{"a server that only greets", says(hello), "-m pub", exitFail, `no sign of a word about module "pub" within 1.0 s`},
		{"a name that would be two commands", silent, "-m a/b", exitUnknown, "can't be the name of a module"},
	})
}
