package mailer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// TestNothingIsFannedOutBlindly: no event is taken before it is known who is told.
func TestNothingIsFannedOutBlindly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "127.0.0.1:1")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.consumeOutages(ctx) }()
		reads := func() bool {
			synctest.Wait() // until all that can happen has happened
			select {
			case <-b.bus.consumes:
				return true
			default:
				return false
			}
		}
		if reads() {
			t.Error("outages are read before there is a catalog")
		}
		b.useCatalog(events.Catalog{})
		if !reads() {
			t.Error("outages are never read")
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestRunEnds: the end of the context is no error; a part that fails ends the others and is named.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newBench(t, "127.0.0.1:1").Run(ctx); err != nil {
		t.Errorf("after the end of its context: %v", err)
	}
	b := newBench(t, "127.0.0.1:1")
	b.bus.failFollow = errDown
	if err := b.Run(t.Context()); !errors.Is(err, errDown) || err.Error() != "follow the configuration: no majority" {
		t.Errorf("got %v", err)
	}
}
