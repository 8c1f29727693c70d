package events_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func defined(check events.Check, edited time.Time, note string) events.Definition {
	return events.Definition{
		Run: events.Run{Check: check, Plugin: check.Test, Timeout: events.Millis(events.DefaultTimeout)}, Agree: events.DefaultAgree,
		Interval: events.Millis(events.DefaultInterval), Note: note, Edited: edited,
	}
}

func permutations[T any](all []T) [][]T {
	if len(all) < 2 {
		return [][]T{slices.Clone(all)}
	}
	var out [][]T
	for i := range all {
		rest := slices.Concat(all[:i:i], all[i+1:])
		for _, p := range permutations(rest) {
			out = append(out, append([]T{all[i]}, p...))
		}
	}
	return out
}

var ping = events.Check{Host: "www.example.com", Test: "ping"}

// The union is the same in whatever order the contributions come; the newest edit wins, a tie goes to the node that
// sorts first, and every node that says otherwise is named.
func TestMerge(t *testing.T) {
	all := []events.Contribution{
		{Node: "a", Checks: []events.Definition{defined(ssh, at(0), "old"), defined(ping, at(0), "tie a")}, Recipients: []events.Recipient{
			{Address: "ops@example.com", Edited: at(0)}, {Address: "z@example.com", Edited: at(0)},
		}},
		{Node: "b", Checks: []events.Definition{defined(ssh, at(1), "new"), defined(ping, at(0), "tie b")}, Recipients: []events.Recipient{
			{Address: "Ops@example.com", Tests: []string{"ssh"}, Edited: at(1)},
		}},
		{Node: "c", Checks: []events.Definition{defined(ssh, at(-1), "new")}, Recipients: []events.Recipient{
			{Address: "z@example.com", Hosts: []string{"x"}, Edited: at(0)},
		}},
		{Node: "d"},
	}
	for _, p := range permutations(all) {
		cat := events.Merge(p)
		if d := cat.Checks[ssh]; d.Note != "new" || d.From != "b" {
			t.Fatalf("ssh: %q from %s, want the newest edit, b's", d.Note, d.From)
		}
		if d := cat.Checks[ping]; d.Note != "tie a" || d.From != "a" {
			t.Fatalf("ping: %q from %s, want a's, which sorts first", d.Note, d.From)
		}
		conflicts := []events.Conflict{{Check: ping, Used: "a", Other: "b"}, {Check: ssh, Used: "b", Other: "a"}}
		if !reflect.DeepEqual(cat.Conflicts, conflicts) {
			t.Fatalf("conflicts %v, want %v", cat.Conflicts, conflicts)
		}
		recipients := []events.Recipient{
			{Address: "Ops@example.com", Tests: []string{"ssh"}, Edited: at(1)}, {Address: "z@example.com", Edited: at(0)},
		}
		if !reflect.DeepEqual(cat.Recipients, recipients) {
			t.Fatalf("recipients %v, want %v", cat.Recipients, recipients)
		}
		if s := cat.Sorted(); len(s) != 2 || s[0].Check != ping || s[1].Check != ssh {
			t.Fatalf("sorted: %v", s)
		}
	}
	if all[0].Checks[0].From != "" {
		t.Error("Merge wrote into a contribution")
	}
}

// Any node being away, or there twice as many, changes nothing for the others' checks.
func TestMergeOfRandomContributions(t *testing.T) {
	eachSeed(t, 20, func(t *testing.T, g gen) {
		checks := []events.Check{ssh, ping, {Host: "a", Test: "b"}}
		var all []events.Contribution
		for _, node := range []string{"n1", "n2", "n3", "n4"} {
			c := events.Contribution{Node: node}
			for _, check := range checks {
				if g.IntN(3) > 0 {
					c.Checks = append(c.Checks, defined(check, at(time.Duration(g.IntN(3))), g.from("xy", 1, 1)))
				}
			}
			all = append(all, c)
		}
		want := events.Merge(all)
		for _, p := range permutations(all) {
			if got := events.Merge(p); !reflect.DeepEqual(got, want) {
				t.Fatalf("got %+v, want %+v", got, want)
			}
		}
		for check, used := range want.Checks {
			for _, c := range all {
				for _, d := range c.Checks {
					conflict := slices.Contains(want.Conflicts, events.Conflict{Check: check, Used: used.From, Other: c.Node})
					if d.Check == check && (d.Edited.After(used.Edited) || (d.Note != used.Note) != conflict) {
						t.Fatalf("%s: in force is %+v; %s says %+v; conflicts %v", check, used, c.Node, d, want.Conflicts)
					}
				}
			}
		}
	})
}

// Definitions differ by what they say: not by when and where they were written, nor by the order of a list.
func TestConflicts(t *testing.T) {
	base := sampleDefinition()
	for what, c := range map[string]struct {
		change   func(*events.Definition)
		conflict bool
	}{
		"nothing":    {func(*events.Definition) {}, false},
		"edited":     {func(d *events.Definition) { d.Edited = at(-99 * time.Hour) }, false},
		"order":      {func(d *events.Definition) { d.Nodes = []string{"virginia-1", "tokyo-1", "frankfurt-1", "tokyo-1"} }, false},
		"nodes":      {func(d *events.Definition) { d.Nodes = d.Nodes[:2] }, true},
		"recipients": {func(d *events.Definition) { d.Recipients = nil }, true},
		"plugin":     {func(d *events.Definition) { d.Plugin = "tcp" }, true},
		"args":       {func(d *events.Definition) { d.Args = []string{"www.example.com", "-p", "2222"} }, true},
		"timeout":    {func(d *events.Definition) { d.Timeout++ }, true},
		"interval":   {func(d *events.Definition) { d.Interval++ }, true},
		"agree":      {func(d *events.Definition) { d.Agree++ }, true},
		"note":       {func(d *events.Definition) { d.Note = "" }, true},
	} {
		other := sampleDefinition()
		c.change(&other)
		cat := events.Merge([]events.Contribution{
			{Node: "a", Checks: []events.Definition{base}}, {Node: "b", Checks: []events.Definition{other}},
		})
		if got := len(cat.Conflicts) == 1; got != c.conflict {
			t.Errorf("%s: conflicts %v", what, cat.Conflicts)
		}
	}
}

// A check that names its recipients is told to those only; every other to whoever wants it; nobody is told twice.
func TestRecipientsOf(t *testing.T) {
	own := defined(ssh, at(0), "")
	own.Recipients = []string{"zoe@example.com", "adam@example.com", "Zoe@example.com", "zoe@example.com"}
	cat := events.Merge([]events.Contribution{{
		Node: "a", Checks: []events.Definition{own, defined(ping, at(0), "")},
		Recipients: []events.Recipient{
			{Address: "web@example.com", Hosts: []string{"www.*"}},
			{Address: "all@example.com"},
			{Address: "pings@example.com", Tests: []string{"http", "p?ng"}},
			{Address: "db@example.com", Hosts: []string{"db[0-9].example.com"}, Tests: []string{"ping"}},
		},
	}})
	for check, want := range map[events.Check][]string{
		ssh:                                     {"Zoe@example.com", "adam@example.com"},
		ping:                                    {"all@example.com", "pings@example.com", "web@example.com"},
		{Host: "db7.example.com", Test: "ping"}: {"all@example.com", "db@example.com", "pings@example.com"},
		{Host: "db7.example.com", Test: "ssh"}:  {"all@example.com"},
	} {
		if got := cat.RecipientsOf(check); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", check, got, want)
		}
	}
	if got := (events.Catalog{}).RecipientsOf(ssh); len(got) != 0 {
		t.Errorf("nobody configured, told: %v", got)
	}
}

// A check that names nodes is looked at from those only.
func TestLooksFrom(t *testing.T) {
	all, some := events.Definition{}, events.Definition{Nodes: []string{"b1"}}
	if !all.LooksFrom("a1") || some.LooksFrom("a1") || !some.LooksFrom("b1") {
		t.Error("LooksFrom")
	}
}

// TestOperators: who says so, or has an empty file (package confdir fills that in), whatever else he wants to hear of.
func TestOperators(t *testing.T) {
	cat := events.Merge([]events.Contribution{{Node: "a", Recipients: []events.Recipient{
		{Address: "web@example.com", Hosts: []string{"www.*"}},
		{Address: "ops@example.com", Operator: true},
		{Address: "not-me@example.com"},
		{Address: "db@example.com", Tests: []string{"mysql"}, Operator: true},
	}}})
	if got, want := cat.Operators(), []string{"db@example.com", "ops@example.com"}; !slices.Equal(got, want) {
		t.Errorf("operators %q, want %q", got, want)
	}
	if got := (events.Catalog{}).Operators(); len(got) != 0 {
		t.Errorf("operators of nothing: %q", got)
	}
}
