package arbiter

import (
	"context"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
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

// TestOldResultsAreNoVotes: what came while the arbiter was starting, or waited in it, is the last word of its node and
// nothing more. With agree 1 a vote would lead to a proposal at once.
func TestOldResultsAreNoVotes(t *testing.T) {
	now := time.Now()
	check := events.Check{Host: "www.example.com", Test: "ssh"}
	for name, at := range map[string]time.Time{
		"while listening": now.Add(-time.Hour + time.Second/2),
		"kept waiting":    now.Add(-2 * maxWait),
	} {
		t.Run(name, func(t *testing.T) {
			a := &Arbiter{state: round.New("fra"), heard: map[string]presence{}, began: now.Add(-time.Hour), now: now}
			if name == "while listening" {
				a.now = at
			}
			ctx := context.Background()
			def := events.Definition{
				Run:      events.Run{Check: check, Plugin: "ssh", Timeout: events.Millis(time.Second)},
				Interval: events.Millis(time.Minute), Agree: 1,
			}
			a.take(ctx, input{round.CatalogChanged{Checks: map[events.Check]events.Definition{check: def}}, at})
			r := &events.Result{ID: "1", Node: "nyc", Site: "nyc", Check: check, Status: events.Fail}
			a.take(ctx, input{round.Arrived{Result: r}, at})
			v, _ := round.Look(a.state, check)
			if v.Pending != nil || v.Round != "" || len(v.Words) != 1 {
				t.Errorf("an old result led to %+v", v)
			}
		})
	}
}
