package bus

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func contributed(node, host string) events.Contribution {
	return events.Contribution{Node: node, Time: time.Now(), Checks: []events.Definition{{
		Run:      events.Run{Check: events.Check{Host: host, Test: "ssh"}, Plugin: "ssh", Timeout: events.Millis(time.Second)},
		Interval: events.Millis(time.Minute), Agree: 2, Edited: time.Now(),
	}}}
}

// What was put is what comes back after a restart; nobody else on the machine can read it; the file is left alone as long as
// nothing changes.
func TestMemory(t *testing.T) {
	t.Parallel()
	m := memory{folder: t.TempDir()}
	name := filepath.Join(m.folder, rememberFile)
	if all, err := m.get(); all != nil || err != nil {
		t.Fatalf("out of nothing: %v, %v", all, err)
	}
	put := func(m *memory, all ...events.Contribution) os.FileInfo {
		t.Helper()
		if err := m.put(all); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	a, b := contributed("paris", "www.example.com"), contributed("oslo", "db.example.com")
	first := put(&m, a, b)
	if mode := first.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o", mode)
	}
	if again := put(&m, b, a); !os.SameFile(first, again) {
		t.Error("written again though nothing has changed")
	}
	next := memory{folder: m.folder}
	all, err := next.get()
	if err != nil || len(all) != 2 || len(events.Merge(all).Checks) != 2 {
		t.Errorf("after a restart: %+v, %v", all, err)
	}
	if again := put(&next, all...); !os.SameFile(first, again) {
		t.Error("written again after a restart though nothing has changed")
	}
	if again := put(&next, a); os.SameFile(first, again) {
		t.Error("not written though it has changed")
	}
	if left, _ := filepath.Glob(filepath.Join(m.folder, "*")); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
	none := memory{}
	if all, err := none.get(); all != nil || err != nil || none.put([]events.Contribution{a}) != nil {
		t.Errorf("without a folder: %v, %v", all, err)
	}
}

// A file that isn't as it was written is of no use, whatever is wrong with it.
func TestMemoryIsStrict(t *testing.T) {
	t.Parallel()
	m := memory{folder: t.TempDir()}
	name := filepath.Join(m.folder, rememberFile)
	if err := m.put([]events.Contribution{contributed("paris", "www.example.com")}); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	swap := func(old, with string) []byte {
		t.Helper()
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("no %s in %s", old, good)
		}
		return bytes.Replace(good, []byte(old), []byte(with), 1)
	}
	for what, data := range map[string][]byte{
		"empty":                nil,
		"cut off":              good[:len(good)/2],
		"something after it":   append(bytes.Clone(good), "{}"...),
		"another version":      swap(`{"v":1`, `{"v":2`),
		"an unknown key":       swap(`{"v":1`, `{"w":1,"v":1`),
		"another node's":       swap(`"paris":{`, `"oslo":{`),
		"a contribution's key": swap(`www.example.com`, `-rf`),
		"no JSON":              bytes.Repeat([]byte{0}, 100),
		"too long":             append(bytes.Clone(good), bytes.Repeat([]byte(" "), rememberBytes)...),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if all, err := m.get(); err == nil || all != nil || !strings.Contains(err.Error(), rememberFile) {
			t.Errorf("%s: %v, %v", what, all, err)
		}
	}
}

// What is remembered is handed out once, when the bus had its time, and only if it says anything: who has nothing to go
// by has his own directory.
func TestRecall(t *testing.T) {
	t.Parallel()
	m := memory{folder: t.TempDir()}
	handed := 0
	begin := func(ago time.Duration) *follower {
		return &follower{
			b: &Bus{memory: memory{folder: m.folder}, log: zerolog.Nop()}, began: time.Now().Add(-ago),
			handle: func(events.Catalog) { handed++ },
		}
	}
	recall := func(what string, f *follower, want int) {
		t.Helper()
		handed = 0
		f.recall()
		f.recall()
		if handed != want {
			t.Errorf("%s: handed out %d times, want %d", what, handed, want)
		}
	}
	recall("nothing", begin(2*RememberAfter), 0)
	if err := m.put(nil); err != nil {
		t.Fatal(err)
	}
	recall("nothing in it", begin(2*RememberAfter), 0)
	if err := m.put([]events.Contribution{contributed("paris", "www.example.com")}); err != nil {
		t.Fatal(err)
	}
	recall("something", begin(2*RememberAfter), 1)
	recall("too early", begin(RememberAfter/2), 0)
	known := begin(2 * RememberAfter)
	known.hand(events.Catalog{})
	recall("something was read", known, 0)
}

// More than half of the copies have to have been heard lately; the leader is one of them.
func TestLeads(t *testing.T) {
	t.Parallel()
	peer := func(active time.Duration, offline bool) *jetstream.PeerInfo {
		return &jetstream.PeerInfo{Active: active, Offline: offline}
	}
	here, silent, off := peer(time.Second, false), peer(time.Minute, false), peer(0, true)
	for _, tc := range []struct {
		what string
		info *jetstream.ClusterInfo
		why  string
	}{
		{"standalone", nil, ""},
		{"one copy in a cluster", &jetstream.ClusterInfo{Leader: "a"}, ""},
		{"no leader", &jetstream.ClusterInfo{Replicas: []*jetstream.PeerInfo{here, here, here}}, "has no leader"},
		{"all of three", &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{here, here}}, ""},
		{"two of three", &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{here, off}}, ""},
		{"a leader who hears nobody", &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{silent, off}}, "1 of 3 copies"},
		{"one of two", &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{silent}}, "1 of 2 copies"},
		{"three of five", &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{here, here, off, silent}}, ""},
		{"two of five", &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{here, silent, off, silent}}, "2 of 5 copies"},
	} {
		err := leads(tc.info)
		if tc.why == "" && err != nil || tc.why != "" && (err == nil || !strings.Contains(err.Error(), tc.why)) {
			t.Errorf("%s: %v, want %q", tc.what, err, tc.why)
		}
	}
}
