package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/confdir"
)

// StopTimeout bounds how long parts, and then the bus, may take to stop.
const StopTimeout = 15 * time.Second

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
}

// Part is one service of a process.
type Part struct {
	Name string
	// NeedsLog lets the part start only when the log of outages can be written.
	NeedsLog bool
	// Run blocks until ctx ends, or returns what failed.
	Run func(ctx context.Context) error
}

// Start opens the bus as the environment says. The caller closes it by Close, or by Run.
func Start(ctx context.Context, e Env, log zerolog.Logger) (*Process, error) {
	nodes, err := e.members()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	b, err := bus.Open(ctx, bus.Options{
		URL: e.BusURL, Creds: e.BusCreds, Node: e.Node, Nodes: nodes, Listen: e.Listen,
		ClientListen: e.ClientListen, Data: e.Data, Insecure: e.Insecure, Log: log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the bus: %w", err)
	}
	return &Process{Env: e, Log: log, Bus: b}, nil
}

// members lists the members of the bus: DMONITOR_NODES or, without it, nodes.txt.
func (e *Env) members() ([]string, error) {
	if e.BusURL != "" || len(e.Nodes) > 0 {
		return e.Nodes, nil
	}
	if _, err := os.Stat(filepath.Join(e.Config, confdir.NodesFile)); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	snapshot, problems := confdir.Read(os.DirFS(e.Config), e.Defaults())
	for _, p := range problems {
		if p.File == confdir.NodesFile {
			return nil, fmt.Errorf("%s: %s", e.Config, p)
		}
	}
	return snapshot.Nodes, nil
}

// Run makes the parts and runs them until ctx ends or one of them fails, then stops them and the bus in that order. A
// part that can't be made is an error of settings (ErrUsage).
func (p *Process) Run(ctx context.Context, builders ...Builder) error {
	var parts []Part
	for _, build := range builders {
		part, err := build(p)
		if err != nil {
			return errors.Join(fmt.Errorf("%w: %w", ErrUsage, err), p.Close())
		}
		parts = append(parts, part)
	}
	return p.runAll(ctx, parts)
}

func (p *Process) runAll(ctx context.Context, parts []Part) error {
	group, ctx := errgroup.WithContext(ctx)
	ready := make(chan struct{})
	group.Go(func() error {
		if err := p.Bus.Ready(ctx); err != nil {
			return stopped(ctx, fmt.Errorf("wait for the bus: %w", err))
		}
		close(ready)
		return nil
	})
	group.Go(func() error {
		select {
		case err := <-p.Bus.Failed():
			return fmt.Errorf("bus: %w", err)
		case <-ctx.Done():
			return nil
		}
	})
	for _, part := range parts {
		group.Go(func() error { return p.runPart(ctx, part, ready) })
	}
	done := make(chan error, 1)
	go func() { done <- group.Wait() }()
	<-ctx.Done()
	p.Log.Info().Msg("stopping")
	var err error
	select {
	case err = <-done:
	case <-time.After(StopTimeout):
		err = fmt.Errorf("parts did not stop within %v", StopTimeout)
	}
	return errors.Join(err, p.Close())
}

func (p *Process) runPart(ctx context.Context, part Part, ready <-chan struct{}) error {
	if part.NeedsLog {
		select {
		case <-ready:
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
