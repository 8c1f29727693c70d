package trouble_test

import (
	"flag"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "200", "rapid.steps": "80"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	m.Run()
}

// TestRules lets anything happen in any order. At the end the faults stop, and the log has to say what is true.
func TestRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.IntRange(1, 3).Draw(t, "arbiters"))
		t.Repeat(w.chaos())
		w.checkLog()
		for range 2 {
			blindNow := map[string]bool{}
			missing := map[string]bool{}
			for _, h := range hosts {
				blindNow[h] = rapid.Bool().Draw(t, h+" is blind")
			}
			for _, n := range nodes {
				missing[n] = rapid.Bool().Draw(t, n+" is gone")
			}
			w.settle(blindNow, missing)
			w.checkLog()
			w.mustKnow(blindNow, missing)
		}
	})
}

var (
	hosts = []string{"a", "b", "c"}
	nodes = []string{"fra", "nyc"}
)

func (w *world) chaos() map[string]func(*rapid.T) {
	arbiter := func(t *rapid.T) *arbiter { return rapid.SampledFrom(w.arbiters).Draw(t, "arbiter") }
	some := func(t *rapid.T, in trouble.Input) {
		for _, a := range w.arbiters {
			if rapid.IntRange(0, 3).Draw(t, a.name) > 0 {
				a.give(in)
			}
		}
	}
	return map[string]func(*rapid.T){
		"blind":   func(t *rapid.T) { some(t, blind(rapid.SampledFrom(hosts).Draw(t, "host"))) },
		"sighted": func(t *rapid.T) { some(t, sighted(rapid.SampledFrom(hosts).Draw(t, "host"))) },
		"present": func(t *rapid.T) { some(t, trouble.NodePresent{Node: rapid.SampledFrom(nodes).Draw(t, "node")}) },
		"gone": func(t *rapid.T) {
			some(t, trouble.NodeGone{Node: rapid.SampledFrom(nodes).Draw(t, "node"), Goodbye: rapid.Bool().Draw(t, "goodbye")})
		},
		"majority": func(t *rapid.T) { some(t, trouble.Majority{There: rapid.IntRange(0, 2).Draw(t, "there") > 0}) },
		"restart":  func(t *rapid.T) { arbiter(t).boot() },
		"restart and remember": func(t *rapid.T) {
			a := arbiter(t)
			a.boot()
			if n := len(a.said); n > 0 {
				a.give(trouble.Remembered{Trouble: a.said[rapid.IntRange(0, n-1).Draw(t, "said")]})
			}
		},
		"reread": func(t *rapid.T) { arbiter(t).reread() },
		"write": func(t *rapid.T) {
			a := arbiter(t)
			if len(a.proposals) == 0 {
				t.Skip("nothing proposed")
			}
			a.write(rapid.Bool().Draw(t, "reaches the log"), rapid.Bool().Draw(t, "is answered"))
		},
		"flow": func(*rapid.T) { w.flow() },
		"advance": func(t *rapid.T) {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 90_000).Draw(t, "ms")) * time.Millisecond)
			w.all(trouble.Tick{})
		},
		"": func(*rapid.T) { w.checkLog() },
	}
}

// settle has all arbiters see the same for a month: longer than any arbiter waits that was contradicted.
func (w *world) settle(blindNow, missing map[string]bool) {
	for _, n := range nodes {
		w.all(trouble.NodePresent{Node: n})
		if missing[n] {
			w.all(trouble.NodeGone{Node: n})
		}
	}
	for range 3 { // What an event says that was still on its way is looked at as well.
		for _, h := range hosts {
			if blindNow[h] {
				w.all(blind(h))
			} else {
				w.all(sighted(h))
			}
		}
		for _, n := range nodes {
			if !missing[n] {
				w.all(trouble.NodePresent{Node: n})
			}
		}
		there(w)
		w.pass(10 * time.Second)
	}
	w.pass(30 * 24 * time.Hour)
}

func (w *world) mustKnow(blindNow, missing map[string]bool) {
	var want []string
	if slices.Contains(sortedValues(blindNow), true) {
		want = append(want, "blind")
	}
	for _, n := range nodes {
		if missing[n] {
			want = append(want, "node "+n)
		}
	}
	for _, a := range w.arbiters {
		if got := a.open(); !slices.Equal(got, want) {
			w.t.Fatalf("%s says that open are %q, want %q; the log: %q", a.name, got, want, w.story())
		}
		for _, t := range trouble.Open(a.state) {
			for h, is := range blindNow {
				if is && t.TroubleKey.String() == "blind" && !slices.ContainsFunc(t.Checks, hostIs(h)) {
					w.t.Fatalf("%s was not told to be blind: %+v", h, t)
				}
			}
		}
	}
}

// TestKinds: every kind of decision has a name of its own.
func TestKinds(t *testing.T) {
	if len(trouble.Kinds) != 3 || slices.Contains(trouble.Kinds, "") {
		t.Errorf("kinds are %q", trouble.Kinds)
	}
}
