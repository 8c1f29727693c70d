package bus_test

import (
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// Who is forgotten is not missed any more: its trouble ends, once, and isn't said to be back; and what its directory said is
// gone. An operator, who may write nothing, has a member do the same.
func TestForget(t *testing.T) {
	t.Parallel()
	ring, err := key.Parse("cluster.key", []byte(key.New()))
	if err != nil {
		t.Fatal(err)
	}
	source := func() *key.Ring { return ring }
	member, err := bus.Open(within(t), bus.Options{Node: "a", Data: t.TempDir(), ClientListen: "127.0.0.1:0", Key: source})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = member.Close(within(t)) }()
	if err := member.Ready(within(t)); err != nil {
		t.Fatal(err)
	}
	operator, err := bus.Open(within(t), bus.Options{URL: member.ClientURL(), Node: "ann", Key: source, Kind: events.CredentialOperator})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = operator.Close(within(t)) }()
	for name, b := range map[string]*bus.Bus{"a member": member, "an operator": operator} {
		if _, err := b.Forget(within(t), "b"); !isNotFound(err) {
			t.Errorf("%s: nothing is known of b: %v", name, err)
		}
		k, now := events.TroubleKey{Kind: events.TroubleNode, Node: "b"}, time.Now()
		id := events.TroubleID(k, now)
		trouble := events.Trouble{
			ID: events.TroubleEventID(id, 1), Trouble: id, Step: 1, TroubleKey: k, Event: events.Began, Time: now, Began: now, Reason: "b is gone", By: "a",
		}
		began := func(last uint64) {
			t.Helper()
			if _, err := member.ProposeTrouble(within(t), trouble, last); err != nil {
				t.Fatal(err)
			}
		}
		all, err := member.LastTroubles(within(t))
		if err != nil {
			t.Fatal(err)
		}
		began(all[k].Seq)
		if got, err := b.Forget(within(t), "b"); err != nil || !got.Missed || got.Dropped != nil {
			t.Errorf("%s: missed only: %+v, %v", name, got, err)
		}
		all, err = member.LastTroubles(within(t))
		if last := all[k]; err != nil || last.Event != events.Ended || !last.Retired || last.Trouble.Trouble != id || last.By == "" {
			t.Errorf("%s: %+v, %v", name, last, err)
		}
		contribution := events.Contribution{Node: "b", Recipients: []events.Recipient{{Address: "ops@example.com"}}, Time: now}
		if err := member.PutContribution(within(t), contribution); err != nil {
			t.Fatal(err)
		}
		got, err := b.Forget(within(t), "b")
		if err != nil || got.Missed || got.Dropped == nil || got.Dropped.Node != "b" || len(got.Dropped.Recipients) != 1 {
			t.Errorf("%s: its directory only: %+v, %v", name, got, err)
		}
		if _, err := b.Forget(within(t), "b"); !isNotFound(err) {
			t.Errorf("%s: twice: %v", name, err)
		}
		if _, err := b.Forget(within(t), "*"); err == nil {
			t.Errorf("%s: all at once", name)
		}
	}
}
