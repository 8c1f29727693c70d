package arbiter

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

func TestNewRefuses(t *testing.T) {
	if _, err := New(Options{Node: "fra"}); err == nil {
		t.Error("an arbiter without a bus was made")
	}
	b := bustest.New(t, 1).Bus(0)
	if _, err := New(Options{Bus: b, Node: "not a name"}); err == nil {
		t.Error("an arbiter was made that could not sign")
	}
}

// TestLoneNode: a node alone says at the start that it can't do what is asked of it, and how to help it.
func TestLoneNode(t *testing.T) {
	l := newLab(t, bustest.New(t, 1), 1)
	check := l.configure("www.example.com", 2)
	a := startArbiter(t, l.cluster.Bus(0), l.cluster.Name(0))
	l.all(check, events.Fail)
	eventually(t, "the remedy is told", func() bool {
		return a.said("blind: 1 of 2 sites needed; add a node, or set DMONITOR_AGREE=1 to trust one pair of eyes")
	})
	eventually(t, "the check is blind", func() bool { return a.view(check).Blind })
	eventually(t, "the suspicion is dismissed", func() bool { return a.said("dismissed: only p0 failed") })
	nothingIn(t, l.cluster.Bus(0), check)
}

// TestTrustOnePairOfEyes is what a lone node does with agree 1.
func TestTrustOnePairOfEyes(t *testing.T) {
	l := newLab(t, bustest.New(t, 1), 1)
	check := l.configure("www.example.com", 1)
	startArbiter(t, l.cluster.Bus(0), l.cluster.Name(0))
	l.all(check, events.Fail)
	eventually(t, "opened", lastIs(l.cluster.Bus(0), check, events.Opened))
	l.all(check, events.OK)
	eventually(t, "closed", lastIs(l.cluster.Bus(0), check, events.Closed))
	mustSay(t, l.cluster.Bus(0), check, events.Opened, events.Closed)
}

// TestLateRecovery: a node that was down for an hour finds the check up that was down before. It says when it may have come
// up; and it counts what it believes.
func TestLateRecovery(t *testing.T) {
	l := newLab(t, bustest.New(t, 1), 1)
	b, data, registry := l.cluster.Bus(0), t.TempDir(), prometheus.NewRegistry()
	check := l.configure("www.example.com", 1)
	a := startWith(t, Options{Bus: b, Node: "n0", Data: data, Metrics: registry})
	l.all(check, events.Fail)
	eventually(t, "opened", lastIs(b, check, events.Opened))
	eventually(t, "it is counted", func() bool { return gauge(t, registry, "dmonitor_outages_open") == 1 })
	a.stop()
	l.probers[0].forget(check)
	if gap, err := slept(data, time.Now()); err != nil || !gap.To.IsZero() {
		t.Fatalf("an arbiter that has just stopped left a gap of %+v (%v)", gap, err)
	}
	stopped := time.Now()
	gap, err := slept(data, stopped.Add(time.Hour))
	if err != nil || gap.To.Sub(gap.From) < 59*time.Minute {
		t.Fatalf("the gap is %+v (%v)", gap, err)
	}
	// The outage is not an hour old, but its last look is longer ago than it takes between two.
	eventually(t, "nobody has looked for long", func() bool { return time.Since(stopped) > 6*time.Second })
	if err := markAlive(data, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	a = startWith(t, Options{Bus: b, Node: "n0", Data: data})
	l.all(check, events.OK)
	eventually(t, "closed", lastIs(b, check, events.Closed))
	closed := history(t, b, check)[1]
	if g := closed.Gap; g == nil || g.From.After(stopped.Add(time.Second)) || g.From.Before(stopped.Add(-time.Second)) || !strings.Contains(closed.Reason, "nobody looked") {
		t.Errorf("closed with %+v: %s", g, closed.Reason)
	}
	eventually(t, "the gap is told", func() bool { return a.said("nobody was alive here for 1h0m") })
	eventually(t, "the mark is written anew", func() bool {
		gap, err := slept(data, time.Now())
		return err == nil && gap.To.IsZero()
	})
}

func gauge(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestMark: what is no time is no gap, and is told.
func TestMark(t *testing.T) {
	data := t.TempDir()
	for _, where := range []string{"", data} {
		if gap, err := slept(where, time.Now()); err != nil || !gap.To.IsZero() {
			t.Errorf("%q: gap %+v (%v)", where, gap, err)
		}
	}
	if err := os.WriteFile(filepath.Join(data, aliveFile), []byte("yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	if gap, err := slept(data, time.Now()); err == nil || !gap.To.IsZero() || !strings.Contains(err.Error(), aliveFile) {
		t.Errorf("gap %+v (%v)", gap, err)
	}
	if err := markAlive(filepath.Join(data, "none"), time.Now()); err == nil {
		t.Error("a mark was written where there is no folder")
	}
}

// TestLookedUntil: a node that has looked at one check in the gap has looked at its others as well.
func TestLookedUntil(t *testing.T) {
	start := time.Now()
	at := func(node, host string, after time.Duration) bus.Arrived {
		return bus.Arrived{Result: events.Result{Node: node, Check: events.Check{Host: host, Test: "ssh"}}, Time: start.Add(after)}
	}
	looked := lookedUntil([]bus.Arrived{
		at("fra", "a", time.Second), at("fra", "b", 61*time.Second), at("nyc", "b", 2*time.Second), at("sgp", "c", 61*time.Second),
	}, start.Add(time.Minute))
	for host, want := range map[string]time.Time{"a": start.Add(time.Second), "b": start.Add(2 * time.Second), "c": {}} {
		if got := looked[events.Check{Host: host, Test: "ssh"}]; !got.Equal(want) {
			t.Errorf("%s was looked at %v after the start, want %v", host, got.Sub(start), want.Sub(start))
		}
	}
}

// TestAttendance: who is silent for too long is gone, unless this process was paused itself.
func TestAttendance(t *testing.T) {
	now := time.Now()
	var a attendance
	if !a.heard(&events.Presence{Node: "fra", Site: "eu"}, now) || a.heard(&events.Presence{Node: "fra", Site: "eu"}, now) {
		t.Error("it is news once that a node is there")
	}
	a.heard(&events.Presence{Node: "ams", Site: "eu"}, now)
	a.heard(&events.Presence{Node: "nyc", Site: "us"}, now)
	if a.sites() != 2 {
		t.Errorf("%d sites", a.sites())
	}
	a.silent(now)
	if got := a.silent(now.Add(10 * time.Second)); len(got) > 0 {
		t.Errorf("after a pause %v are silent", got)
	}
	a.heard(&events.Presence{Node: "nyc", Site: "us"}, now.Add(10*time.Second))
	if got := a.silent(now.Add(11 * time.Second)); !slices.Equal(got, []string{"ams", "fra"}) {
		t.Errorf("%v are silent", got)
	}
	a.gone("ams")
	if got := a.silent(now.Add(12 * time.Second)); !slices.Equal(got, []string{"fra"}) {
		t.Errorf("%v are silent", got)
	}
}

// TestOldResultsAreNoVotes: what came while the arbiter was starting, or waited in it, is the last word of its node and
// nothing more. With agree 1 a vote would lead to a proposal at once.
func TestOldResultsAreNoVotes(t *testing.T) {
	now := time.Now()
	check := events.Check{Host: "www.example.com", Test: "ssh"}
	for name, at := range map[string]time.Time{
		"while listening": now.Add(-time.Hour + time.Second/2),
		"kept waiting":    now.Add(-2 * round.MaxWait),
	} {
		t.Run(name, func(t *testing.T) {
			a := &Arbiter{state: round.New("fra"), troubles: trouble.New("fra", trouble.DefaultRules()), metrics: newMetrics(nil)}
			a.door = round.NewDoor(at.Add(-round.Listen / 2))
			if name == "kept waiting" {
				a.door = round.NewDoor(at.Add(-round.Listen))
				a.now = now
			}
			ctx := context.Background()
			def := events.Definition{
				Run:      events.Run{Check: check, Plugin: "ssh", Timeout: events.Millis(time.Second)},
				Interval: events.Millis(time.Minute), Agree: 1,
			}
			a.take(ctx, input{in: round.CatalogChanged{Checks: map[events.Check]events.Definition{check: def}}, at: at})
			r := &events.Result{ID: "1", Node: "nyc", Site: "nyc", Check: check, Status: events.Fail}
			a.take(ctx, input{in: round.Arrived{Result: r}, at: at})
			v, _ := round.Look(a.state, check)
			if v.Pending != nil || v.Round != "" || len(v.Words) != 1 {
				t.Errorf("an old result led to %+v", v)
			}
		})
	}
}
