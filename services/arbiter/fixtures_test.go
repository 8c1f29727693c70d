package arbiter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

// eventually polls until what holds, or fails the test after a time that is long for a busy machine.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(bustest.Patience); ; time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", bustest.Patience, what)
		}
	}
}

// runningArbiter is an arbiter under test, and its log.
type runningArbiter struct {
	*Arbiter
	t    *testing.T
	logs *lockedBuffer
	stop func() // waits until Run has returned
}

func startArbiter(t *testing.T, b *bus.Bus, node string) *runningArbiter {
	t.Helper()
	return startWith(t, Options{Bus: b, Node: node})
}

// startWith starts an arbiter with quick rules.
func startWith(t *testing.T, o Options) *runningArbiter {
	t.Helper()
	logs, node := &lockedBuffer{}, o.Node
	o.Log, o.Rules = zerolog.New(logs), trouble.RulesFor(time.Second)
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var once sync.Once
	r := &runningArbiter{Arbiter: a, t: t, logs: logs, stop: func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("arbiter %s: %v", node, err)
			}
		})
	}}
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("log of arbiter %s:\n%s", node, logs)
		}
	})
	return r
}

// view is what the arbiter believes of a check; the zero View if it doesn't know it.
func (a *runningArbiter) view(c events.Check) round.View {
	a.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), bustest.Patience)
	defer stop()
	views, err := a.Views(ctx)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, v := range views {
		if v.Check == c {
			return v
		}
	}
	return round.View{}
}

func (a *runningArbiter) said(part string) bool { return strings.Contains(a.logs.String(), part) }

// lab is a bus with a stand-in for the prober on each member.
type lab struct {
	t       *testing.T
	cluster *bustest.Cluster
	probers []*standIn
}

// newLab starts n stand-ins on the members of the cluster, one by one.
func newLab(t *testing.T, c *bustest.Cluster, n int) *lab {
	l := &lab{t: t, cluster: c}
	for i := range n {
		l.probers = append(l.probers, startStandIn(t, c.Bus(i%c.Len()), fmt.Sprintf("p%d", i)))
	}
	return l
}

// configure adds a check to the configuration, and has all stand-ins see it up.
func (l *lab) configure(host string, agree int) events.Check {
	l.t.Helper()
	c := events.Check{Host: host, Test: "ssh"}
	d := events.Definition{
		Run:      events.Run{Check: c, Plugin: "ssh", Timeout: events.Millis(2 * time.Second)},
		Interval: events.Millis(time.Second), Agree: agree, Edited: time.Now(),
	}
	put := events.Contribution{Node: "p0", Checks: []events.Definition{d}, Time: time.Now()}
	eventually(l.t, "the configuration can be written", func() bool { // Another test may have had the links cut.
		ctx, stop := context.WithTimeout(context.Background(), bustest.Patience)
		defer stop()
		return l.cluster.Bus(0).PutContribution(ctx, put) == nil
	})
	for _, p := range l.probers {
		p.see(c, events.OK)
	}
	return c
}

// all sets what every stand-in sees.
func (l *lab) all(c events.Check, s events.Status) {
	for _, p := range l.probers {
		p.see(c, s)
	}
}

// history is what the log says of a check, oldest first.
func history(t *testing.T, b *bus.Bus, c events.Check) []bus.Committed {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), bustest.Patience)
	defer stop()
	var out []bus.Committed
	err := b.Outages(ctx, time.Time{}, func(o bus.Committed) error {
		if o.Check == c {
			out = append(out, o)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mustSay fails unless the log says exactly these events of the check. The copy that is read may be behind for a moment.
func mustSay(t *testing.T, b *bus.Bus, c events.Check, want ...events.Event) {
	t.Helper()
	var got []events.Event
	eventually(t, "the log has the events", func() bool {
		got = nil
		for _, o := range history(t, b, c) {
			got = append(got, o.Event)
		}
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		t.Fatalf("the log says %v of %s, want %v", got, c, want)
	}
}

func lastIs(b *bus.Bus, c events.Check, want events.Event) func() bool {
	return func() bool {
		ctx, stop := context.WithTimeout(context.Background(), bustest.Patience)
		defer stop()
		o, err := b.LastOutage(ctx, c)
		return err == nil && o.Event == want
	}
}

func nothingIn(t *testing.T, b *bus.Bus, c events.Check) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), bustest.Patience)
	defer stop()
	if o, err := b.LastOutage(ctx, c); !errors.Is(err, bus.ErrNotFound) {
		t.Fatalf("the log has %v (%v), want nothing", o.Outage, err)
	}
}

// standIn behaves on the bus as a prober does: it is present, publishes routine results, and answers confirmations with
// what it was told to see.
type standIn struct {
	bus  *bus.Bus
	name string
	stop func()

	routine atomic.Bool // it looks without being asked

	mu   sync.Mutex
	sees map[events.Check]events.Status
	runs int
}

func startStandIn(t *testing.T, b *bus.Bus, name string) *standIn {
	t.Helper()
	p := &standIn{bus: b, name: name, sees: map[events.Check]events.Status{}}
	p.routine.Store(true)
	sub, err := bus.Subscribe(b, events.AllConfirm, func(c events.Confirmation) {
		if slices.Contains(c.Nodes, name) {
			p.look(c.Check, c.ID)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { p.run(ctx) })
	var once sync.Once
	p.stop = func() {
		once.Do(func() {
			sub.Stop()
			cancel()
			done.Wait()
		})
	}
	t.Cleanup(p.stop)
	return p
}

// run says twice a second that it is there, and looks at everything five times a second.
func (p *standIn) run(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		_ = p.bus.Publish(&events.Presence{Node: p.name, Site: p.name, Instance: "1", Plugins: []string{"ssh"}})
		p.mu.Lock()
		checks := slices.Collect(maps.Keys(p.sees))
		p.mu.Unlock()
		for _, c := range checks {
			if p.routine.Load() {
				p.look(c, "")
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *standIn) see(c events.Check, s events.Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sees[c] = s
}

// forget ends the looking at a check, so that tests that share a bus don't get in each other's way.
func (p *standIn) forget(c events.Check) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sees, c)
}

func (p *standIn) look(c events.Check, confirms string) {
	p.mu.Lock()
	s, ok := p.sees[c]
	p.runs++
	r := &events.Result{
		ID: fmt.Sprintf("%s-%d-%d", p.name, time.Now().UnixNano(), p.runs), Confirms: confirms, Node: p.name, Site: p.name,
		Check: c, Status: s, Output: "seen by " + p.name, Started: time.Now(),
	}
	p.mu.Unlock()
	if confirms != "" {
		r.ID = events.ConfirmedID(confirms, p.name)
	}
	if ok {
		_ = p.bus.Publish(r) // While the bus is away a prober can't publish either.
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
