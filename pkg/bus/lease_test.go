package bus_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
)

const leaseTTL = 2 * time.Second

// A reign is one time in which a holder led, by the clock of this process.
type reign struct {
	holder   string
	fence    uint64
	from, to time.Time // to is zero while it lasts
}

// court has every member compete for a lease and keeps the records.
type court struct {
	t    *testing.T
	c    *bustest.Cluster
	name string

	mu     sync.Mutex
	reigns []*reign
	stops  map[int]context.CancelFunc
	wg     sync.WaitGroup
}

func newCourt(t *testing.T, c *bustest.Cluster, name string) *court {
	k := &court{t: t, c: c, name: name, stops: map[int]context.CancelFunc{}}
	for i := range c.Len() {
		k.compete(i)
	}
	t.Cleanup(k.end)
	return k
}

func (k *court) compete(i int) {
	ctx, stop := context.WithCancel(context.Background())
	k.stops[i] = stop
	b := k.c.Bus(i)
	k.wg.Go(func() { _ = b.HoldLease(ctx, k.name, k.c.Name(i), leaseTTL, k.lead(k.c.Name(i))) })
}

func (k *court) lead(holder string) func(context.Context, uint64) error {
	return func(ctx context.Context, fence uint64) error {
		r := &reign{holder: holder, fence: fence, from: time.Now()}
		k.mu.Lock()
		k.reigns = append(k.reigns, r)
		k.mu.Unlock()
		<-ctx.Done()
		k.mu.Lock()
		r.to = time.Now()
		k.mu.Unlock()
		return nil
	}
}

// leader waits until somebody leads who is not the one named, and returns his number.
func (k *court) leader(not string) int {
	k.t.Helper()
	found := -1
	eventually(k.t, "a holder of the lease other than "+not, func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, r := range k.reigns {
			for i := range k.c.Len() {
				if r.to.IsZero() && r.holder == k.c.Name(i) && r.holder != not {
					found = i
				}
			}
		}
		return found >= 0
	})
	return found
}

// end stops all and holds every reign against the others.
func (k *court) end() {
	for _, stop := range k.stops {
		stop()
	}
	k.wg.Wait()
	slices.SortFunc(k.reigns, func(a, b *reign) int { return a.from.Compare(b.from) })
	for i, r := range k.reigns[1:] {
		before := k.reigns[i]
		if r.from.Before(before.to) {
			k.t.Errorf("two at once: %s led until %v, %s from %v", before.holder, before.to, r.holder, r.from)
		}
		if r.fence <= before.fence {
			k.t.Errorf("fence %d of %s after %d of %s: want it to grow", r.fence, r.holder, before.fence, before.holder)
		}
	}
}

// Who stops politely gives the lease up, and somebody else has it before it would have lapsed.
func leasePolite(t *testing.T, c *bustest.Cluster) {
	k := newCourt(t, c, "polite")
	first := k.leader("")
	who, err := c.Bus((first+1)%3).LeaseHolder(within(t), "polite")
	if err != nil || who != c.Name(first) {
		t.Errorf("holder %q, %v; want %s", who, err, c.Name(first))
	}
	// Held for longer than it lives: it is renewed.
	k.mu.Lock()
	from := k.reigns[0].from
	k.mu.Unlock()
	eventually(t, "two lifetimes", func() bool { return time.Since(from) > 2*leaseTTL })
	if again := k.leader(""); again != first {
		t.Errorf("%s leads, though %s was never disturbed", c.Name(again), c.Name(first))
	}
	k.stops[first]()
	k.leader(c.Name(first))
}

// When lead returns, the lease is free at once, and is competed for again; with a higher fence each time.
func leaseReturned(t *testing.T, c *bustest.Cluster) {
	ctx, stop := context.WithCancel(within(t))
	var fences []uint64
	err := c.Bus(0).HoldLease(ctx, "short", "n0", bus.MinLease, func(ctx context.Context, fence uint64) error {
		if fences = append(fences, fence); len(fences) == 3 {
			stop()
		}
		return errors.New("lead failed")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if len(fences) != 3 || fences[0] >= fences[1] || fences[1] >= fences[2] {
		t.Errorf("fences %v, want three that grow", fences)
	}
	if who, err := c.Bus(1).LeaseHolder(within(t), "short"); err != nil || who != "" {
		t.Errorf("holder %q, %v; want none", who, err)
	}
	if who, err := c.Bus(1).LeaseHolder(within(t), "never"); err != nil || who != "" {
		t.Errorf("holder of a lease nobody asked for: %q, %v", who, err)
	}
	for name, ttl := range map[string]time.Duration{"short": bus.MinLease - 1, "not.a.name": bus.MinLease} {
		if err := c.Bus(0).HoldLease(ctx, name, "n0", ttl, nil); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("lease %q of %v: %v, want a refusal", name, ttl, err)
		}
	}
}

// The member under the holder stops without a word to him: he stops by himself, and another one takes over.
func leaseStop(t *testing.T, c *bustest.Cluster) {
	k := newCourt(t, c, "stop")
	first := k.leader("")
	c.Stop(first)
	k.leader(c.Name(first))
	k.stops[first]()
	c.Start(first)
	k.compete(first)
}

// A holder who is cut off stops before the others may begin.
func leaseCut(t *testing.T, c *bustest.Cluster) {
	k := newCourt(t, c, "cut")
	first := k.leader("")
	c.Cut(first)
	defer c.Heal(first)
	eventually(t, "the holder to stop by himself", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return !k.reigns[0].to.IsZero()
	})
	k.leader(c.Name(first))
	c.Heal(first)
	// Mending may cost another election, in which the lease may move once more.
	eventually(t, "the old holder to see who leads", func() bool {
		who, err := c.Bus(first).LeaseHolder(within(t), "cut")
		return err == nil && who == c.Name(k.leader(""))
	})
}
