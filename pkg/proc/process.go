package proc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dmonitor/dmonitor/pkg/bus"
)

const (
	// StopTimeout bounds how long parts, and then the bus, may take to stop.
	StopTimeout = 15 * time.Second
	// LogPatience is how long parts wait for the log of outages before they start without it. A cluster that starts with
	// a majority has it sooner: after 0.6 s (median), 7.7 s at worst, an election included.
	LogPatience = 15 * time.Second
)

// Exit codes.
const (
	ExitFine    = 0
	ExitFailed  = 1 // also: something is down or invalid
	ExitUsage   = 2
	ExitBusGone = 3
)

// ErrUsage marks errors of usage or settings: exit code 2.
var ErrUsage = errors.New("wrong usage")

// Process is what every part of one process shares.
type Process struct {
	Env Env
	Log zerolog.Logger
	Bus *bus.Bus
	// Metrics is where parts register what they count. It is served as /metrics.
	Metrics prometheus.Registerer
	// HTTP has the pages that are served on DMONITOR_HTTP_LISTEN. A part may add its own when it is made.
	HTTP *http.ServeMux

	nodes   []string // in force
	refused []string // what nodes.txt says, and can't be

	key      *keyring
	patience time.Duration // LogPatience
	plain    bool          // see Plain
}

// An Option says what is special about a process.
type Option func(*Process)

// Plain is for a process whose parts use no stream and no bucket, such as a prober: if it connects (DMONITOR_BUS_URL) it
// makes no JetStream call, so that it may have a credential that allows none, and it is ready when it is connected. One that
// embeds a member is not changed by it.
func Plain(p *Process) { p.plain = true }

// Part is one service of a process.
type Part struct {
	Name string
	// AwaitsLog lets the part start when the log of outages can be written, or after LogPatience without it. It spares the
	// part trouble in an ordinary start; it has to live with the log coming and going nevertheless.
	AwaitsLog bool
	// Run blocks until ctx ends, or returns what failed.
	Run func(ctx context.Context) error
	// Alive asks the part's loop for an answer, which it gives within a second unless it stands still: then Alive returns
	// ctx's error. It is asked for the service manager's watchdog. Nil: the part is not asked.
	Alive func(ctx context.Context) error
}

// Start opens the bus as the environment says. The caller closes it by Close, or by Run.
func Start(ctx context.Context, e Env, log zerolog.Logger, options ...Option) (*Process, error) {
	nodes, err := e.members()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	p := &Process{Env: e, Log: log, key: &keyring{}}
	for _, o := range options {
		o(p)
	}
	if err := p.openKey(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return p.open(ctx, nodes)
}

// open returns a process like this one, whose bus has that list of members.
func (p *Process) open(ctx context.Context, nodes []string) (*Process, error) {
	e, log := p.Env, p.Log
	keyPath, _ := e.KeyPath()
	b, err := bus.Open(ctx, bus.Options{
		URL: e.BusURL, Creds: e.BusCreds, Node: e.Node, Site: e.Site, Version: Version(), Nodes: nodes, Listen: e.Listen,
		ClientListen: e.ClientListen, Data: e.Data, Insecure: e.Insecure, Log: log,
		Plain: p.plain && e.BusURL != "", Key: p.key.source(), KeyPath: keyPath,
	})
	if errors.Is(err, bus.ErrNoKey) {
		return nil, fmt.Errorf("%w: open the bus: %w", ErrUsage, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the bus: %w", err)
	}
	metrics := newRegistry()
	return &Process{
		Env: e, Log: log, Bus: b, nodes: nodes, Metrics: metrics, HTTP: newPages(metrics), patience: LogPatience, plain: p.plain,
		key: p.key,
	}, nil
}

// members lists the members of the bus: DMONITOR_NODES or, without it, nodes.txt.
func (e *Env) members() ([]string, error) {
	if e.BusURL != "" || len(e.Nodes) > 0 {
		return e.Nodes, nil
	}
	l := readNodes(e.Config)
	if l.problem != "" {
		return nil, errors.New(l.problem)
	}
	return l.nodes, nil
}

// Run makes the parts and runs them until ctx ends or one of them fails, then stops them and the bus in that order. A
// part that can't be made is an error of settings (ErrUsage). When nodes.txt makes several nodes of one, or one of
// several, all of it is stopped, made and started again, on a Process of its own.
func (p *Process) Run(ctx context.Context, builders ...Builder) error {
	super := newSupervisor(p.Log)
	defer context.AfterFunc(ctx, super.stopping)()
	for {
		err := p.runOnce(ctx, builders, super)
		mode := onlyMode(err)
		if mode == nil {
			return err
		}
		if p, err = p.again(ctx, mode); err != nil {
			return stopped(ctx, err)
		}
	}
}

func (p *Process) runOnce(ctx context.Context, builders []Builder, super *supervisor) error {
	var parts []Part
	for _, build := range builders {
		part, err := build(p)
		if err != nil {
			return errors.Join(fmt.Errorf("%w: %w", ErrUsage, err), p.Close())
		}
		parts = append(parts, part)
	}
	return p.runAll(ctx, parts, super)
}

func (p *Process) runAll(ctx context.Context, parts []Part, super *supervisor) error {
	group, ctx := errgroup.WithContext(ctx)
	ready, started := make(chan struct{}), time.Now()
	group.Go(func() error {
		if err := p.Bus.Ready(ctx); err != nil {
			return stopped(ctx, fmt.Errorf("wait for the bus: %w", err))
		}
		close(ready)
		if waited := time.Since(started); waited > p.patience {
			p.Log.Info().Msgf("the log of outages can be written, after %v", waited.Round(time.Second))
		}
		return nil
	})
	group.Go(func() error {
		select {
		case err := <-p.Bus.Failed():
			if errors.Is(err, bus.ErrListedAgain) {
				return &modeError{same: true, why: err.Error()}
			}
			return fmt.Errorf("bus: %w", err)
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error { super.watch(ctx, p, parts, ready); return nil })
	group.Go(func() error { return p.serveHTTP(ctx) })
	group.Go(func() error { return p.watchNodes(ctx) })
	group.Go(func() error { return p.watchKey(ctx) })
	begin := make(chan struct{})
	if slices.ContainsFunc(parts, func(part Part) bool { return part.AwaitsLog }) {
		group.Go(func() error { p.awaitLog(ctx, ready, begin); return nil })
	}
	for _, part := range parts {
		group.Go(func() error { return p.runPart(ctx, part, begin) })
	}
	done := make(chan error, 1)
	go func() { done <- group.Wait() }()
	<-ctx.Done()
	if mode, ok := errors.AsType[*modeError](context.Cause(ctx)); ok {
		p.Log.Info().Msgf("%s; starting again", mode.why)
	} else {
		p.Log.Info().Msg("stopping")
	}
	var err error
	select {
	case err = <-done:
	case <-time.After(StopTimeout):
		err = fmt.Errorf("parts did not stop within %v", StopTimeout)
	}
	return errors.Join(err, p.Close())
}

// awaitLog closes begin when the log is ready, or has kept us waiting for too long.
func (p *Process) awaitLog(ctx context.Context, ready <-chan struct{}, begin chan<- struct{}) {
	defer close(begin)
	select {
	case <-ready:
		return
	case <-ctx.Done():
		return
	case <-time.After(p.patience):
	}
	p.Log.Warn().Msgf("starting without the log of outages, which can't be written yet: %s. This node looks as ever; "+
		"until the log can be written nothing is declared", p.Bus.WaitsFor(ctx))
}

func (p *Process) runPart(ctx context.Context, part Part, begin <-chan struct{}) error {
	if part.AwaitsLog {
		select {
		case <-begin:
		case <-ctx.Done():
			return nil
		}
	}
	if err := part.Run(ctx); err != nil {
		return stopped(ctx, fmt.Errorf("%s: %w", part.Name, err))
	}
	if ctx.Err() == nil {
		return fmt.Errorf("%s stopped by itself", part.Name)
	}
	return nil
}

// stopped drops the error of something that ended because it was told to.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// Close closes the bus, bounded by StopTimeout.
func (p *Process) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), StopTimeout)
	defer cancel()
	if err := p.Bus.Close(ctx); err != nil {
		return fmt.Errorf("close the bus: %w", err)
	}
	return nil
}
