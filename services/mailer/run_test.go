package mailer

import (
	"context"
	"errors"
	"testing"
)

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
