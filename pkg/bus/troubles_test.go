package bus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

func nodeGone(node string) events.Trouble {
	k := events.TroubleKey{Kind: events.TroubleNode, Node: node}
	id := events.TroubleID(k, noon)
	return events.Trouble{
		ID: events.TroubleEventID(id, 1), Trouble: id, Step: 1, TroubleKey: k, Event: events.Began,
		Time: noon, Began: noon, Reason: node + " is gone", By: "n0",
	}
}

// A trouble is committed once, whoever proposes it; only what was committed is seen by others; and each event comes to
// a mailer until it is handled.
func TestTroubles(t *testing.T) {
	b := openReady(t, bus.Options{Node: "alone", Data: t.TempDir(), ClientListen: "127.0.0.1:0"})
	defer func() { must(t, b.Close(within(t))) }()
	ctx := within(t)
	seen := make(chan bus.CommittedTrouble, 10)
	sub, err := b.SubscribeTroubles(func(c bus.CommittedTrouble) { seen <- c })
	must(t, err)
	defer sub.Stop()

	began := nodeGone("fra")
	first, err := b.ProposeTrouble(ctx, began, 0)
	must(t, err)
	rival := began
	rival.By = "n1"
	if _, err := b.ProposeTrouble(ctx, rival, 0); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("a second beginning: %v, want ErrConflict", err)
	}
	_, err = b.ProposeTrouble(ctx, nodeGone("nyc"), 0)
	must(t, err)
	ended := began
	ended.Event, ended.Step, ended.ID = events.Ended, 2, events.TroubleEventID(began.Trouble, 2)
	last, err := b.ProposeTrouble(ctx, ended, first)
	must(t, err)

	for _, want := range []string{began.ID, nodeGone("nyc").ID, ended.ID} {
		if got := receive(t, "a committed trouble", seen); got.ID != want || got.By != "n0" {
			t.Errorf("republished: %s by %s, want %s", got.ID, got.By, want)
		}
	}
	all, err := b.LastTroubles(ctx)
	must(t, err)
	if got := all[began.TroubleKey]; len(all) != 2 || got.Seq != last || got.Event != events.Ended {
		t.Errorf("the last ones: %+v", all)
	}

	key := events.TroubleKey{Kind: events.TroubleBlind}
	msg := nats.NewMsg(events.ProposeTroubleSubject("noted", key))
	msg.Data = []byte(`{"v":1}`)
	ack, err := b.JetStream().PublishMsg(ctx, msg)
	must(t, err)
	if all, err := b.LastTroubles(ctx); err != nil || all[key].Seq != ack.Sequence || all[key].Event != "" || all[key].TroubleKey != key {
		t.Errorf("a key with an event of a newer version alone: %+v, %v", all[key], err)
	}

	var handled []string
	take, stop := context.WithCancel(ctx)
	defer stop()
	failed := false
	_ = b.ConsumeTroubles(take, func(_ context.Context, c bus.CommittedTrouble) error {
		if !failed {
			failed = true
			return errors.New("not now")
		}
		if handled = append(handled, c.ID); len(handled) == 3 {
			time.AfterFunc(time.Millisecond, stop) // after the last one is acknowledged
		}
		return nil
	})
	if len(handled) != 3 {
		t.Errorf("handled %v, want all three, the refused one again", handled)
	}
}
