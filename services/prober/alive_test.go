package prober

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestAlive: a prober lives while it says so and its queue can be had; one that holds its lock, or has fallen silent,
// doesn't.
func TestAlive(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		said  func() time.Time // asked when its turn comes, which on a busy machine may be late
		held  bool
		alive bool
	}{
		{"it has just spoken", time.Now, false, true},
		{"it has not begun", func() time.Time { return time.Time{} }, false, false},
		{"it has fallen silent", func() time.Time { return time.Now().Add(-2 * patience) }, false, false},
		{"it never lets go of its queue", time.Now, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := &Prober{said: tc.said()}
			if tc.held {
				p.mu.Lock()
				defer p.mu.Unlock()
			}
			wait := time.Minute
			if !tc.alive {
				wait = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			defer cancel()
			if err := p.Alive(ctx); (err == nil) != tc.alive || err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}
