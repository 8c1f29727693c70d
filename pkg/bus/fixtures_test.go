package bus_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// within is a context that ends when a test has waited long enough.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), bustest.Patience)
	t.Cleanup(stop)
	return ctx
}

// eventually polls until ok says so. why is what the failure says.
func eventually(t testing.TB, why string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(bustest.Patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v in vain: %s", bustest.Patience, why)
		}
	}
}

// receive waits for the next value of a channel.
func receive[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(bustest.Patience):
		t.Fatalf("waited %v in vain: %s", bustest.Patience, what)
		panic("not reached")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func check(host string) events.Check { return events.Check{Host: host, Test: "ssh"} }

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// opened is a valid event with two witnesses.
func opened(c events.Check, by string) events.Outage {
	vote := func(node string) events.NodeVote {
		return events.NodeVote{Node: node, Site: node, Vote: events.Down, Status: events.Fail, Output: "FAIL refused", Time: noon}
	}
	id := events.OutageID(c, "round of "+c.Host)
	return events.Outage{
		ID: events.EventID(id, events.Opened), Outage: id, Event: events.Opened, Check: c, Time: noon, Opened: noon,
		Agree: 2, Able: 3, Votes: []events.NodeVote{vote("n0"), vote("n1")}, Round: "round", Reason: "two of three", By: by,
	}
}

// closed is the end of an outage.
func closed(o events.Outage) events.Outage {
	o.Event, o.ID = events.Closed, events.EventID(o.Outage, events.Closed)
	o.Time = o.Opened.Add(time.Minute)
	o.Votes = []events.NodeVote{{Node: "n0", Site: "n0", Vote: events.Up, Status: events.OK, Time: o.Time}}
	return o
}

func notice(o events.Outage, to string) events.Notice {
	return events.Notice{ID: events.NoticeID(o.Outage, o.Event, to), Recipient: to, Created: noon, Outage: o}
}

func delivery(n events.Notice) events.Delivery {
	return events.Delivery{
		Notice: n.ID, Outcome: events.Sent, Outage: n.Outage.Outage, Event: n.Outage.Event, Check: n.Outage.Check,
		Recipient: n.Recipient, Time: noon, Attempts: 1, Answer: "250 ok", By: "n0",
	}
}

func result(node string, c events.Check, id string) events.Result {
	return events.Result{ID: id, Node: node, Site: node, Check: c, Status: events.OK, Output: "OK", Started: noon}
}

// contribution is a node's directory with one check per host.
func contribution(node string, hosts ...string) events.Contribution {
	c := events.Contribution{Node: node, Time: noon}
	for _, h := range hosts {
		c.Checks = append(c.Checks, events.Definition{
			Run:      events.Run{Check: check(h), Plugin: "ssh", Timeout: events.Millis(10 * time.Second)},
			Interval: events.Millis(time.Minute), Agree: 2, Edited: noon,
		})
	}
	return c
}

// propose commits an event, through whatever elections happen meanwhile, and returns its sequence.
func propose(t testing.TB, b *bus.Bus, o events.Outage, last uint64) uint64 {
	t.Helper()
	ctx := within(t)
	for {
		seq, err := b.Propose(ctx, o, last)
		if err == nil {
			return seq
		}
		if got, err := b.LastOutage(ctx, o.Check); err == nil && got.ID == o.ID && got.By == o.By {
			return got.Seq // committed after all
		}
		if ctx.Err() != nil {
			t.Fatalf("propose: %v", err)
		}
	}
}

// freePort returns an address on which nobody listens now.
func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

func hostN(i int) string { return fmt.Sprintf("host-%d.example.com", i) }
