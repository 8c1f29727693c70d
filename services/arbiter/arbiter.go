package arbiter

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

const (
	// queue is how many inputs may wait for the state machine. One takes it about a microsecond.
	queue = 4096
	// maxWait is how long a result may wait inside this process and still be a vote.
	maxWait = time.Second
	// listen is for how long after the start results are no votes yet: all nodes have said by then that they are there.
	listen = events.PresenceInterval + events.PresenceInterval/4
	// rereadEvery is how often the log is read again in case a committed event was missed. After the start it is read
	// once more at rereadSoon: the copy that was read first may have been behind.
	rereadEvery = 30 * time.Second
	rereadSoon  = 3 * time.Second
	// writers bounds the proposals that are written at the same time: a whole network may fail at once.
	writers = 64
)

// Options of an arbiter. All are needed, but for Log.
type Options struct {
	Bus  *bus.Bus
	Node string // signs proposals, as Outage.By
	Log  zerolog.Logger
}

// Arbiter is one judge of outages.
type Arbiter struct {
	bus  *bus.Bus
	node string
	log  zerolog.Logger

	inputs  chan input    // all of them, in the order in which they came; senders wait
	reread  chan struct{} // the log is to be read again
	looks   chan func()   // run by the goroutine that owns the state
	slow    atomic.Uint64
	writing chan struct{} // one token per proposal that is being written
	tasks   sync.WaitGroup

	// Owned by the goroutine of Run.
	state   *round.State
	now     time.Time // never runs backwards
	began   time.Time
	heard   map[string]presence // of the nodes that are there
	checked time.Time           // when the nodes' silence was looked at last
	late    uint64              // results that waited too long to be votes
	teller  teller
	known   bool // the configuration has been read
}

// New checks the options.
func New(o Options) (*Arbiter, error) {
	if o.Bus == nil {
		return nil, fmt.Errorf("arbiter: no bus")
	}
	if err := events.ValidateNode(o.Node); err != nil {
		return nil, fmt.Errorf("arbiter: %w", err)
	}
	return &Arbiter{
		bus: o.Bus, node: o.Node, log: o.Log,
		inputs: make(chan input, queue),
		reread: make(chan struct{}, 1), looks: make(chan func()), writing: make(chan struct{}, writers),
		state: round.New(o.Node), heard: map[string]presence{}, teller: teller{log: o.Log},
	}, nil
}

// Run decides until ctx ends. It returns an error if it can't subscribe; all other trouble it outlives. An Arbiter runs
// once.
func (a *Arbiter) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer a.tasks.Wait()
	defer cancel()
	stop, err := a.subscribe(ctx)
	defer stop()
	if err != nil {
		return fmt.Errorf("arbiter: %w", err)
	}
	a.began = time.Now()
	a.adoptLog(ctx)
	a.tasks.Go(func() { a.followLog(ctx) })
	a.tasks.Go(func() { a.followCatalog(ctx) })
	a.loop(ctx)
	return nil
}

// Views returns what the arbiter believes of each check, sorted by host, then test. It fails when ctx ends first, as it
// will if the arbiter isn't running.
func (a *Arbiter) Views(ctx context.Context) ([]round.View, error) {
	var views []round.View
	done := make(chan struct{})
	look := func() { views = round.Overview(a.state); close(done) }
	select {
	case a.looks <- look:
	case <-ctx.Done():
		return nil, fmt.Errorf("arbiter: look at the checks: %w", ctx.Err())
	}
	<-done
	return views, nil
}
