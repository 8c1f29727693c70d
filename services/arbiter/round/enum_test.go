package round_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// TestScriptsShowAll: every kind of decision, every condition and every input has its place in a script.
func TestScriptsShowAll(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, k := range round.Kinds {
		if !strings.Contains(all.String(), "    -> "+string(k)) {
			t.Errorf("no script shows the decision %q", k)
		}
	}
	for _, c := range round.Conditions {
		if !strings.Contains(all.String(), "    "+string(c)+", able") {
			t.Errorf("no script shows the condition %q", c)
		}
	}
	readme, err := os.ReadFile("testdata/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range commands {
		if !strings.Contains(all.String(), "s "+name) && !strings.Contains(all.String(), "  "+name) {
			t.Errorf("no script uses the input %q", name)
		}
		if !strings.Contains(string(readme), "| `"+name) {
			t.Errorf("testdata/README.md doesn't explain the input %q", name)
		}
	}
}

// Two nodes look at one check. The first that fails has the other one asked; with its answer the outage is proposed.
func Example() {
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	check := events.Check{Host: "www.example.com", Test: "ssh"}
	s := round.New("arbiter")
	round.Apply(s, round.CatalogChanged{Checks: map[events.Check]events.Definition{check: {
		Run:      events.Run{Check: check, Plugin: "ssh", Timeout: events.Millis(events.DefaultTimeout)},
		Interval: events.Millis(events.DefaultInterval), Agree: 2,
	}}}, now)
	for _, node := range []string{"fra", "nyc"} {
		round.Apply(s, round.NodePresent{Presence: &events.Presence{Node: node, Site: node, Plugins: []string{"ssh"}}}, now)
	}
	for _, node := range []string{"fra", "nyc"} {
		now = now.Add(time.Second)
		r := &events.Result{ID: node + "-1", Node: node, Site: node, Check: check, Status: events.Fail}
		for _, d := range round.Apply(s, round.Arrived{Result: r}, now) {
			fmt.Printf("%s: %s\n", d.Kind, d.Reason)
		}
	}
	// Output:
	// ask: fra says fail; nyc is asked to look now
	// propose opened: fra and nyc see it down at the same moment; 2 sites have to agree
}
