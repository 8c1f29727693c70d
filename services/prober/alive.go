package prober

import (
	"context"
	"time"
)

// patience is how long the loop that says each second that this node is there may be silent, and how long the lock may
// be held: a hundred times what a full queue takes.
const patience = 10 * time.Second

// Alive returns when the prober has shown that it moves: it says that it is there, and its queue can be had. It returns
// ctx's error if it doesn't, or has not begun.
func (p *Prober) Alive(ctx context.Context) error {
	moved := make(chan struct{})
	go func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if time.Since(p.said) < patience {
			close(moved)
		}
	}()
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
