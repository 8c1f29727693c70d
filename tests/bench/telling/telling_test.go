// Package telling measures how long it takes until people know: three real nodes on loopback, a host that really stops
// answering, a mail server.
//
// One iteration is one outage, opened and closed. Run with -benchtime 100x for a hundred of them.
package telling

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// interval is how often each node looks.
const interval = 2 * time.Second

// Goals, from the design: the 99th percentile from the last needed FAIL to the mail server's 250, and from the host's
// going down to the same, as a share of the interval.
const (
	goalAgreed = 50 * time.Millisecond
	goalDown   = 0.6
)

func TestMain(m *testing.M) { rig.Main(m) }

func BenchmarkTelling(b *testing.B) {
	s := rig.NewStage(b, 3, interval)
	rig.WaitClients(b, s.Nodes)
	results := rig.Subscribe(b, s.Nodes[0].Addr+":4222", events.AllResults)
	outages := rig.Subscribe(b, s.Nodes[0].Addr+":4222", events.AllOutages)
	s.WaitLooking(b, results, 3)
	var agreed, down []time.Duration
	for i := 0; b.Loop(); i++ {
		to := newRecipient(b, s.Nodes[0], i)
		// The host goes down at any moment of the interval, not at one that the last outage left.
		time.Sleep(rand.N(interval))
		start := time.Now()
		s.Host.Down()
		told := nextMail(b, s, to, "DOWN")
		fail := lastNeeded(b, outages, results)
		agreed = append(agreed, told.Sub(fail))
		down = append(down, told.Sub(start))
		s.Up(b)
		nextMail(b, s, to, "UP")
	}
	report(b, agreed, down)
}

// newRecipient has somebody told who has had no mail yet: to others, who had one a moment ago, mails are gathered.
func newRecipient(b *testing.B, n *rig.Node, i int) string {
	b.Helper()
	said := func() int { return strings.Count(n.Log(), "told the bus what this node's directory says") }
	name := func(i int) string { return fmt.Sprintf("ops-%d@example.com", i) }
	before := said()
	rig.Write(b, filepath.Join(n.Etc(), "alert.d", name(i)), "operator: false\nhosts: ['*']\n")
	rig.Until(b, "the recipient is known", func() bool { return said() > before })
	if i > 0 {
		before = said()
		if err := os.Remove(filepath.Join(n.Etc(), "alert.d", name(i-1))); err != nil {
			b.Fatal(err)
		}
		rig.Until(b, "the one before is forgotten", func() bool { return said() > before })
	}
	return name(i)
}

// nextMail waits for a mail to a recipient and returns when the mail server took it.
func nextMail(b *testing.B, s *rig.Stage, to, subject string) (at time.Time) {
	b.Helper()
	rig.Until(b, subject+" mail to "+to, func() bool {
		for _, m := range s.Inbox.Mails() {
			if slices.Contains(m.To, to) && strings.HasPrefix(m.Subject, subject+" ") {
				at = m.Received
				return true
			}
		}
		return false
	})
	return at
}

// lastNeeded is the moment at which the plugin of the node that completed the agreement had answered. All clocks are
// this machine's.
func lastNeeded(b *testing.B, outages, results *rig.TextClient) time.Time {
	b.Helper()
	var last events.Outage
	rig.Until(b, "the opened event", func() bool {
		seen := outages.Events()
		if len(seen) == 0 {
			return false
		}
		o, err := events.Decode[events.Outage](seen[len(seen)-1].Subject, seen[len(seen)-1].Data)
		last = o
		return err == nil && o.Event == events.Opened
	})
	var ends []time.Time
	for _, v := range last.Votes {
		if v.Vote == events.Down {
			ends = append(ends, finished(b, results, v.Result))
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	return ends[last.Agree-1]
}

func finished(b *testing.B, results *rig.TextClient, id string) (end time.Time) {
	b.Helper()
	rig.Until(b, "result "+id, func() bool {
		for _, e := range slices.Backward(results.Events()) {
			if r, err := events.Decode[events.Result](e.Subject, e.Data); err == nil && r.ID == id {
				end = r.Started.Add(r.Elapsed.Duration())
				return true
			}
		}
		return false
	})
	return end
}

func report(b *testing.B, agreed, down []time.Duration) {
	share := func(d time.Duration) float64 { return float64(d) / float64(interval) }
	b.ReportMetric(float64(rig.Percentile(agreed, 99).Microseconds())/1000, "agreed-p99-ms")
	b.ReportMetric(share(rig.Percentile(down, 99)), "down-p99-intervals")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nthree nodes, interval %v, %d outages\tp50\tp99\tmax\tgoal\n", interval, len(down))
	row := func(what string, ds []time.Duration, write func(time.Duration) string, goal string) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", what, write(rig.Percentile(ds, 50)), write(rig.Percentile(ds, 99)), write(slices.Max(ds)), goal)
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
	row("second FAIL → mail server's 250", agreed, ms, fmt.Sprintf("p99 ≤ %v: %s", goalAgreed, rig.Reached(rig.Percentile(agreed, 99) <= goalAgreed)))
	row("host down → mail server's 250", down, func(d time.Duration) string { return fmt.Sprintf("%.2f intervals", share(d)) },
		fmt.Sprintf("p99 ≤ %.1f: %s", goalDown, rig.Reached(share(rig.Percentile(down, 99)) <= goalDown)))
	w.Flush()
}
