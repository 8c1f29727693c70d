package main

import (
	"context"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// Who is forgotten is not missed any more: its trouble ends, once, and isn't said to be back.
func TestForgetEndsMissing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := bus.Open(ctx, bus.Options{Node: "a", Data: t.TempDir(), ClientListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBus(b)
	if err := b.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	if missed, err := endMissing(ctx, b, "b", "a", time.Now()); missed || err != nil {
		t.Errorf("nobody is missed: %v, %v", missed, err)
	}
	k, now := events.TroubleKey{Kind: events.TroubleNode, Node: "b"}, time.Now()
	id := events.TroubleID(k, now)
	if _, err := b.ProposeTrouble(ctx, events.Trouble{
		ID: events.TroubleEventID(id, 1), Trouble: id, Step: 1, TroubleKey: k, Event: events.Began, Time: now, Began: now, Reason: "b is gone", By: "a",
	}, 0); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if missed, err := endMissing(ctx, b, "b", "a", time.Now()); missed != want || err != nil {
			t.Errorf("missed: %v, %v, want %v", missed, err, want)
		}
	}
	all, err := b.LastTroubles(ctx)
	if last := all[k]; err != nil || last.Event != events.Ended || !last.Retired || last.Trouble.Trouble != id {
		t.Errorf("%+v, %v", last, err)
	}
}
