package proc

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// FuzzLoad: whatever the environment says, what is accepted keeps the rules of names and numbers, and nothing is served or
// listened to beyond this host unless somebody has said so.
func FuzzLoad(f *testing.F) {
	f.Add("DMONITOR_NODE=tokyo-1\x00DMONITOR_AGREE=3\x00DMONITOR_NODES=a:2929,b", "tokyo-1.example.com")
	f.Add("DMONITOR_HTTP_LISTEN=0.0.0.0:8080", "x")
	f.Add("DMONITOR_HTTP_LISTEN=[::1%lo]:08\x00DMONITOR_INTERVAL=1ns\x00DMONITOR_NOED=x", "")
	f.Add("DMONITOR_SITE=\x00DMONITOR_LISTEN=127.0.0.2:2929\x00=x\x00DMONITOR_", "\xff\n")
	f.Fuzz(func(t *testing.T, environ, host string) {
		e, err := Load(strings.Split(environ, "\x00"), host)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Error("an error without a word")
			}
			return
		}
		if events.ValidateNode(e.Node) != nil || events.ValidateNode(e.Site) != nil {
			t.Errorf("node %q, site %q", e.Node, e.Site)
		}
		if e.Interval < events.MinInterval || e.Timeout < events.MinTimeout || e.Agree < 1 || e.Concurrency < 0 {
			t.Errorf("accepted: %+v", e)
		}
		for _, n := range e.Nodes {
			if again, err := confdir.ParseNode(n); err != nil || again != n {
				t.Errorf("member %q: %q, %v", n, again, err)
			}
		}
		if at := e.HTTPListen; !e.Insecure && at != HTTPOff && !strings.HasPrefix(at, "127.") && !strings.HasPrefix(at, "localhost:") && !strings.HasPrefix(at, "[") {
			t.Errorf("pages are served on %s", at)
		}
	})
}

// FuzzNodeName: whatever a host is called, its node has a name that is allowed.
func FuzzNodeName(f *testing.F) {
	for _, s := range []string{"www.example.com", "", "-", "ÜBER", strings.Repeat("a-", 100), "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if name := NodeName(host); events.ValidateNode(name) != nil {
			t.Errorf("%q becomes %q: %v", host, name, events.ValidateNode(name))
		}
	})
}

// FuzzNodesTxt: whatever nodes.txt holds, it gives a list of members or says what is wrong with it, never both; and a list
// that is in force is replaced only by one that has been seen as a whole.
func FuzzNodesTxt(f *testing.F) {
	f.Add([]byte("a\nb:2930 # c\n"))
	f.Add([]byte("a b\n\x00"))
	f.Add([]byte(strings.Repeat("#\n", 10)))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, confdir.NodesFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		look := readNodes(dir)
		if look.away || look.problem != "" && len(look.nodes) > 0 {
			t.Errorf("%+v", look)
		}
		if strings.ContainsAny(look.problem, "\x00\x1b") {
			t.Errorf("%q can garble a terminal", look.problem)
		}
		if sorted := slices.Compact(slices.Sorted(slices.Values(look.nodes))); len(sorted) != len(look.nodes) {
			t.Errorf("a member stands twice: %q", look.nodes)
		}
	})
}
