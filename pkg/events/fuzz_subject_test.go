package events_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// FuzzParseTroubleSubject: a subject that is accepted is the one that its key and event belong on.
func FuzzParseTroubleSubject(f *testing.F) {
	for _, s := range []string{
		"dmonitor.troubles.began.node.tokyo-1", "dmonitor.propose-trouble.ended.blind.all", "dmonitor.troubles.began.node.all",
		"dmonitor.troubles.began.majority.tokyo-1", "dmonitor.troubles...", "dmonitor.troubles.later.node.a.b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		e, k, err := events.ParseTroubleSubject(subject)
		if err != nil {
			if e != "" || k != (events.TroubleKey{}) {
				t.Errorf("%q, %+v beside the error", e, k)
			}
			return
		}
		if e == "" || k.Validate() != nil || events.TroubleSubject(e, k) != subject && events.ProposeTroubleSubject(e, k) != subject {
			t.Errorf("%q: event %q, key %+v", subject, e, k)
		}
	})
}

// FuzzParseCheck: what people type as HOST/TEST is read as a check that is written the same, or refused.
func FuzzParseCheck(f *testing.F) {
	for _, s := range []string{"www.example.com/ssh", "/", "a/b/c", "../ssh", "2001:db8::1/ping", "a/-t", "a\n/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := events.ParseCheck(s)
		if err == nil && (c.String() != s || c.Validate() != nil) || err != nil && c != (events.Check{}) {
			t.Errorf("%q: %+v, %v", s, c, err)
		}
	})
}

// FuzzMerge: whatever two nodes contribute, the union doesn't depend on who is heard first, and has nothing that neither has
// said.
func FuzzMerge(f *testing.F) {
	for _, s := range samples() {
		if s.name != "contribution" {
			continue
		}
		data, err := events.Encode(s.message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, data)
		f.Add(data, []byte(`{"v":1,"node":"other-1","checks":[],"recipients":[],"time":"2026-01-02T03:04:05Z"}`))
	}
	f.Fuzz(func(t *testing.T, one, other []byte) {
		var all []events.Contribution
		for i, data := range [][]byte{one, other} {
			for _, node := range []string{"tokyo-1", "osaka-1", "other-1"} {
				c, err := events.Decode[events.Contribution](events.ConfigKey(node), data)
				if err != nil {
					continue
				}
				c.Node = []string{"a-1", "b-1"}[i]
				all = append(all, c)
			}
		}
		merged := events.Merge(all)
		slices.Reverse(all)
		if again := events.Merge(all); !reflect.DeepEqual(again, merged) {
			t.Errorf("the other way round it is\n%+v\nand not\n%+v", again, merged)
		}
		for check, d := range merged.Checks {
			d.From = ""
			if !slices.ContainsFunc(all, func(c events.Contribution) bool {
				return slices.ContainsFunc(c.Checks, func(x events.Definition) bool { x.From = ""; return x.Check == check && reflect.DeepEqual(x, d) })
			}) {
				t.Errorf("nobody has said %+v", d)
			}
		}
	})
}
