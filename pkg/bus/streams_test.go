package bus

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Copies follow the number of nodes, and an even number of them is had only where there is no better.
func TestReplicas(t *testing.T) {
	for nodes, want := range map[int]int{0: 1, 1: 1, 2: 2, 3: 3, 4: 3, 5: 5, 6: 5, 9: 5} {
		if got := replicasFor(nodes); got != want {
			t.Errorf("%d nodes: %d copies, want %d", nodes, got, want)
		}
		for _, s := range streams(nodes) {
			most := want
			if s.Storage == jetstream.MemoryStorage {
				most = min(want, 3)
			}
			if s.Replicas != most {
				t.Errorf("%d nodes: stream %s has %d copies, want %d", nodes, s.Name, s.Replicas, most)
			}
		}
	}
}

// A stream that has what we want is left alone, with what the server filled in; one that hasn't gets all of it.
func TestUpdated(t *testing.T) {
	for _, want := range streams(3) {
		have := want
		have.Metadata = map[string]string{"_nats.ver": "2"}
		if next, differs := updated(have, want); differs {
			t.Errorf("stream %s: would be changed to %+v", want.Name, next)
		}
		have.Replicas, have.MaxAge, have.Description = 1, time.Second, "old"
		next, differs := updated(have, want)
		if !differs || next.Replicas != 3 || next.MaxAge != want.MaxAge || next.Metadata == nil || next.Description != want.Description {
			t.Errorf("stream %s: %v, %+v", want.Name, differs, next)
		}
	}
}

// The pauses before a message comes again grow to a minute; who stops gives it back at once.
func TestLaterBy(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	for n, want := range map[uint64]time.Duration{1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 8: 32 * time.Second, 9: time.Minute, 1000: time.Minute} {
		if got := laterBy(ctx, n); got != want {
			t.Errorf("after delivery %d: %v, want %v", n, got, want)
		}
	}
	stop()
	if got := laterBy(ctx, 7); got != 0 {
		t.Errorf("when stopping: %v, want at once", got)
	}
}
