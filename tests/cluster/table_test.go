package cluster

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// row is what came of one round.
type row struct {
	plan     plan
	hit      []string
	led      []string // logs that the nodes led which were hit
	away     int      // nodes that were away from the start
	told     map[string][]time.Duration
	unheard  int // events that a plain subscriber of a healthy node did not get
	repeated int // events that a plain subscriber got again, from the same place in the log
	wrong    int
}

func (r row) String() string {
	s := strings.Join(r.hit, ", ")
	if len(r.led) > 0 {
		s += " (leading " + strings.Join(r.led, ", ") + ")"
	}
	for _, event := range []string{"opened", "closed"} {
		if ds := r.told[event]; len(ds) > 0 {
			s += fmt.Sprintf(", %s told within %v", event, slices.Max(ds).Round(time.Millisecond))
		}
	}
	if r.unheard > 0 {
		s += fmt.Sprintf(", %d EVENTS UNHEARD", r.unheard)
	}
	return s
}

// table gathers the rounds of all stages.
type table struct {
	mu      sync.Mutex
	rows    []row
	notices int
	others  int
	verdict verdict
}

func (t *table) add(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = append(t.rows, r)
}

func (t *table) close(v verdict, notices, others int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notices += notices
	t.others += others
	t.verdict.lost = append(t.verdict.lost, v.lost...)
	t.verdict.doubled = append(t.verdict.doubled, v.doubled...)
	t.verdict.foreign = append(t.verdict.foreign, v.foreign...)
	t.verdict.window = append(t.verdict.window, v.window...)
	t.verdict.regrouped = append(t.verdict.regrouped, v.regrouped...)
	t.verdict.electing = append(t.verdict.electing, v.electing...)
}

// print writes the table. Times are information: they are this machine's.
func (t *table) print(seed uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n%d rounds, seed %d\trounds\ttold p50\tmax\n", len(t.rows), seed)
	groups := map[string][]row{}
	for _, r := range t.rows {
		for _, g := range r.groups() {
			groups[g] = append(groups[g], r)
		}
	}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		var ds []time.Duration
		for _, r := range groups[g] {
			ds = append(append(ds, r.told["opened"]...), r.told["closed"]...)
		}
		if len(ds) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s\t%d\t%.1f s\t%.1f s\n", g, len(groups[g]), rig.Percentile(ds, 50).Seconds(), slices.Max(ds).Seconds())
	}
	w.Flush()
	unheard, repeated := 0, 0
	for _, r := range t.rows {
		unheard += r.unheard
		repeated += r.repeated
	}
	v := t.verdict
	fmt.Printf("notices: %d to be told, %d lost, %d doubled, %d told in vain; %d doubled in the stated window of SMTP, %d more there in other company, %d as the queue had no leader to acknowledge to\n",
		t.notices, len(v.lost), len(v.doubled), len(v.foreign), len(v.window), len(v.regrouped), len(v.electing))
	fmt.Printf("events that a plain subscriber of a healthy node did not get: %d; got once more from the same place in the log: %d; mails about dmonitor itself: %d\n",
		unheard, repeated, t.others)
	for _, x := range slices.Concat(v.window, v.regrouped, v.electing) {
		fmt.Println("  in the window:", x)
	}
}

// groups are the lines of the table that a round counts in.
func (r row) groups() (all []string) {
	if len(r.plan.blows) > 1 {
		return []string{"  two nodes hit"}
	}
	b := r.plan.blows[0]
	all = append(all, fmt.Sprintf("  %s", b.kind), fmt.Sprintf("  at %s/%s", b.event, b.moment))
	led := "led nothing"
	if len(r.led) > 0 {
		led = "led " + strings.Join(r.led, " and ")
	}
	all = append(all, fmt.Sprintf("  the one hit (%s) %s", b.kind, led))
	if r.away > 0 {
		all = append(all, "  another node was away")
	}
	return all
}
