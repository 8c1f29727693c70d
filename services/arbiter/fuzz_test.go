package arbiter

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// FuzzKept: what uncommitted.json holds is decisions with their proof, or nothing at all, and is written and read again as
// the same. Out of a broken file nobody is ever told that something is down.
func FuzzKept(f *testing.F) {
	now := time.Unix(1_800_000_000, 0).UTC()
	dir := f.TempDir()
	all := []events.Uncommitted{saidMajority(now), saidOutage(events.Check{Host: "www.example.com", Test: "ssh"}, now)}
	if err := writeKept(dir, all); err != nil {
		f.Fatal(err)
	}
	sample, err := os.ReadFile(filepath.Join(dir, keptFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add(sample[:len(sample)/2])
	f.Add([]byte(`[null,{}]`))
	f.Add([]byte(`[] `))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, keptFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readKept(dir, "n0", now)
		if err != nil {
			if len(got) > 0 {
				t.Errorf("%d records beside the error", len(got))
			}
			return
		}
		for _, u := range got {
			if err := u.Validate(); err != nil || u.By != "n0" {
				t.Errorf("accepted from %s: %v", u.By, err)
			}
			if o := u.Outage; o != nil && o.Event == events.Opened && len(o.Votes) < o.Agree {
				t.Errorf("an opening with %d votes of %d", len(o.Votes), o.Agree)
			}
		}
		if err := writeKept(dir, got); err != nil {
			t.Fatalf("accepted, but can't be kept: %v", err)
		}
		again, err := readKept(dir, "n0", now)
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("kept and read: %v\n%+v\nwant\n%+v", err, again, got)
		}
	})
}

// FuzzAlive: whatever the mark of the last moment alive says, a gap begins before it ends, and ends now.
func FuzzAlive(f *testing.F) {
	now := time.Unix(1_800_000_000, 0).UTC()
	for _, s := range []string{"2026-01-02T03:04:05.5Z\n", "", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "1e9", "2026-01-02\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, aliveFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		gap, err := slept(dir, now)
		if err != nil && !gap.To.IsZero() {
			t.Errorf("%+v beside the error", gap)
		}
		if !gap.To.IsZero() && (!gap.To.Equal(now) || now.Sub(gap.From) < aliveGap) {
			t.Errorf("%q: %+v", text, gap)
		}
	})
}

// FuzzNodesFile: whatever nodes.json holds, only what can be a node's name is missed, and what is known is written and read
// again as the same.
func FuzzNodesFile(f *testing.F) {
	for _, s := range []string{`{"tokyo-1":"10.0.0.1:2929","osaka-1":""}`, `{"":"","A":"x","a.b":"y"}`, `{"a":"\u001b[2J","b":"x\ny","c":"\u202e"}`, `null`, `[]`, `{"a":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, nodesFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		nodes, err := readNodes(dir)
		if err != nil {
			return
		}
		for name, addr := range nodes {
			if events.ValidateNode(name) != nil || len(addr) > maxAddr || strings.ContainsFunc(addr, unicode.IsControl) {
				t.Errorf("node %q at %q", name, addr)
			}
		}
		if err := writeNodes(dir, nodes); err != nil {
			t.Fatal(err)
		}
		again, err := readNodes(dir)
		if err != nil || len(nodes) > 0 && !reflect.DeepEqual(again, nodes) {
			t.Errorf("written and read: %v (%v), want %v", again, err, nodes)
		}
	})
}
