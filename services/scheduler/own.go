package scheduler

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/scheduler/plan"
)

// keepEvery is how often a keeper looks for missing jobs: a part of plan.Grace that is not felt on top of it, and so rare
// that it costs nothing.
const keepEvery = 200 * time.Millisecond

// calm is for how long no job may be missing until others are said to order them again.
const calm = 10 * time.Second

// keeper orders this node's own looks when nobody else does (plan.Own says when that is). It needs no lease and no
// majority: as long as this node runs, it looks.
type keeper struct {
	state *state
	out   outlet
	log   zerolog.Logger
	rare  zerolog.Logger // at most one line in logEvery

	mu    sync.Mutex // guards what follows
	own   *plan.Own
	heard time.Time // when somebody's job came last

	// What follows belongs to run.
	alone bool      // it has been said that jobs were missing
	last  time.Time // when one was missing last
}

func (s *Scheduler) keeper() *keeper {
	return &keeper{
		state: s.state, out: s.o.Bus, log: s.log, rare: s.rare(), own: plan.NewOwn(s.o.Node, time.Now()),
	}
}

// hear takes in a job for this node.
func (k *keeper) hear(j events.Job) {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heard = now
	k.own.Heard(j, now, now.Round(0))
}

// run publishes what is missing until ctx ends.
func (k *keeper) run(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	current := k.state.plan()
	k.use(current.Plan)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-current.replaced:
			current = k.state.plan()
			k.use(current.Plan)
		case <-tick.C:
			k.publish(ctx)
		}
	}
}

func (k *keeper) use(p *plan.Plan) {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.own.Use(p, now, now.Round(0))
}

func (k *keeper) publish(ctx context.Context) {
	now := time.Now()
	k.mu.Lock()
	jobs := k.own.Missing(now, now.Round(0))
	heard := k.heard
	k.mu.Unlock()
	k.tell(len(jobs), heard, now)
	publishAll(ctx, k.out, jobs, &k.rare)
}

// tell says once that this node orders its own looks, and once that it needn't any more.
func (k *keeper) tell(missing int, heard, now time.Time) {
	switch {
	case missing > 0:
		k.last = now
		if !k.alone {
			k.alone = true
			k.log.Info().Msg("nobody orders this node's looks in time: it does so itself until somebody does")
		}
	case k.alone && now.Sub(k.last) > calm && heard.After(k.last.Add(plan.Grace)):
		k.alone = false
		k.log.Info().Msg("this node's looks are ordered by a leading scheduler again")
	}
}
