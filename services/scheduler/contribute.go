package scheduler

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// Timing of contributing.
const (
	firstRetry = 250 * time.Millisecond // after a failed write; doubled from time to time
	lastRetry  = 30 * time.Second
	callWait   = 10 * time.Second // for one try
	// Failing is told when the retries are this far apart, which takes longer than an election, and then this often.
	tellAfter = 8 * time.Second
	tellEvery = 10 * time.Minute
	// missedAfter is how long the bus may have something else in this node's name before it is written anew; doubled from
	// time to time, up to lastMissed, because two nodes that claim one name would go on for ever. What is not there at all is
	// written at once: nobody takes it away twice in a quarrel, and meanwhile nobody looks, and who was shut out comes in.
	missedAfter = 5 * time.Second
	lastMissed  = 10 * time.Minute
)

// shelf is where contributions stand. It is the bus.
type shelf interface {
	PutContribution(ctx context.Context, c events.Contribution) error
	Contributions(ctx context.Context) ([]events.Contribution, error)
}

// contributor keeps the bus at what the directory says.
type contributor struct {
	shelf     shelf
	node, dir string
	log       zerolog.Logger
	problems  once                // used by who calls read
	found     chan reading        // the newest one that was not seen to
	catalogs  chan events.Catalog // the newest one that was not seen to

	// What follows belongs to run.
	want   *reading
	stored *events.Contribution // what the bus has, as far as we know; nil: nothing
	known  bool                 // stored is worth something
	force  bool                 // write even if the bus seems to have it
	retry  time.Duration
	told   time.Time // when it was told last that telling the bus fails
	missed time.Duration

	catalog *events.Catalog // what all nodes said together last
}

// reading is what was found in the directory.
type reading struct {
	confdir.Snapshot
	confdir.Problems
}

func newContributor(shelf shelf, node, dir string, log zerolog.Logger) *contributor {
	return &contributor{
		shelf: shelf, node: node, dir: dir, log: log,
		found: make(chan reading, 1), catalogs: make(chan events.Catalog, 1),
		retry: firstRetry, missed: missedAfter,
	}
}

// read takes in what is in force in the directory, and what is wrong there. It is called by one goroutine.
func (c *contributor) read(s confdir.Snapshot, problems confdir.Problems) {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	fresh, gone := c.problems.news(lines)
	for _, line := range fresh {
		c.log.Error().Msg(c.dir + "/" + line)
	}
	for _, line := range gone {
		c.log.Info().Msgf("no longer wrong: %s/%s", c.dir, line)
	}
	latest(c.found, reading{s, problems})
}

// check takes in what all nodes contribute together.
func (c *contributor) check(cat events.Catalog) { latest(c.catalogs, cat) }

// latest puts v into a channel with room for one, in place of what is waiting there. It is called by one goroutine.
func latest[T any](ch chan T, v T) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}

// run works until ctx ends.
func (c *contributor) run(ctx context.Context) error {
	retry := time.NewTimer(0)
	retry.Stop()
	var missing <-chan time.Time // fires when the bus has had something else for too long
	for {
		due := true
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-c.found:
			c.want, c.retry, c.missed = &r, firstRetry, missedAfter
		case <-retry.C:
		case <-missing:
			if missing = nil; !c.taken(ctx) {
				c.log.Warn().Msg("the bus has something else in this node's name than it was given: telling it again")
				c.force, c.missed = true, min(2*c.missed, lastMissed)
			}
		case cat := <-c.catalogs:
			c.catalog = &cat
			due = c.taken(ctx)
		}
		if due && c.want != nil {
			retry.Stop()
			err := c.settle(ctx)
			switch {
			case err == nil:
				c.retry, c.told = firstRetry, time.Time{}
			case ctx.Err() == nil:
				c.tell(err, time.Now())
				retry.Reset(c.retry)
				c.retry = min(2*c.retry, lastRetry)
			}
		}
		switch {
		case c.catalog == nil || c.stored == nil || reflects(*c.catalog, *c.stored):
			missing = nil
		case missing == nil:
			missing = time.After(c.missed)
		}
	}
}

// taken tells whether the bus has nothing any more in this node's name, and then has it written again.
func (c *contributor) taken(ctx context.Context) bool {
	if c.stored == nil || reflects(*c.catalog, *c.stored) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	if has, err := c.onShelf(ctx); err != nil || has != nil { // can't be read: then as if it had something else
		return false
	}
	c.log.Warn().Msg("what this node had told the bus was taken away: telling it again")
	c.force, c.retry = true, firstRetry
	return true
}

// tell logs that the bus can't be told.
func (c *contributor) tell(err error, now time.Time) {
	level := zerolog.DebugLevel
	if c.retry >= tellAfter && now.Sub(c.told) >= tellEvery {
		level, c.told = zerolog.WarnLevel, now
	}
	c.log.WithLevel(level).Err(err).Msgf("can't tell the bus what to check; trying again in %v", c.retry)
}

// settle makes the bus have what the directory says, if it doesn't yet.
func (c *contributor) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	if !c.known {
		var err error
		if c.stored, err = c.onShelf(ctx); err != nil {
			return err
		}
		c.known = true
	}
	next, err := c.next(time.Now())
	if err != nil {
		return err
	}
	nothing := c.stored == nil && len(next.Checks)+len(next.Recipients)+len(next.Revoked) == 0
	if nothing || c.stored != nil && !c.force && sameContent(*c.stored, next) {
		return nil
	}
	if err := c.shelf.PutContribution(ctx, next); err != nil {
		return err
	}
	c.stored, c.force, c.retry = &next, false, firstRetry
	c.log.Info().Int("checks", len(next.Checks)).Int("recipients", len(next.Recipients)).Msg("told the bus what this node's directory says")
	return nil
}

// onShelf returns what the bus has in this node's name, nil for nothing.
func (c *contributor) onShelf(ctx context.Context) (*events.Contribution, error) {
	all, err := c.shelf.Contributions(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Node == c.node {
			return &all[i], nil
		}
	}
	return nil, nil
}

// next is what the bus should have: what was found, and for bad files what the bus has already. That reaches back
// further than the memory of this process.
func (c *contributor) next(now time.Time) (events.Contribution, error) {
	var old confdir.Snapshot
	if c.stored != nil {
		old.Checks, old.Recipients, old.Revoked = c.stored.Checks, c.stored.Recipients, c.stored.Revoked
	}
	s := confdir.Keep(old, c.want.Snapshot, c.want.Problems)
	next := events.Contribution{Node: c.node, Checks: s.Checks, Recipients: s.Recipients, Revoked: s.Revoked, Time: now}
	data, err := events.Encode(&next)
	if err != nil {
		return next, fmt.Errorf("put together what %s says: %w", c.dir, err)
	}
	// What a reader gets back is what can be compared with what was read.
	return events.Decode[events.Contribution](next.Subject(), data)
}
