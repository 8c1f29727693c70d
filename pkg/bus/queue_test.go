package bus_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

func pending(t testing.TB, b *bus.Bus) uint64 {
	t.Helper()
	n, err := b.PendingNotices(within(t))
	must(t, err)
	return n
}

// However many queue it, and whether or not it was sent meanwhile, a notice is sent once.
func noticesOnce(t *testing.T, c *bustest.Cluster) {
	n := notice(opened(check("once.example.com"), "n0"), "ops@example.com")
	var all sync.WaitGroup
	for i := range 12 { // at the same moment, as several mailers would
		all.Go(func() {
			if err := c.Bus(i%3).PutNotice(within(t), n); err != nil {
				t.Errorf("queue: %v", err)
			}
		})
	}
	all.Wait()
	if got := pending(t, c.Bus(1)); got != 1 {
		t.Errorf("%d notices wait, want 1", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var sent atomic.Int32
	err := c.Bus(2).ConsumeNotices(ctx, 2, func(ctx context.Context, task *bus.Task) {
		sent.Add(1)
		must(t, task.Done(ctx))
		must(t, c.Bus(2).PutDelivery(ctx, delivery(task.Notice)))
		must(t, c.Bus(2).PutDelivery(ctx, delivery(task.Notice)))
		must(t, c.Bus(0).PutNotice(ctx, n))
		stop()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if got := pending(t, c.Bus(1)); got != 0 || sent.Load() != 1 {
		t.Errorf("%d notices wait, %d sent; want none and 1", got, sent.Load())
	}
	var ids []string
	must(t, c.Bus(1).Deliveries(within(t), time.Time{}, func(d events.Delivery) error {
		ids = append(ids, d.Notice)
		return nil
	}))
	if len(ids) != 1 || ids[0] != n.ID {
		t.Errorf("deliveries %v, want one of %s", ids, n.ID)
	}
}

// A task that is put back, or dropped, comes again with a higher count, wherever there is a free hand; one that is done
// does not. Nobody holds more than he was asked to.
func tasks(t *testing.T, c *bustest.Cluster) {
	const total = 12
	for i := range total {
		must(t, c.Bus(i%3).PutNotice(within(t), notice(opened(check(hostN(i)), "n0"), "ops@example.com")))
	}
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	done := map[string]int{}
	attempts := map[string][]int{}
	handle := func(hands *atomic.Int32) func(context.Context, *bus.Task) {
		return func(ctx context.Context, task *bus.Task) {
			if n := hands.Add(1); n > 2 {
				t.Errorf("%d tasks at once, want 2 at most", n)
			}
			defer hands.Add(-1)
			must(t, task.Working())
			mu.Lock()
			attempts[task.ID] = append(attempts[task.ID], task.Attempt)
			mu.Unlock()
			switch task.Attempt {
			case 1:
				must(t, task.Retry(50*time.Millisecond))
			case 2: // forgotten
			default:
				must(t, task.Done(ctx))
				mu.Lock()
				done[task.ID]++
				if len(done) == total {
					stop()
				}
				mu.Unlock()
			}
			if task.Queued.IsZero() {
				t.Error("no time of queueing")
			}
		}
	}
	var wg sync.WaitGroup
	for i := range 3 {
		var hands atomic.Int32
		wg.Go(func() { _ = c.Bus(i).ConsumeNotices(ctx, 2, handle(&hands)) })
	}
	context.AfterFunc(within(t), stop)
	wg.Wait()
	if len(done) != total {
		t.Errorf("%d done, want %d", len(done), total)
	}
	for id, as := range attempts {
		if len(as) != 3 || as[0] != 1 || as[1] != 2 || as[2] != 3 {
			t.Errorf("attempts of %s: %v, want 1, 2, 3", id, as)
		}
	}
	eventually(t, "an empty queue", func() bool { return pending(t, c.Bus(0)) == 0 })
}

// Whoever puts notices back comes last when they are handed out again, so that others have their try; and when there is
// nobody else, they come back to him.
func turns(t *testing.T, c *bustest.Cluster) {
	const total = 6
	const delay = 8 * time.Second // the others have to stand in line before it ends
	for i := range total {
		must(t, c.Bus(0).PutNotice(within(t), notice(opened(check(hostN(i)), "n0"), "turns@example.com")))
	}
	ctx, stop := context.WithCancel(t.Context())
	var failed, sent atomic.Int32
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = c.Bus(0).ConsumeNotices(ctx, total, func(ctx context.Context, task *bus.Task) {
			if failed.Add(1) <= total {
				must(t, task.Retry(delay))
				return
			}
			must(t, task.Done(ctx))
		})
	})
	eventually(t, "all have been put back", func() bool { return failed.Load() == total })
	others, end := context.WithCancel(ctx)
	wg.Go(func() {
		_ = c.Bus(1).ConsumeNotices(others, total, func(ctx context.Context, task *bus.Task) {
			must(t, task.Done(ctx))
			sent.Add(1)
		})
	})
	eventually(t, "all are sent by the other", func() bool { return pending(t, c.Bus(2)) == 0 })
	if sent.Load() != total || failed.Load() != total {
		t.Errorf("the other sent %d of %d; who had put them back got %d of them again", sent.Load(), total, failed.Load()-total)
	}
	end()
	must(t, c.Bus(0).PutNotice(within(t), notice(opened(check("turns.example.com"), "n0"), "turns@example.com")))
	eventually(t, "one more is sent by who is left", func() bool { return pending(t, c.Bus(2)) == 0 })
	stop()
	wg.Wait()
}

// An event whose handling fails comes again; one that was handled doesn't, though several listen.
func fanOut(t *testing.T, c *bustest.Cluster) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	handled, failed := map[string]int{}, map[string]int{}
	handle := func(_ context.Context, e bus.Committed) error {
		mu.Lock()
		defer mu.Unlock()
		if e.Host == "fanout-1.example.com" && failed[e.ID] == 0 {
			failed[e.ID]++
			return errors.New("not now")
		}
		handled[e.ID]++
		return nil
	}
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() { _ = c.Bus(i).ConsumeOutages(ctx, handle) })
	}
	var ids []string
	for _, host := range []string{"fanout-0.example.com", "fanout-1.example.com", "fanout-2.example.com"} {
		o := opened(check(host), "n0")
		propose(t, c.Bus(0), o, 0)
		ids = append(ids, o.ID)
	}
	eventually(t, "three events handled", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return handled[ids[0]] > 0 && handled[ids[1]] > 0 && handled[ids[2]] > 0
	})
	stop()
	wg.Wait()
	for id, n := range handled {
		if n != 1 {
			t.Errorf("event %s was handled %d times", id, n)
		}
	}
	if failed[ids[1]] != 1 {
		t.Errorf("%d failures, want the one", failed[ids[1]])
	}
}
