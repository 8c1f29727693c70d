package prober

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/prober/plugin"
)

const (
	// DefaultConcurrency is how many plugins run at once if Options says nothing. What fills slots is time-outs: with
	// the default timeout of 10 s, 64 slots carry 6.4 of them a second, which is 384 checks of the default interval that
	// all hang at the same time. A plugin takes 2 to 15 MB (C to Python), so a full house stays below 1 GB.
	DefaultConcurrency = 64
	// maxConcurrency bounds the setting: each run holds a thread, and Go gives up at 10,000 of them.
	maxConcurrency = 4096
	// maxWaiting and maxWaitingBytes bound each of the two queues. They are reached by a flood only: what waits too long
	// is dropped before. An order of the usual size takes some 300 bytes, so that both queues full are 5 MB.
	maxWaiting      = 8192
	maxWaitingBytes = 8 << 20
	// confirmSlack is how much longer than the check's timeout a confirmation may wait. The arbiter's round lasts two
	// seconds longer than the timeout, and what waited too long is noticed within one (PresenceInterval): so who asked
	// hears that it is not run before the round is over.
	confirmSlack = 500 * time.Millisecond
	// farewell bounds how long the last word may take.
	farewell = 2 * time.Second
	// logEvery is how often the same trouble is logged.
	logEvery = 10 * time.Second
)

// Folders with plugins, after those of the configuration.
const (
	ShippedPlugins = "/usr/lib/dmonitor/plugins"
	NagiosPlugins  = "/usr/lib/nagios/plugins"
)

// PluginDirs lists where plugins are looked for, the first one first: the configuration's own folder, further ones, the
// shipped ones, and those of the Monitoring Plugins.
func PluginDirs(config string, further ...string) []string {
	return slices.Concat([]string{filepath.Join(config, "plugins")}, further, []string{ShippedPlugins, NagiosPlugins})
}

// Options of a Prober. Bus and Node are needed.
type Options struct {
	Bus         *bus.Bus
	Node        string
	Site        string         // the node's name if empty
	PluginDirs  []string       // see PluginDirs
	Concurrency int            // jobs that run at once, DefaultConcurrency if 0; confirmations may take a quarter more
	Limits      *plugin.Limits // of every plugin, the default ones if nil
	Version     string         // of dmonitor
	Log         zerolog.Logger
	Metrics     prometheus.Registerer // where what is counted is registered, once; nil: nowhere
}

// Prober is the service. It runs once.
type Prober struct {
	o     Options
	log   zerolog.Logger
	rare  troubles
	count metrics
	claim claim // used by one goroutine

	again    time.Duration // testAgain
	runner   *plugin.Runner
	runs     sync.WaitGroup
	mu       sync.Mutex // guards what follows
	queue    queue
	closed   bool              // nothing more is taken
	withheld []events.Withheld // plugins that don't work here
	said     time.Time         // the last time presence was looked at
}

// troubles are logs of what may happen many times a second. Each writes at most one line in logEvery; the counters in the
// lines tell how often it was.
type troubles struct{ late, stalled, lost, silent, rival zerolog.Logger }

func newTroubles(log zerolog.Logger) troubles {
	rare := func() zerolog.Logger { return log.Sample(&zerolog.BurstSampler{Burst: 1, Period: logEvery}) }
	return troubles{rare(), rare(), rare(), rare(), rare()}
}

// New checks the options.
func New(o Options) (*Prober, error) {
	if o.Site == "" {
		o.Site = o.Node
	}
	if o.Concurrency == 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.Limits == nil {
		limits := defaultLimits(o.Concurrency, plugin.MachineMemory())
		o.Limits = &limits
	}
	switch {
	case o.Bus == nil:
		return nil, errors.New("prober: no bus")
	case o.Concurrency < 1 || o.Concurrency > maxConcurrency:
		return nil, fmt.Errorf("prober: concurrency %d: want 1 to %d", o.Concurrency, maxConcurrency)
	case len(o.PluginDirs) == 0:
		return nil, errors.New("prober: no plugin folders")
	}
	first := events.Presence{Node: o.Node, Site: o.Site, Version: o.Version, Instance: newInstance(time.Now())}
	if err := first.Validate(); err != nil {
		return nil, fmt.Errorf("prober: %w", err)
	}
	p := &Prober{
		o:     o,
		log:   o.Log,
		rare:  newTroubles(o.Log),
		claim: claim{instance: first.Instance}, again: testAgain,
		queue: queue{
			slots: o.Concurrency, reserve: reserve(o.Concurrency),
			most: maxWaiting, mostBytes: maxWaitingBytes, known: newMemory(),
		},
	}
	p.count = p.newMetrics(o.Metrics)
	return p, nil
}

// Run works until ctx ends, and then returns nil when all is cleaned up; or it returns what makes it impossible to go on.
func (p *Prober) Run(ctx context.Context) (err error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	p.runner, err = plugin.NewRunner(plugin.Options{Dirs: p.o.PluginDirs, Node: p.o.Node, Limits: *p.o.Limits})
	if err != nil {
		return fmt.Errorf("prepare to run plugins: %w", err)
	}
	tested := make(chan struct{})
	p.runs.Go(func() { p.testPlugins(ctx, tested) })
	select {
	case <-tested:
	case <-time.After(firstTest):
	case <-ctx.Done():
	}
	subs, err := p.subscribe(ctx, giveUp)
	if err == nil {
		p.log.Info().Int("plugins", len(p.presence().Plugins)).Msg(p.looking())
		p.sayPresence(ctx)
		err = p.failure(ctx)
	}
	for _, s := range subs {
		s.Stop()
	}
	giveUp(nil) // kills what runs
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.runs.Wait()
	if !errors.Is(err, ErrNameTaken) {
		p.leave()
	}
	return errors.Join(err, p.runner.Close())
}

// looking says whether this node looks already: without the bus nobody orders anything.
func (p *Prober) looking() string {
	if p.o.Bus.Conn().IsConnected() {
		return "prober is looking"
	}
	return "prober is ready to look, as soon as it is connected to the bus"
}

// failure is what ended the context, if it was not the caller.
func (p *Prober) failure(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrNameTaken) {
		return fmt.Errorf("%w; give one of the two another DMONITOR_NODE or, if it has credentials, credentials of another name", cause)
	}
	return nil
}

// subscribe takes jobs, confirmations, and what is said in this node's name. It returns the subscriptions it has made,
// also with an error.
func (p *Prober) subscribe(ctx context.Context, giveUp context.CancelCauseFunc) (subs []*bus.Subscription, err error) {
	keep := func(s *bus.Subscription, e error) {
		if e != nil {
			err = errors.Join(err, fmt.Errorf("listen for jobs: %w", e))
			return
		}
		subs = append(subs, s)
	}
	keep(bus.Subscribe(p.o.Bus, events.PresenceSubject(p.o.Node), func(pr events.Presence) { p.hear(pr, giveUp) }))
	keep(bus.Subscribe(p.o.Bus, events.AllConfirm, func(c events.Confirmation) { p.confirm(ctx, c) }))
	keep(bus.Subscribe(p.o.Bus, events.JobsSubject(p.o.Node), func(j events.Job) { p.job(ctx, j) }))
	return subs, err
}

func (p *Prober) job(ctx context.Context, j events.Job) {
	p.take(ctx, order{Run: j.Run, id: j.ID, due: j.Due, arrived: time.Now(), patience: j.Interval.Duration()})
}

func (p *Prober) confirm(ctx context.Context, c events.Confirmation) {
	if !slices.Contains(c.Nodes, p.o.Node) {
		return
	}
	p.take(ctx, order{
		Run: c.Run, id: events.ConfirmedID(c.ID, p.o.Node), confirms: c.ID,
		arrived: time.Now(), patience: c.Timeout.Duration() + confirmSlack,
	})
}

// take puts an order in the queue and starts what there is room for.
func (p *Prober) take(ctx context.Context, o order) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	full := p.queue.add(o) == full
	var dropped []order
	for ok := true; ok; {
		var o order
		if o, ok = p.next(&dropped); ok {
			p.runs.Go(func() { p.work(ctx, o) })
		}
	}
	p.mu.Unlock()
	p.abstain(dropped)
	if full {
		p.dropped(o, "too many others wait")
	}
}

// next takes an order out of the queue, and adds those that waited too long to dropped. The caller holds the lock, and
// answers for them when it no longer does.
func (p *Prober) next(dropped *[]order) (order, bool) {
	if p.closed {
		return order{}, false
	}
	o, ok, late := p.queue.next(time.Now())
	*dropped = append(*dropped, late...)
	return o, ok
}

// work runs one order after the other until there is nothing to do.
func (p *Prober) work(ctx context.Context, o order) {
	for ok := true; ok; {
		p.look(ctx, o)
		var dropped []order
		p.mu.Lock()
		p.queue.done()
		o, ok = p.next(&dropped)
		p.mu.Unlock()
		p.abstain(dropped)
	}
}

// look runs one order and publishes what it found.
func (p *Prober) look(ctx context.Context, o order) {
	if why := p.whyWithheld(o.Plugin); why != "" {
		p.publish(p.unable(o, Withheld+" ("+why+")"))
		return
	}
	a := p.runner.Run(ctx, o.Run)
	if a.Stopped {
		return
	}
	if why := stoodStill(a.Elapsed, o.Timeout.Duration()); why != "" {
		p.rare.stalled.Warn().Str("check", o.Check.String()).Msg(why)
		a.Verdict = plugin.Verdict{Status: events.Unknown, Output: why, Detail: a.Output}
	}
	p.publish(events.Result{
		ID: o.id, Confirms: o.confirms, Node: p.o.Node, Site: p.o.Site, Check: o.Check,
		Status: a.Status, Output: a.Output, Detail: a.Detail, Perf: a.Perf,
		Due: o.due, Started: a.Started.UTC(), Elapsed: events.Millis(a.Elapsed),
	})
}

func (p *Prober) publish(r events.Result) {
	if err := p.o.Bus.Publish(&r); err != nil {
		p.rare.lost.Warn().Err(err).Str("check", r.Check.String()).Msg("a result could not be published and is lost")
		return
	}
	p.count.results.WithLabelValues(string(r.Status)).Inc()
}
