package plugin

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func TestParsePerf(t *testing.T) {
	for _, c := range []struct {
		rule, in string
		want     []events.Perf
	}{
		{"nothing is nothing", "", nil},
		{"white space is nothing", " \n\t ", nil},
		{"label and value", "load=0.5", []events.Perf{{Label: "load", Value: 0.5}}},
		{"a unit follows the value", "rta=3.2ms", []events.Perf{{Label: "rta", Value: 3.2, Unit: "ms"}}},
		{"a continuous counter", "in=12c", []events.Perf{{Label: "in", Value: 12, Unit: "c"}}},
		{"all fields", "/=91%;90;95;0;100", []events.Perf{{Label: "/", Value: 91, Unit: "%", Warn: "90", Crit: "95", Min: new(0.0), Max: new(100.0)}}},
		{"fields may be left out", "a=1;;5;;9", []events.Perf{{Label: "a", Value: 1, Crit: "5", Max: new(9.0)}}},
		{"ranges stay text", "a=1;10:20;@~:5", []events.Perf{{Label: "a", Value: 1, Warn: "10:20", Crit: "@~:5"}}},
		{"what is no range is left out", "a=1;eighty;95", []events.Perf{{Label: "a", Value: 1, Crit: "95"}}},
		{"units after limits are passed over", "a=1s;2;3;0s;10s", []events.Perf{{Label: "a", Value: 1, Unit: "s", Warn: "2", Crit: "3", Min: new(0.0), Max: new(10.0)}}},
		{"several, by white space", "a=1  b=2\nc=3", []events.Perf{{Label: "a", Value: 1}, {Label: "b", Value: 2}, {Label: "c", Value: 3}}},
		{"quotes let a label have blanks", "'free space'=5GB x=1", []events.Perf{{Label: "free space", Value: 5, Unit: "GB"}, {Label: "x", Value: 1}}},
		{"a quote in quotes is doubled", "'it''s'=5", []events.Perf{{Label: "it's", Value: 5}}},
		{"an equals sign in quotes belongs to the label", "'a=b'=5", []events.Perf{{Label: "a=b", Value: 5}}},
		{"signs, fractions, exponents", "a=-1.5 b=+2 c=.5 d=3. e=1.2e3B f=1E-2", []events.Perf{
			{Label: "a", Value: -1.5}, {Label: "b", Value: 2}, {Label: "c", Value: .5}, {Label: "d", Value: 3}, {Label: "e", Value: 1200, Unit: "B"}, {Label: "f", Value: .01},
		}},
		{"an e that starts a unit is no exponent", "a=5events", []events.Perf{{Label: "a", Value: 5, Unit: "events"}}},
		{"U says that the value is not known: dropped", "a=U;1;2 b=1", []events.Perf{{Label: "b", Value: 1}}},
		{"a word without a value is dropped", "rubbish a=1", []events.Perf{{Label: "a", Value: 1}}},
		{"a value without a label is dropped", "=5 ''=6 a=1", []events.Perf{{Label: "a", Value: 1}}},
		{"no number is dropped", "a= b=x c=- d=. e=1", []events.Perf{{Label: "e", Value: 1}}},
		{"a decimal comma could be misread: dropped", "a=1,5 b=1", []events.Perf{{Label: "b", Value: 1}}},
		{"two points are no number", "a=1.2.3 b=1", []events.Perf{{Label: "b", Value: 1}}},
		{"infinite is no number", "a=1e999 b=inf c=nan d=0x10 e=1", []events.Perf{{Label: "e", Value: 1}}},
		{"a quote that is not closed spoils its line only", "'a b=1\nc=2", []events.Perf{{Label: "c", Value: 2}}},
		{"text after a quoted label spoils the entry only", "'a b'x=1 c=2", []events.Perf{{Label: "c", Value: 2}}},
		{"a label that is too long is dropped", strings.Repeat("x", 257) + "=1 b=2", []events.Perf{{Label: "b", Value: 2}}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if d := cmp.Diff(c.want, parsePerf(c.in)); d != "" {
				t.Errorf("parsePerf(%q) (-want +got):\n%s", c.in, d)
			}
		})
	}
}

func TestParsePerfKeepsTheLimit(t *testing.T) {
	var s strings.Builder
	for i := range 10 * events.MaxPerf {
		fmt.Fprintf(&s, "l%d=%d ", i, i)
	}
	if got := parsePerf(s.String()); len(got) != events.MaxPerf || got[5].Label != "l5" {
		t.Errorf("%d entries, the sixth %v: want the first %d", len(got), got[5], events.MaxPerf)
	}
}

func FuzzParsePerf(f *testing.F) {
	for _, s := range []string{"a=1", "'a b'=1;2;3;4;5 c=2", "'''=1", "a=1e", "''''=1;;;;", "=", "'", "a=-U;@~:1;x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := parsePerf(s)
		if len(got) > events.MaxPerf {
			t.Fatalf("%d entries", len(got))
		}
		for _, p := range got {
			if p.Label == "" || math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
				t.Errorf("parsePerf(%q): %+v", s, p)
			}
			if strings.ContainsAny(p.Unit+p.Warn+p.Crit, " \n\t;") {
				t.Errorf("parsePerf(%q): a field too wide: %+v", s, p)
			}
		}
		if _, err := json.Marshal(got); err != nil {
			t.Error(err)
		}
		// What was read once reads the same again.
		var again strings.Builder
		for _, p := range got {
			fmt.Fprintf(&again, "'%s'=%g%s;%s;%s;%s;%s\n", strings.ReplaceAll(p.Label, "'", "''"), p.Value, p.Unit, p.Warn, p.Crit, limitText(p.Min), limitText(p.Max))
		}
		if d := cmp.Diff(got, parsePerf(again.String())); d != "" && !strings.Contains(s, "\n") {
			t.Errorf("parsePerf(%q), read again:\n%s", s, d)
		}
	})
}

func limitText(v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf("%g", *v)
}
