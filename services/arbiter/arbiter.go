package arbiter

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

const (
	// queue is how many inputs may wait for the state machine. One takes it about a microsecond.
	queue = 4096
	// rereadEvery is how often the log is read again in case a committed event was missed. After the start it is read
	// once more at rereadSoon: the copy that was read first may have been behind.
	rereadEvery = 30 * time.Second
	rereadSoon  = 3 * time.Second
	// writers bounds the proposals that are written at the same time: a whole network may fail at once.
	writers = 64
)

// Options of an arbiter. Bus and Node are needed.
type Options struct {
	Bus  *bus.Bus
	Node string // signs proposals, as Outage.By
	Log  zerolog.Logger
	// Data is the folder for the mark of having been alive, from which late recoveries are known, for what was said to be
	// uncommitted, and for which nodes there were; empty: none of that is kept.
	Data string
	// Metrics is where the arbiter registers what it counts; nil: nowhere.
	Metrics prometheus.Registerer
	Rules   trouble.Rules // when the operators are told of dmonitor itself; zero: trouble.DefaultRules
}

// Arbiter is one judge of outages.
type Arbiter struct {
	bus  *bus.Bus
	node string
	data string
	log  zerolog.Logger

	metrics metrics
	inputs  chan input    // all of them, in the order in which they came; senders wait
	reread  chan struct{} // the log is to be read again
	looks   chan func()   // run by the goroutine that owns the state
	slow    atomic.Uint64
	writing chan struct{} // one token per proposal that is being written
	tasks   sync.WaitGroup

	keeping   chan []events.Uncommitted // to be written
	unwritten atomic.Bool               // the last one could not be
	noting    chan map[string]string    // the nodes there are, to be written

	// Owned by the goroutine of Run.
	state       *round.State
	troubles    *trouble.State
	troubleWake time.Time // when troubles needs a tick; zero: never
	now         time.Time // never runs backwards
	began       time.Time
	door        round.Door
	there       attendance
	knownNodes  map[string]string // as they stand in nodesFile
	late        uint64            // results that waited too long to be votes
	teller      teller
	known       bool // the configuration has been read
	logRead     bool // since the start
	kept        kept
	remembered  bool // what was kept before the start has been handed to the state machines
}

// New checks the options.
func New(o Options) (*Arbiter, error) {
	if o.Bus == nil {
		return nil, fmt.Errorf("arbiter: no bus")
	}
	if err := events.ValidateNode(o.Node); err != nil {
		return nil, fmt.Errorf("arbiter: %w", err)
	}
	if o.Rules == (trouble.Rules{}) {
		o.Rules = trouble.DefaultRules()
	}
	a := &Arbiter{
		bus: o.Bus, node: o.Node, data: o.Data, log: o.Log,
		inputs: make(chan input, queue),
		reread: make(chan struct{}, 1), looks: make(chan func()), writing: make(chan struct{}, writers),
		keeping: make(chan []events.Uncommitted, 1), noting: make(chan map[string]string, 1),
		state: round.New(o.Node), troubles: trouble.New(o.Node, o.Rules), teller: teller{log: o.Log},
	}
	a.metrics = newMetrics(o.Metrics)
	return a, nil
}

// Run decides until ctx ends. It returns an error if it can't subscribe; all other trouble it outlives. An Arbiter runs
// once.
func (a *Arbiter) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer a.keepAtLast()
	defer a.tasks.Wait()
	defer cancel()
	stop, err := a.subscribe(ctx)
	defer stop()
	if err != nil {
		return fmt.Errorf("arbiter: %w", err)
	}
	a.began = time.Now()
	a.door = round.NewDoor(a.began)
	gap := a.wakeUp(ctx)
	a.recallNodes(ctx)
	a.recall()
	a.adoptLog(ctx)
	a.tasks.Go(func() { a.followLog(ctx) })
	a.tasks.Go(func() { a.followCatalog(ctx, gap) })
	a.tasks.Go(func() { a.stayAlive(ctx) })
	a.tasks.Go(func() { a.writeWhatIsKept(ctx) })
	a.tasks.Go(func() { a.writeNodesAsNoted(ctx) })
	a.tasks.Go(func() { a.watchMajority(ctx) })
	a.tasks.Go(func() { a.watchMembers(ctx) })
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

// Alive returns when the loop that owns the state has answered, or with ctx's error if it doesn't.
func (a *Arbiter) Alive(ctx context.Context) error {
	select {
	case a.looks <- func() {}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
