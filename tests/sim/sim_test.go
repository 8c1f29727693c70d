package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
)

var (
	seed  = flag.Uint64("seed", 0, "play this story alone, and print it")
	seeds = flag.Int("seeds", 200, "how many stories are played")
	first = flag.Uint64("first", 1, "the first one")
)

// No story breaks a rule. A seed that does is kept here for ever.
func TestStories(t *testing.T) {
	if *seed != 0 {
		w := New(*seed)
		failures := w.Run()
		fmt.Print(w.Trace())
		for _, f := range failures {
			t.Error(f)
		}
		return
	}
	var (
		mu   sync.Mutex
		sum  Stats
		next = *first
		all  sync.WaitGroup
	)
	take := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next >= *first+uint64(*seeds) || t.Failed() {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for s, ok := take(); ok; s, ok = take() {
				w := New(s)
				failures := w.Run()
				mu.Lock()
				sum.add(w.Stats)
				for _, f := range failures {
					t.Errorf("seed %d: %s (make sim SEED=%d shows the story)", s, f, s)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	fmt.Fprintf(os.Stderr, "%d stories: %+v\n", next-*first, sum)
	if sum.Opened == 0 || sum.Closed == 0 || sum.Dismissed == 0 || sum.Mails == 0 || sum.Window == 0 || sum.Crashes == 0 ||
		sum.Freezes == 0 || sum.Groups == 0 || sum.Mentions == 0 || sum.Cuts == 0 || sum.Refused == 0 || sum.Unsure == 0 {
		t.Errorf("something never happened: %+v", sum)
	}
}

// One seed always gives the same story.
func TestSameSeedSameStory(t *testing.T) {
	a, b := New(7), New(7)
	a.Run()
	b.Run()
	if a.Trace() != b.Trace() || len(a.Trace()) < 1000 {
		t.Error("two stories of one seed differ, or there is none")
	}
}
