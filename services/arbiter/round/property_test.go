package round_test

import (
	"flag"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// TestMain makes the property test longer than rapid's default; flags on the command line still win.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "300", "rapid.steps": "100"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	m.Run()
}

// TestRules lets anything happen in any order and has the checker look at every decision. At the end the faults stop, and
// the arbiters have to find out what is true.
func TestRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(w.chaos())
		checkLog(t, w.log)
		w.settle(events.OK, len(w.nodes))
		w.mustBe(events.Closed, "all nodes say up")
		w.settle(events.Fail, w.def.Agree-1)
		w.mustBe(events.Closed, "fewer sites say down than have to agree")
		w.settle(events.Fail, w.def.Agree)
		w.mustBe(events.Opened, "enough sites say down")
		w.settle(events.Fail, len(w.nodes))
		w.mustBe(events.Opened, "all sites say down")
		w.settle(events.OK, len(w.nodes))
		w.mustBe(events.Closed, "all nodes say up again")
		checkLog(t, w.log)
	})
}

// checkLog: opened and closed alternate, and a closing belongs to the opening before it.
func checkLog(t *rapid.T, log []events.Outage) {
	for i, o := range log {
		if want := events.Events[i%2]; o.Event != want {
			t.Fatalf("event %d of the log is %s, want %s", i+1, o.Event, want)
		}
		if o.Event == events.Closed && (o.Outage != log[i-1].Outage || !o.Opened.Equal(log[i-1].Opened)) {
			t.Fatalf("event %d closes another outage than the one that was open", i+1)
		}
		if _, err := events.Encode(new(o)); err != nil {
			t.Fatalf("event %d: %v", i+1, err)
		}
	}
}

var statuses = rapid.SampledFrom([]events.Status{
	events.OK, events.OK, events.Warning, events.Fail, events.Fail, events.Timeout, events.Unknown,
})

// chaos is all that may happen.
func (w *world) chaos() map[string]func(*rapid.T) {
	copies := func(t *rapid.T) func() int {
		return func() int { return rapid.SampledFrom([]int{1, 1, 1, 1, 0, 2}).Draw(t, "copies") }
	}
	node := func(t *rapid.T) *simNode { return rapid.SampledFrom(w.nodes).Draw(t, "node") }
	arbiter := func(t *rapid.T) *simArbiter { return rapid.SampledFrom(w.arbiters).Draw(t, "arbiter") }
	return map[string]func(*rapid.T){
		"look": func(t *rapid.T) { w.look(node(t), "", copies(t)) },
		"all look": func(t *rapid.T) {
			for _, n := range w.nodes {
				w.look(n, "", copies(t))
			}
		},
		"all happens": func(t *rapid.T) { w.flow(copies(t)) },
		"turn": func(t *rapid.T) {
			s := statuses.Draw(t, "status")
			for _, n := range w.nodes {
				if rapid.IntRange(0, 4).Draw(t, n.name) > 0 {
					n.sees = s
				}
				w.look(n, "", copies(t))
			}
			w.flow(copies(t))
		},
		"sees": func(t *rapid.T) {
			s := statuses.Draw(t, "status")
			for _, n := range w.nodes {
				if rapid.Bool().Draw(t, n.name) {
					n.sees = s
				}
			}
		},
		"answer": func(t *rapid.T) {
			n := node(t)
			if len(n.asked) == 0 {
				t.Skip("not asked")
			}
			w.answer(n, copies(t))
		},
		"deliver": func(t *rapid.T) {
			a := arbiter(t)
			if len(a.inbox) == 0 {
				t.Skip("nothing is on its way")
			}
			w.deliver(a, rapid.IntRange(0, len(a.inbox)-1).Draw(t, "which"))
		},
		"deliver all": func(t *rapid.T) {
			for _, a := range w.arbiters {
				for len(a.inbox) > 0 {
					w.deliver(a, 0)
				}
			}
		},
		"write": func(t *rapid.T) {
			a := arbiter(t)
			if len(a.proposals) == 0 {
				t.Skip("nothing proposed")
			}
			w.write(a, rapid.Bool().Draw(t, "reaches the log"), rapid.Bool().Draw(t, "is answered"), copies(t))
		},
		"read log": func(t *rapid.T) { w.reread(arbiter(t)) },
		"old news": func(t *rapid.T) {
			if len(w.log) == 0 {
				t.Skip("no events")
			}
			seq := rapid.IntRange(1, len(w.log)).Draw(t, "seq")
			w.apply(arbiter(t), round.Committed{Outage: &w.log[seq-1], Seq: uint64(seq)})
		},
		"advance": func(t *rapid.T) {
			w.advance(time.Duration(rapid.IntRange(1, 20_000).Draw(t, "ms")) * time.Millisecond)
		},
		"a day": func(t *rapid.T) {
			if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
				w.advance(25 * time.Hour)
			}
		},
		"come and go": func(t *rapid.T) {
			n := node(t)
			n.present, n.plugin = rapid.Bool().Draw(t, "present"), rapid.IntRange(0, 4).Draw(t, "plugin") > 0
			for _, a := range w.arbiters {
				if n.present {
					w.apply(a, w.presence(n))
				} else {
					w.apply(a, round.NodeGone{Node: n.name})
				}
			}
		},
		"restart": func(t *rapid.T) { w.boot(arbiter(t)) },
		"remember": func(t *rapid.T) {
			a := arbiter(t)
			if a.said == nil {
				t.Skip("nothing was said to be uncommitted")
			}
			if rapid.Bool().Draw(t, "at the start") {
				w.boot(a)
			}
			w.apply(a, *a.said)
		},
		"uncommitted": func(t *rapid.T) { // Nothing is written for some time, and then an arbiter starts anew.
			for range 3 {
				for _, n := range w.nodes {
					w.look(n, "", copies(t))
				}
				for _, a := range w.arbiters {
					for len(a.inbox) > 0 {
						w.deliver(a, 0)
					}
					for len(a.proposals) > 0 {
						w.write(a, false, false, copies(t))
					}
				}
				w.advance(12 * time.Second)
			}
			if a := arbiter(t); a.said != nil {
				w.boot(a)
				w.apply(a, *a.said)
			}
		},
		"configure": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
				t.Skip("seldom")
			}
			w.def = nil
			if rapid.IntRange(0, 4).Draw(t, "configured") > 0 {
				var nodes []string
				for _, n := range w.nodes {
					if rapid.IntRange(0, 3).Draw(t, n.name) == 0 {
						nodes = append(nodes, n.name)
					}
				}
				w.def = w.definition(rapid.IntRange(1, 3).Draw(t, "agree"), nodes)
			}
			for _, a := range w.arbiters {
				w.tellCatalog(a)
			}
		},
	}
}

// settle ends all faults and lets 40 intervals pass in which all nodes look: more than the longest back-off. The first
// sites see status, the others the opposite.
func (w *world) settle(status events.Status, count int) {
	other := map[events.Status]events.Status{events.OK: events.Fail, events.Fail: events.OK}[status]
	var sites []string
	for _, n := range w.nodes {
		if !slices.Contains(sites, n.site) {
			sites = append(sites, n.site)
		}
		n.present, n.plugin, n.sees = true, true, other
		if slices.Index(sites, n.site) < count {
			n.sees = status
		}
	}
	w.def = w.definition(min(2, len(sites)), nil)
	for _, a := range w.arbiters {
		w.tellCatalog(a)
		for _, n := range w.nodes {
			w.apply(a, w.presence(n))
		}
	}
	once := func() int { return 1 }
	step := 10 * time.Second / time.Duration(len(w.nodes))
	for i := range 40 {
		for _, a := range w.arbiters {
			if i%3 == 0 { // The shell reads the log again every 30 seconds.
				w.reread(a)
			}
		}
		for _, n := range w.nodes {
			w.look(n, "", once)
			w.flow(once)
			w.advance(step)
		}
	}
}

// flow delivers everything that is on its way, and what follows from it.
func (w *world) flow(copies func() int) {
	for busy := true; busy; {
		busy = false
		for _, a := range w.arbiters {
			for len(a.inbox) > 0 {
				w.deliver(a, 0)
				busy = true
			}
			for len(a.proposals) > 0 {
				w.write(a, true, true, copies)
				busy = true
			}
		}
		for _, n := range w.nodes {
			for len(n.asked) > 0 {
				w.answer(n, copies)
				busy = true
			}
		}
	}
}

func (w *world) mustBe(event events.Event, because string) {
	got := events.Closed
	if n := len(w.log); n > 0 {
		got = w.log[n-1].Event
	}
	if got != event {
		w.t.Fatalf("%s, and the log says %s", because, got)
	}
	for _, a := range w.arbiters {
		v, ok := round.Look(a.state, theCheck)
		if !ok || v.Seq != uint64(len(w.log)) || (v.Condition == round.IsDown) != (event == events.Opened) {
			w.t.Fatalf("%s believes %+v, the log has %d events", a.name, v, len(w.log))
		}
	}
}
