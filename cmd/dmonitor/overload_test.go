package main

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/prober"
)

// A node is overloaded if it is there and has dropped a check that is still configured for it.
func TestOverloads(t *testing.T) {
	dropped := prober.Dropped + " (waited 1m1s)"
	catalog := events.Catalog{Checks: map[events.Check]events.Definition{
		up: {Run: events.Run{Check: up}}, down: {Run: events.Run{Check: down}, Nodes: []string{"nyc"}}, blind: {Run: events.Run{Check: blind}},
	}}
	var results []bus.Arrived
	say := func(node string, c events.Check, s events.Status, output string) {
		results = append(results, bus.Arrived{Result: events.Result{Node: node, Check: c, Status: s, Output: output}})
	}
	say("tokyo", blind, events.Unknown, dropped)
	say("tokyo", up, events.OK, dropped) // a plugin that says so
	say("fra", up, events.OK, "OK")
	say("fra", blind, events.Unknown, "check_ssh not found")
	say("fra", down, events.Unknown, dropped) // it doesn't look at that one any more
	say("gone", up, events.Unknown, dropped)
	say("nyc", up, events.Unknown, dropped)
	say("nyc", down, events.Unknown, dropped)
	say("nyc", events.Check{Host: "was", Test: "ssh"}, events.Unknown, dropped)
	got := overloads(catalog, []events.Presence{{Node: "tokyo"}, {Node: "nyc"}, {Node: "fra"}}, results)
	if want := []overload{{"nyc", 2, 2}, {"tokyo", 1, 2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	var out bytes.Buffer
	printOverloads(&out, got[1:])
	if want := "  OVERLOAD  tokyo has more to do than it can run: 1 of its 2 checks were dropped when their turn came last\n" +
		"  hint:  a higher DMONITOR_CONCURRENCY there, longer intervals or fewer checks\n"; out.String() != want {
		t.Errorf("prints\n%swant\n%s", fmt.Sprint(&out), want)
	}
}
