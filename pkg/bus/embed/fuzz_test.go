package embed

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// FuzzServerLog: whatever the server says, part of which others have told it, becomes one line of the log at most, and ends
// nothing unless it says so.
func FuzzServerLog(f *testing.F) {
	for _, s := range []string{
		"Error trying to connect to route (attempt 3)", "RAFT [x - C-R3F-y] JetStream cluster stream 'a > b' has NO quorum, stalled",
		"%!s(MISSING) %d", "a\nb\x1b[2J", "remote has duplicate name \"n1\"", "x, our server was removed from the cluster", "12 34 12",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		var out bytes.Buffer
		failed, taken := 0, 0
		l := newServerLog(zerolog.New(&out), func(error) { failed++ }, func(string) { taken++ })
		l.Warnf("%s", said)
		l.Errorf("%s", said)
		l.Noticef("%s", said)
		if failed != 0 || taken > 1 || (taken == 1) != strings.Contains(said, "duplicate name") {
			t.Errorf("%q: failed %d, taken %d", said, failed, taken)
		}
		if n := bytes.Count(out.Bytes(), []byte("\n")); n > 3 || bytes.ContainsAny(out.Bytes(), "\x1b\x00\r") {
			t.Errorf("%q became %q", said, out.Bytes())
		}
	})
}

// FuzzReadName: whatever answers on a member's address, a name comes only from a whole first line that a member would say,
// and reading ends when there is no more, or too much.
func FuzzReadName(f *testing.F) {
	f.Add([]byte("INFO {\"server_name\":\"n1\",\"proto\":1}\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Add([]byte("INFO {\"server_name\":7}\r\n"))
	f.Add([]byte("INFO {\"server_name\":\"n1\""))
	f.Add(bytes.Repeat([]byte("INFO "), 20_000))
	f.Fuzz(func(t *testing.T, answer []byte) {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = theirs.Write(answer) // who reads may have heard enough
			_ = theirs.Close()
		}()
		name, err := readName(ours)
		_ = ours.Close()
		line, _, whole := bytes.Cut(answer, []byte("\n"))
		if name != "" && (!whole || !bytes.HasPrefix(line, []byte("INFO "))) || !whole && err == nil || len(name) > 64<<10 {
			t.Errorf("%.200q has the name %q (%v)", answer, name, err)
		}
	})
}
