package embed

import (
	"bytes"
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
