package mailer

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

func catalogOf(recipients ...events.Recipient) events.Catalog {
	return events.Merge([]events.Contribution{{Node: "osaka-1", Recipients: recipients}})
}

// TestFanOut: who is told of what, and when an event has to come again.
func TestFanOut(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	fresh := outageOf(ssh, "r1", events.Opened, now, now)
	old := outageOf(ssh, "r1", events.Opened, ago(48*time.Hour), ago(48*time.Hour))
	oldClosed := outageOf(ssh, "r1", events.Closed, ago(48*time.Hour), ago(47*time.Hour))
	longOutage := outageOf(ssh, "r1", events.Closed, ago(48*time.Hour), now)
	future := fresh
	future.Event = "paused"
	everybody := catalogOf(
		events.Recipient{Address: "ops@example.com"},
		events.Recipient{Address: "db@example.com", Tests: []string{"mysql"}},
		events.Recipient{Address: "web@example.com", Hosts: []string{"www.*"}},
	)
	own := everybody
	own.Checks = map[events.Check]events.Definition{ssh: {Recipients: []string{"boss@example.com"}}}
	for _, c := range []struct {
		name     string
		catalog  events.Catalog
		event    events.Outage
		last     events.Outage
		failLast error
		failPut  string
		want     []string
		again    bool
	}{
		{"who wants it is told", everybody, fresh, fresh, nil, "", []string{"ops@example.com", "web@example.com"}, false},
		{"of the end too", everybody, longOutage, longOutage, nil, "", []string{"ops@example.com", "web@example.com"}, false},
		{"a check's own recipients only", own, fresh, fresh, nil, "", []string{"boss@example.com"}, false},
		{"nobody", events.Catalog{}, fresh, fresh, nil, "", nil, false},
		{"an event of a newer version", everybody, future, fresh, nil, "", nil, false},
		{"one that can't be queued holds up nobody, but comes again", everybody, fresh, fresh, nil, "ops@example.com", []string{"web@example.com"}, true},
		{"an old outage that is still open", everybody, old, old, nil, "", []string{"ops@example.com", "web@example.com"}, false},
		{"an old outage that is over", everybody, old, oldClosed, nil, "", nil, false},
		{"an old end", everybody, oldClosed, oldClosed, nil, "", nil, false},
		{"an old outage, and the bus can't say", everybody, old, old, errDown, "", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "127.0.0.1:1")
			b.bus.catalog = c.catalog
			b.bus.last, b.bus.failLast = bus.Committed{Outage: c.last, Seq: 7}, c.failLast
			b.bus.failPut = func(to string) error {
				if to == c.failPut {
					return errDown
				}
				return nil
			}
			seq := uint64(7)
			if c.last.ID != c.event.ID {
				seq--
			}
			err := b.fanOut(t.Context(), bus.Committed{Outage: c.event, Seq: seq})
			if (err != nil) != c.again {
				t.Errorf("error %v, want one: %v", err, c.again)
			}
			if !slices.Equal(b.bus.put, c.want) {
				t.Errorf("told %q, want %q", b.bus.put, c.want)
			}
		})
	}
}

// TestNothingIsFannedOutBlindly: an event for which it can't be known who is told comes again.
func TestNothingIsFannedOutBlindly(t *testing.T) {
	t.Parallel()
	b, now := newBench(t, "127.0.0.1:1"), time.Now()
	b.bus.failRead, b.timing.call = errDown, time.Millisecond
	err := b.fanOut(t.Context(), bus.Committed{Outage: outageOf(ssh, "r1", events.Opened, now, now)})
	if !errors.Is(err, errDown) || len(b.bus.put) > 0 {
		t.Errorf("got %v; told %q", err, b.bus.put)
	}
}

// TestElectionIsLivedThrough: while the configuration has no leader it is asked again, and the event stays in hand.
func TestElectionIsLivedThrough(t *testing.T) {
	t.Parallel()
	b, now := newBench(t, "127.0.0.1:1"), time.Now()
	b.bus.electing, b.bus.catalog = 2, catalogOf(events.Recipient{Address: "ops@example.com"})
	if err := b.fanOut(t.Context(), bus.Committed{Outage: outageOf(ssh, "r1", events.Opened, now, now)}); err != nil || len(b.bus.put) != 1 {
		t.Errorf("got %v; told %q", err, b.bus.put)
	}
}

// TestBadRecipientHoldsUpNobody: an address that no notice can bear is told in the log, and the others are served.
func TestBadRecipientHoldsUpNobody(t *testing.T) {
	t.Parallel()
	b, now := newBench(t, "127.0.0.1:1"), time.Now()
	c := events.Catalog{Checks: map[events.Check]events.Definition{ssh: {Recipients: []string{"not an address", "ops@example.com"}}}}
	b.bus.catalog = c
	if err := b.fanOut(t.Context(), bus.Committed{Outage: outageOf(ssh, "r1", events.Opened, now, now)}); err != nil {
		t.Error(err)
	}
	if !slices.Equal(b.bus.put, []string{"ops@example.com"}) || b.log.count("can't tell not an address") != 1 {
		t.Errorf("told %q; log:\n%s", b.bus.put, b.log)
	}
}

// TestNoRecipientsIsSaidOnce: at the start and when it becomes so, not at each change in between.
func TestNoRecipientsIsSaidOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, "127.0.0.1:1")
	say := b.sayWhetherAnybodyIsTold()
	told := catalogOf(events.Recipient{Address: "ops@example.com"})
	own := events.Catalog{Checks: map[events.Check]events.Definition{ssh: {Recipients: []string{"ops@example.com"}}}}
	for i, step := range []struct {
		c    events.Catalog
		warn int
		info int
	}{
		{events.Catalog{}, 1, 0},
		{events.Catalog{}, 1, 0},
		{told, 1, 1},
		{own, 1, 1},
		{events.Catalog{}, 2, 1},
		{events.Catalog{}, 2, 1},
	} {
		say(step.c)
		if w, n := b.log.count("told to nobody"), b.log.count("there are recipients now"); w != step.warn || n != step.info {
			t.Errorf("step %d: said %d times that there are none and %d times that there are; want %d, %d", i, w, n, step.warn, step.info)
		}
	}
}

// nodeGone is the event of a trouble.
func nodeGone(e events.TroubleEvent, step int, began, at time.Time) events.Trouble {
	k := events.TroubleKey{Kind: events.TroubleNode, Node: "fra"}
	id := events.TroubleID(k, began)
	return events.Trouble{
		ID: events.TroubleEventID(id, step), Trouble: id, Step: step, TroubleKey: k, Event: e, Time: at, Began: began,
		Reason: "fra is silent", By: "osaka-1",
	}
}

// TestFanOutTrouble: operators are told of troubles, and nobody else; of an old one only while it lasts.
func TestFanOutTrouble(t *testing.T) {
	t.Parallel()
	now := time.Now()
	old := now.Add(-48 * time.Hour)
	catalog := catalogOf(
		events.Recipient{Address: "ops@example.com", Operator: true},
		events.Recipient{Address: "web@example.com", Hosts: []string{"www.*"}},
		events.Recipient{Address: "db@example.com", Tests: []string{"mysql"}, Operator: true},
	)
	operators := []string{"db@example.com", "ops@example.com"}
	unknown := nodeGone("paused", 2, now, now)
	for _, c := range []struct {
		name  string
		event events.Trouble
		later uint64 // how much later the key's last event is
		want  []string
	}{
		{"began", nodeGone(events.Began, 1, now, now), 0, operators},
		{"ended", nodeGone(events.Ended, 2, old, now), 0, operators},
		{"an event of a newer version", unknown, 0, nil},
		{"an old one that lasts", nodeGone(events.Began, 1, old, old), 0, operators},
		{"an old one that is over", nodeGone(events.Began, 1, old, old), 1, nil},
		{"an old end", nodeGone(events.Ended, 2, old, old), 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "127.0.0.1:1")
			b.bus.catalog, b.bus.failLast = catalog, nil
			b.bus.troubles = map[events.TroubleKey]bus.CommittedTrouble{c.event.TroubleKey: {Seq: 7 + c.later}}
			if err := b.fanOutTrouble(t.Context(), bus.CommittedTrouble{Trouble: c.event, Seq: 7}); err != nil {
				t.Error(err)
			}
			if !slices.Equal(b.bus.put, c.want) {
				t.Errorf("told %q, want %q", b.bus.put, c.want)
			}
		})
	}
}
