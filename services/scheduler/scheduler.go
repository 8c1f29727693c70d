package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/events"
)

const (
	// LeaseTTL is how long the lease of a scheduler that died without a word keeps the others waiting.
	LeaseTTL = 3 * time.Second
	// aloneAfter is how long a scheduler that starts waits for what the nodes say together. The bus hands out what it
	// remembers after bus.RememberAfter; after twice that there is nothing to be remembered.
	aloneAfter = 2 * bus.RememberAfter
)

// Options of a Scheduler. Bus, Node and Dir are needed.
type Options struct {
	Bus      *bus.Bus
	Node     string           // in whose name the directory contributes
	Dir      string           // the directory, /etc/dmonitor say; it may be missing
	Defaults confdir.Defaults // what a check's file may leave out
	Log      zerolog.Logger
}

// Scheduler is the service. It runs once.
type Scheduler struct {
	o       Options
	log     zerolog.Logger
	state   *state
	contrib *contributor
}

// New checks the options.
func New(o Options) (*Scheduler, error) {
	if o.Bus == nil {
		return nil, errors.New("scheduler: no bus")
	}
	if err := events.ValidateNode(o.Node); err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	if o.Dir == "" {
		return nil, errors.New("scheduler: no directory")
	}
	if err := o.Defaults.Validate(); err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	return &Scheduler{
		o: o, log: o.Log, state: newState(),
		contrib: newContributor(o.Bus, o.Node, o.Dir, o.Log),
	}, nil
}

// Run works until ctx ends, and then returns nil; or it returns what makes it impossible to go on. Trouble of the bus
// does not.
func (s *Scheduler) Run(ctx context.Context) error {
	sub, err := bus.Subscribe(s.o.Bus, events.AllPresence, func(p events.Presence) { s.state.hear(p, time.Now()) })
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	defer sub.Stop()
	keeper := s.keeper()
	own, err := bus.Subscribe(s.o.Bus, events.JobsSubject(s.o.Node), keeper.hear)
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	defer own.Stop()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		confdir.Watch(ctx, s.o.Dir, s.o.Defaults, confdir.WatchOptions{}, s.read)
		return nil
	})
	group.Go(func() error { return s.standIn(ctx) })
	group.Go(func() error { return s.contrib.run(ctx) })
	group.Go(func() error { return s.sweep(ctx) })
	group.Go(func() error { return s.follow(ctx) })
	group.Go(func() error {
		return s.o.Bus.HoldLease(ctx, events.LeaseScheduler, s.o.Node, LeaseTTL, func(ctx context.Context, _ uint64) error {
			return s.publisher().run(ctx)
		})
	})
	group.Go(func() error { return keeper.run(ctx) })
	err = group.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("scheduler: %w", err)
	}
	return nil
}

// read takes in what is in force in the directory, and what is wrong there.
func (s *Scheduler) read(found confdir.Snapshot, problems confdir.Problems) {
	own := events.Merge([]events.Contribution{{Node: s.o.Node, Checks: found.Checks}})
	s.state.setLocal(own.Sorted())
	s.contrib.read(found, problems)
}

// standIn makes a node that can't learn what all nodes say together, because it starts without a majority and remembers
// nothing, look at what its own directory says. Only its keeper makes use of that: nobody leads then. It is the
// scheduler's business and not the bus's, because the directory is known here, checked, and long before the bus could
// have been told.
func (s *Scheduler) standIn(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(aloneAfter):
	}
	if s.state.goAlone() {
		s.log.Warn().Msgf("what the nodes say together can't be read: until it can, this node looks at what %s says", s.o.Dir)
	}
	return nil
}

// sweep forgets the nodes that have fallen silent.
func (s *Scheduler) sweep(ctx context.Context) error {
	tick := time.NewTicker(events.PresenceInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			s.state.sweep(time.Now())
		}
	}
}

// follow keeps the state at what the nodes contribute together.
func (s *Scheduler) follow(ctx context.Context) error {
	var conflicts once
	return s.o.Bus.FollowCatalog(ctx, func(cat events.Catalog) {
		s.state.setChecks(cat.Sorted())
		s.contrib.check(cat)
		s.log.Info().Int("checks", len(cat.Checks)).Int("recipients", len(cat.Recipients)).Msg("this is what the nodes say together")
		s.logConflicts(&conflicts, cat.Conflicts)
	})
}

func (s *Scheduler) logConflicts(known *once, conflicts []events.Conflict) {
	lines := make([]string, len(conflicts))
	for i, c := range conflicts {
		lines[i] = fmt.Sprintf("%s: defined differently by two nodes: what %s says is in force, what %s says is not", c.Check, c.Used, c.Other)
	}
	fresh, gone := known.news(lines)
	for _, line := range fresh {
		s.log.Warn().Msg(line)
	}
	for _, line := range gone {
		s.log.Info().Msg("no longer so: " + line)
	}
}
