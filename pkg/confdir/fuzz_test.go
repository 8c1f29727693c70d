package confdir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func seeds(f *testing.F, dir string) {
	entries, err := os.ReadDir(filepath.Join("testdata", dir))
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join("testdata", dir, e.Name()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// sound checks what holds for the problems of any file whatever.
func sound(t *testing.T, problems Problems, data []byte) {
	t.Helper()
	last := strings.Count(string(data), "\n") + 1
	for _, p := range problems {
		if p.File != "f" || p.Message == "" || p.Line < 0 || p.Line > last+1 {
			t.Errorf("problem %+v of a file of %d lines", p, last)
		}
		if strings.ContainsAny(p.String(), "\n\x00\x1b") {
			t.Errorf("%q can garble a terminal", p.String())
		}
	}
	if len(problems) > maxPerFile+1 {
		t.Errorf("%d problems", len(problems))
	}
}

// FuzzCheckFile: whatever a check's file holds, the reader neither fails nor lets through what the bus refuses.
func FuzzCheckFile(f *testing.F) {
	seeds(f, "check")
	f.Add([]byte("interval: 5m\ntimeout: 2s\nagree: 3\nplugin: tcp\nargs: [-p, 2222]\nnodes:\n- a\n- b\n- c\nnote: >-\n  a\n  b\n"))
	f.Add([]byte(strings.Repeat("[", 1000)))
	f.Add([]byte(strings.Repeat("- ", 1000)))
	f.Add([]byte(strings.Repeat("? ", 1000)))
	f.Add([]byte(strings.Repeat("{a: ", 1000)))
	f.Fuzz(func(t *testing.T, data []byte) {
		def, problems := parseCheck("f", data, events.Check{Host: "a", Test: "b"}, Defaults{}, time.Time{})
		sound(t, problems, data)
		if len(problems) > 0 {
			return
		}
		if err := def.Validate(); err != nil {
			t.Errorf("accepted, but: %v", err)
		}
		if def.Timeout > def.Interval || len(def.Nodes) > 0 && len(def.Nodes) < def.Agree {
			t.Errorf("accepted: %+v", def)
		}
	})
}

// FuzzRecipientFile: the same for a recipient's file.
func FuzzRecipientFile(f *testing.F) {
	seeds(f, "recipient")
	f.Fuzz(func(t *testing.T, data []byte) {
		r, problems := parseRecipient("f", data, "ops@example.com", time.Time{})
		sound(t, problems, data)
		if err := r.Validate(); err != nil && len(problems) == 0 {
			t.Errorf("accepted, but: %v", err)
		}
	})
}

// FuzzRevocationFile: the same for a revocation's file, and for the name of one.
func FuzzRevocationFile(f *testing.F) {
	seeds(f, "revoked")
	f.Add([]byte("before: 2026-03-14T12:00:00.5+09:00\nbecause: >-\n  a\n  b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, problems := parseRevocation("f", data, events.Revocation{Kind: events.CredentialProber, Name: "tokyo-1"}, edited)
		sound(t, problems, data)
		if err := r.Validate(); err != nil && len(problems) == 0 {
			t.Errorf("accepted, but: %v", err)
		}
	})
}

// FuzzNodes: what is accepted is read back as itself, and no node stands twice.
func FuzzNodes(f *testing.F) {
	seeds(f, "nodes")
	f.Add([]byte("a\nb:1 # c\n\n[::1]\r\n10.0.0.1:2930\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		nodes, problems := ParseNodes("f", data)
		sound(t, problems, data)
		if len(problems) > 0 {
			return
		}
		again, problems := ParseNodes("f", []byte(strings.Join(nodes, "\n")))
		if len(problems) > 0 || strings.Join(again, " ") != strings.Join(nodes, " ") {
			t.Errorf("%q read back is %q, %v", nodes, again, problems)
		}
	})
}

// FuzzNames: whatever names stand in the directory, what gets into the snapshot is safe on the bus, and the rest is
// reported in printable words or passed over.
func FuzzNames(f *testing.F) {
	f.Add("www.example.com", "ssh", "ops@example.com", "prober.tokyo-1")
	f.Add("-rf", "_host", "Bob <bob@example.com>", "node.a")
	f.Add("a\nb", "SSH.bak", "\xff@x", "reader.a.b")
	f.Add("..", "a/b", ".", "operator")
	f.Fuzz(func(t *testing.T, host, test, address, revoked string) {
		m := tree(map[string]string{"hosts.d/" + host + "/" + test: "", "alert.d/" + address: "", "revoked.d/" + revoked: ""})
		s, problems := Read(m, Defaults{})
		for _, d := range s.Checks {
			if err := d.Validate(); err != nil {
				t.Error(err)
			}
		}
		for _, r := range s.Recipients {
			if err := r.Validate(); err != nil {
				t.Error(err)
			}
		}
		for _, r := range s.Revoked {
			if err := r.Validate(); err != nil {
				t.Error(err)
			}
		}
		for _, p := range problems {
			if strings.ContainsAny(p.String(), "\n\x00\x1b") {
				t.Errorf("%q can garble a terminal", p.String())
			}
		}
	})
}

// TestLines: the line of a problem is right whatever stands above it. (Positions are the reason for the library we use,
// and easily wrong after values of several lines.)
func TestLines(t *testing.T) {
	t.Parallel()
	above := map[string]string{
		"interval":   "interval: 5m # often",
		"timeout":    "timeout:\n  5s",
		"agree":      "\n\nagree: 1\n",
		"plugin":     "'plugin': \"tcp\"",
		"args":       "args:\n- a # one\n# between\n- |\n  b\n  c\n\n- \"d\n  e\"",
		"nodes":      "nodes: [a,\n  b,\n\n  c]",
		"recipients": "recipients:\n  - a@x\n\n  - 'b@x'",
		"note":       "note: >-\n  a\n\n  b # no comment\n",
	}
	rapid.Check(t, func(t *rapid.T) {
		chosen := rapid.Permutation(checkKeys).Draw(t, "keys")[:rapid.IntRange(0, len(checkKeys)).Draw(t, "count")]
		var b strings.Builder
		for _, k := range chosen {
			b.WriteString(above[k] + "\n")
		}
		text := b.String()
		want := strings.Count(text, "\n") + 1
		text += "bad: 1\n"
		if rapid.Bool().Draw(t, "crlf") {
			text = strings.ReplaceAll(text, "\n", "\r\n")
		}
		_, problems := parseCheck("f", []byte(text), events.Check{Host: "a", Test: "b"}, Defaults{}, time.Time{})
		if len(problems) != 1 || problems[0].Line != want || !strings.Contains(problems[0].Message, "unknown key") {
			t.Fatalf("want the unknown key on line %d, got:\n%v\nof:\n%s", want, problems.Err(), text)
		}
	})
}
