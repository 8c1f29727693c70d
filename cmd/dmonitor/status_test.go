package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

var (
	up    = events.Check{Host: "up.example.com", Test: "ssh"}
	down  = events.Check{Host: "down.example.com", Test: "ssh"}
	blind = events.Check{Host: "blind.example.com", Test: "ssh"}
)

// statusOf is what status makes of three checks that all want two sites: all is well with one, one is down, and the
// third's plugin can tell nothing on one of the nodes.
func statusOf(nodes ...string) status {
	catalog := events.Catalog{Checks: map[events.Check]events.Definition{}}
	for _, c := range []events.Check{up, down, blind} {
		catalog.Checks[c] = events.Definition{
			Run: events.Run{Check: c, Plugin: "ssh", Timeout: events.Millis(time.Second)}, Interval: events.Millis(time.Minute), Agree: 2,
		}
	}
	var present []events.Presence
	var results []bus.Arrived
	for _, n := range nodes {
		present = append(present, events.Presence{Node: n, Site: n, Plugins: []string{"ssh"}})
	}
	results = append(results, bus.Arrived{Time: time.Now(), Result: events.Result{ID: "r", Node: "fra", Site: "fra", Check: blind, Status: events.Unknown}})
	opened := time.Now().Add(-time.Minute)
	last := map[events.Check]bus.Committed{down: {Seq: 1, Outage: events.Outage{
		ID: "o-opened", Outage: "o", Event: events.Opened, Check: down, Time: opened, Opened: opened, Agree: 2, Able: 2,
		Votes: []events.NodeVote{
			{Node: "fra", Site: "fra", Vote: events.Down, Status: events.Fail}, {Node: "nyc", Site: "nyc", Vote: events.Down, Status: events.Fail},
		},
	}}}
	s := status{Nodes: present, Down: []events.Outage{}, Blind: []blindCheck{}, Failed: []events.Delivery{}, Overload: overloads(catalog, present, results), Troubles: []events.Trouble{}}
	s.judge(catalog, views(catalog, present, last, results))
	return s
}

// A node whose plugin can't tell is no site able to judge, though it is there.
func TestStatusSeesWhoAbstains(t *testing.T) {
	s := statusOf("fra", "nyc")
	if len(s.Blind) != 1 || s.Blind[0].Check != blind || s.Blind[0].Able != 1 {
		t.Errorf("blind: %+v", s.Blind)
	}
	if want := "1 outage, 1 check fine, 2 nodes looking, blind on 1 check"; s.Summary != want {
		t.Errorf("summary %q, want %q", s.Summary, want)
	}
}

// A check that is down, and that too few can judge any more, is both, and is not taken off twice.
func TestStatusOfLoneNode(t *testing.T) {
	s := statusOf("nyc")
	if want := "1 outage, 0 checks fine, 1 node looking, blind on 3 checks"; s.Summary != want {
		t.Errorf("summary %q, want %q", s.Summary, want)
	}
	var out bytes.Buffer
	s.print(&out, time.Now())
	for _, want := range []string{"DOWN   down.example.com/ssh  for 1 min", "BLIND  up.example.com/ssh  1 of the 2 sites", "DMONITOR_AGREE=1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// Programs find lists where there are lists, empty ones too.
func TestStatusJSONHasLists(t *testing.T) {
	data, err := json.Marshal(statusOf("fra", "nyc", "tokyo"))
	if err != nil || bytes.Contains(data, []byte("null")) {
		t.Errorf("%v: %s", err, data)
	}
}

// A trouble of dmonitor itself is seen at once, and so is that nobody is told of it.
func TestStatusShowsTroubles(t *testing.T) {
	s := statusOf("fra", "nyc")
	s.Told = 1
	s.Troubles = []events.Trouble{{
		TroubleKey: events.TroubleKey{Kind: events.TroubleNode, Node: "tokyo"}, Began: time.Now(), Reason: "tokyo has not said for 1m0s that it is there",
	}}
	s.Failed = []events.Delivery{{Trouble: "node-tokyo-1-1", Recipient: "ops@example.com", Answer: "550 no such user"}}
	var out bytes.Buffer
	s.print(&out, time.Now())
	for _, want := range []string{
		"TROUBLE  node tokyo, since", "has not said for 1m0s", "nobody is told of troubles", "NOT SENT  trouble node-tokyo-1-1 to ops@example.com: 550",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// A plugin that can't work on a node is told, with what to do.
func TestStatusTellsOfUnfitPlugins(t *testing.T) {
	s := statusOf("fra", "nyc")
	s.Nodes[1].Withheld = []events.Withheld{{Plugin: "icmp", Why: "it needs CAP_NET_RAW"}}
	var out bytes.Buffer
	s.print(&out, time.Now())
	if want := "\n  UNFIT  nyc  check_icmp does not work there: it needs CAP_NET_RAW\n"; strings.Count(out.String(), "UNFIT") != 1 || !strings.Contains(out.String(), want) {
		t.Errorf("want %q:\n%s", want, out.String())
	}
}
