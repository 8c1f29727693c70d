package confdir

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// TestKeep: only what stands in a bad file, or below a bad directory, is taken from before.
func TestKeep(t *testing.T) {
	t.Parallel()
	slow := func(d events.Definition) events.Definition { d.Interval *= 5; return d }
	old := Snapshot{
		Checks:     []events.Definition{check("a", "ping"), check("a", "ssh"), check("b", "ssh")},
		Recipients: []events.Recipient{{Address: "ann@x"}, {Address: "bob@x"}},
		Revoked:    []events.Revocation{{Kind: events.CredentialProber, Name: "a"}, {Kind: events.CredentialReader, Name: "a"}},
		Nodes:      []string{"a:2929", "b:2929"},
	}
	for name, c := range map[string]struct {
		fresh Snapshot
		bad   []string // files with problems
		want  Snapshot
	}{
		"without problems the old counts for nothing": {
			fresh: Snapshot{Nodes: []string{"c:2929"}},
			want:  Snapshot{Nodes: []string{"c:2929"}},
		},
		"a bad file keeps its check, the others are as they are now": {
			fresh: Snapshot{Checks: []events.Definition{slow(check("a", "ping"))}, Recipients: old.Recipients, Nodes: old.Nodes},
			bad:   []string{"hosts.d/a/ssh"},
			want:  Snapshot{Checks: []events.Definition{slow(check("a", "ping")), check("a", "ssh")}, Recipients: old.Recipients, Nodes: old.Nodes},
		},
		"a bad file that was never good gives nothing": {
			fresh: old, bad: []string{"hosts.d/c/ssh"}, want: old,
		},
		"a bad recipient is told as before": {
			fresh: Snapshot{Recipients: []events.Recipient{{Address: "cat@x"}}}, bad: []string{"alert.d/bob@x"},
			want: Snapshot{Recipients: []events.Recipient{{Address: "bob@x"}, {Address: "cat@x"}}},
		},
		"a bad revocation is in force as before, one that was removed isn't": {
			fresh: Snapshot{}, bad: []string{"revoked.d/reader.a"}, want: Snapshot{Revoked: old.Revoked[1:]},
		},
		"a bad nodes.txt keeps the nodes": {
			fresh: Snapshot{}, bad: []string{"nodes.txt"}, want: Snapshot{Nodes: old.Nodes},
		},
		"a host's directory that can't be read keeps its checks, and no other's whose name starts alike": {
			fresh: Snapshot{}, bad: []string{"hosts.d/a"}, want: Snapshot{Checks: old.Checks[:2]},
		},
		"a missing directory keeps everything": {
			fresh: Snapshot{}, bad: []string{"."}, want: old,
		},
		"what is new wins over what was": {
			fresh: Snapshot{Checks: []events.Definition{slow(check("b", "ssh"))}}, bad: []string{"hosts.d"},
			want: Snapshot{Checks: []events.Definition{check("a", "ping"), check("a", "ssh"), slow(check("b", "ssh"))}},
		},
		"a slip in a top name keeps nothing": {
			fresh: Snapshot{}, bad: []string{"host.d", "hosts"}, want: Snapshot{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var problems Problems
			for _, file := range c.bad {
				problems = append(problems, Problem{File: file, Message: "bad"})
			}
			if diff := cmp.Diff(c.want, Keep(old, c.fresh, problems)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestDefaults: a silent file gets the defaults given, and a timeout that fits its interval.
func TestDefaults(t *testing.T) {
	t.Parallel()
	d := Defaults{Interval: 20 * time.Second, Timeout: 15 * time.Second, Agree: 3}
	for name, c := range map[string]struct {
		file              string
		interval, timeout time.Duration
		problem           string
	}{
		"an empty file has the defaults":                        {"", 20 * time.Second, 15 * time.Second, ""},
		"the default timeout is lowered to a shorter interval":  {"interval: 5s\n", 5 * time.Second, 5 * time.Second, ""},
		"a timeout of its own stands with the default interval": {"timeout: 20s\n", 20 * time.Second, 20 * time.Second, ""},
		"and is refused where it doesn't fit": {
			"timeout: 21s\n", 0, 0,
			"f:1: timeout: 21s is longer than the interval, 20s; shorten the timeout or look less often",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			def, problems := parseCheck("f", []byte(c.file), events.Check{Host: "a", Test: "b"}, d, edited)
			if c.problem != "" {
				if got := problems.Err(); got == nil || got.Error() != c.problem {
					t.Fatalf("got %v, want %s", got, c.problem)
				}
				return
			}
			if err := problems.Err(); err != nil {
				t.Fatal(err)
			}
			if def.Interval.Duration() != c.interval || def.Timeout.Duration() != c.timeout || def.Agree != 3 {
				t.Errorf("got %+v", def)
			}
		})
	}
}

// TestDefaultsValidate: defaults that no check could use are refused.
func TestDefaultsValidate(t *testing.T) {
	t.Parallel()
	for _, d := range []Defaults{{}, {Interval: time.Hour}, {Interval: 5 * time.Second}, {Timeout: 2 * time.Minute}, {Agree: 1}} {
		if err := d.Validate(); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	}
	for _, d := range []Defaults{{Interval: time.Millisecond}, {Timeout: time.Millisecond}, {Agree: -1}, {Interval: 48 * time.Hour}} {
		if d.Validate() == nil {
			t.Errorf("%+v: accepted", d)
		}
	}
}

// TestShort: durations are written as people write them.
func TestShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "24h", time.Minute: "1m", 90 * time.Second: "1m30s", 10 * time.Minute: "10m",
		100 * time.Millisecond: "100ms", 10 * time.Second: "10s", time.Hour + 10*time.Second: "1h0m10s",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
