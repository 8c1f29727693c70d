package scheduler

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/scheduler/plan"
)

// longestSleep bounds how long a jump of the wall clock goes unnoticed: timers run by the monotonic clock. It is half of
// what a cursor takes for a jump, so that oversleeping a little isn't one.
const longestSleep = plan.Slack / 2

// logEvery is how often the same trouble is logged.
const logEvery = 10 * time.Second

// outlet takes jobs. It is the bus.
type outlet interface {
	Publish(events.Message) error
}

// publisher publishes the jobs of all nodes when they are due. It knows nothing of leases: who runs it decides whether it
// may.
type publisher struct {
	state *state
	out   outlet
	log   zerolog.Logger
	rare  zerolog.Logger // at most one line in logEvery
}

func (s *Scheduler) publisher() *publisher {
	return &publisher{state: s.state, out: s.o.Bus, log: s.log, rare: s.rare()}
}

// rare is a log for what may happen many times a second.
func (s *Scheduler) rare() zerolog.Logger {
	return s.log.Sample(&zerolog.BurstSampler{Burst: 1, Period: logEvery})
}

// run publishes what becomes due from now on, until ctx ends; then it returns nil at once, in the middle of a batch if
// need be. Jobs that can't be published are dropped: late ones are of no use.
func (p *publisher) run(ctx context.Context) error {
	cursor := plan.NewCursor(time.Now())
	timer := time.NewTimer(0)
	defer timer.Stop()
	current := p.state.plan()
	for {
		p.publish(ctx, cursor, current.Plan)
		current = p.state.plan() // only now: what was due until now was due by the plan of that time
		timer.Reset(untilNext(current.Plan, cursor.At(), time.Now()))
		select {
		case <-ctx.Done():
			return nil
		case <-current.replaced:
		case <-timer.C:
		}
	}
}

// untilNext is how long to sleep at now, when everything up to taken was published.
func untilNext(p *plan.Plan, taken, now time.Time) time.Duration {
	next, ok := p.Next(taken)
	if !ok {
		return longestSleep
	}
	return min(max(0, next.Sub(now.Round(0))), longestSleep)
}

func (p *publisher) publish(ctx context.Context, cursor *plan.Cursor, now *plan.Plan) {
	jobs, jump := cursor.Take(now, time.Now())
	switch {
	case jump > 0:
		p.log.Warn().Msgf("the clock went forward, or this process was held up: what was due in %v is skipped", jump)
	case jump < 0:
		p.log.Warn().Msgf("the clock went back by %v", -jump)
	}
	publishAll(ctx, p.out, jobs, &p.rare)
}

// publishAll publishes jobs until ctx ends. Those that can't be published are lost.
func publishAll(ctx context.Context, out outlet, jobs []events.Job, rare *zerolog.Logger) {
	lost := 0
	var why error
	for i := range jobs {
		if ctx.Err() != nil {
			return
		}
		if err := out.Publish(&jobs[i]); err != nil {
			lost, why = lost+1, err
		}
	}
	if lost > 0 {
		rare.Warn().Err(why).Int("lost", lost).Msg("jobs can't be published")
	}
}
