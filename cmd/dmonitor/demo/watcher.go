package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dmonitor/dmonitor/demo/inbox"
	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// watcher keeps what was seen on the bus and in the inbox, and wakes who waits for it.
type watcher struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	seen    sight
	failure error
}

// sight is what the demo has seen so far.
type sight struct {
	results []seenResult
	outages []bus.Committed
	mails   []inbox.Mail
}

type seenResult struct {
	events.Result
	at time.Time
}

func newWatcher() *watcher { return &watcher{changed: make(chan struct{})} }

func (w *watcher) update(f func(*sight)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.seen)
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watcher) fail(err error) {
	w.update(func(*sight) { w.failure = errors.Join(w.failure, err) })
}

// follow subscribes to what the nodes say.
func (w *watcher) follow(b *bus.Bus) error {
	_, err := bus.Subscribe(b, events.AllResults, func(r events.Result) {
		w.update(func(s *sight) { s.results = append(s.results, seenResult{r, time.Now()}) })
	})
	if err != nil {
		return fmt.Errorf("follow the results: %w", err)
	}
	_, err = b.SubscribeOutages(func(o bus.Committed) {
		w.update(func(s *sight) { s.outages = append(s.outages, o) })
	})
	if err != nil {
		return fmt.Errorf("follow the outages: %w", err)
	}
	return nil
}

// followInbox takes over the mails as they come.
func (w *watcher) followInbox(ctx context.Context, in *inbox.Inbox) error {
	for n := 1; ; n++ {
		mails, err := in.Wait(ctx, n)
		if err != nil {
			return err
		}
		n = len(mails)
		w.update(func(s *sight) { s.mails = mails })
	}
}

// until waits until cond holds for what was seen, at most for the given time.
func (w *watcher) until(ctx context.Context, what string, most time.Duration, cond func(sight) bool) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		w.mu.Lock()
		ok, failure, changed := cond(w.seen), w.failure, w.changed
		w.mu.Unlock()
		switch {
		case failure != nil:
			return failure
		case ok:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("not seen within %v: %s", most, what)
			}
			return ctx.Err()
		}
	}
}

// now copies what was seen.
func (w *watcher) now() sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return sight{slices.Clone(w.seen.results), slices.Clone(w.seen.outages), slices.Clone(w.seen.mails)}
}

// since lists the results that arrived after a moment, newest last.
func (s sight) since(t time.Time) []seenResult {
	i := slices.IndexFunc(s.results, func(r seenResult) bool { return r.at.After(t) })
	if i < 0 {
		return nil
	}
	return s.results[i:]
}

// nodesWith lists the nodes that had such a vote since a moment.
func (s sight) nodesWith(v events.Vote, t time.Time) []string {
	var out []string
	for _, r := range s.since(t) {
		if r.Status.Vote() == v && !slices.Contains(out, r.Node) {
			out = append(out, r.Node)
		}
	}
	slices.Sort(out)
	return out
}
