package bus_test

import (
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
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

// An operator's request can't have a node forgotten that is there, whatever program sends it: neither a member nor one that
// only looks. What they contributed stays. One that says goodbye is gone.
func TestWhoIsThereIsNotForgotten(t *testing.T) {
	t.Parallel()
	ring := bustest.NewRing(t)
	member := aloneWithKey(t, ring) // n0
	inbox := nats.CustomInboxPrefix(events.InboxPrefix(events.CredentialOperator, "ann"))
	operator := connectCreds(t, member, mint(t, ring, events.CredentialOperator, "ann"), inbox)
	leaving := atomic.Bool{}
	stop := make(chan struct{})
	said := make(chan error, 1)
	go func() {
		for tick := time.NewTicker(events.PresenceInterval / 4); ; {
			select {
			case <-stop:
				said <- nil
				return
			case <-tick.C:
				err := member.Publish(&events.Presence{
					Node: "far", Site: "far", Version: "v1", Instance: "one", Plugins: []string{"ssh"}, Leaving: leaving.Load(),
				})
				if err != nil {
					said <- err
					return
				}
			}
		}
	}()
	defer func() { close(stop); must(t, <-said) }()
	type answer struct {
		There, Nothing bool
		Dropped        json.RawMessage
		Error          string
	}
	request := func(node string) (a answer) {
		t.Helper()
		msg, err := operator.RequestWithContext(within(t), events.SubjectForget+node, nil)
		must(t, err)
		must(t, json.Unmarshal(msg.Data, &a))
		return a
	}
	for _, node := range []string{"n0", "far"} {
		must(t, member.PutContribution(within(t), contribution(node, node+".example.com")))
		if a := request(node); !a.There || a.Error == "" || a.Dropped != nil {
			t.Errorf("%s is there: %+v", node, a)
		}
	}
	all, err := member.Contributions(within(t))
	must(t, err)
	if len(all) != 2 {
		t.Errorf("%d contributions are left of two", len(all))
	}
	tool, err := bus.Open(within(t), bus.Options{URL: member.ClientURL(), Node: "ann", Key: fixed(ring), Kind: events.CredentialOperator})
	must(t, err)
	defer func() { _ = tool.Close(within(t)) }()
	if _, err := tool.Forget(within(t), "far"); !errors.Is(err, bus.ErrThere) {
		t.Errorf("by the API: %v", err)
	}
	leaving.Store(true)
	eventually(t, "what says goodbye is forgotten", func() bool { return request("far").Dropped != nil })
	if a := request("*"); a.Error == "" {
		t.Errorf("all at once: %+v", a)
	}
}
