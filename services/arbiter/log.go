package arbiter

import (
	"context"
	"errors"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

const (
	// logPatience is how long an arbiter that starts waits until it can read the log. Going on without is safe, because
	// the log refuses what doesn't follow its last event; it only costs a refused proposal. Nodes and results have to be
	// heard soon.
	logPatience = 5 * time.Second
	// proposeWait bounds one try to write, reading the log afterwards included.
	proposeWait = 15 * time.Second
)

// adoptLog reads what is open before anything is decided.
func (a *Arbiter) adoptLog(ctx context.Context) {
	try, stop := context.WithTimeout(ctx, logPatience)
	defer stop()
	for {
		ins, troubles, err := a.readLogs(try)
		if err == nil {
			a.teller.quiet = true
			for _, in := range ins {
				a.apply(ctx, in, time.Now())
			}
			for _, in := range troubles {
				a.applyTrouble(ctx, in)
			}
			a.teller.quiet = false
			a.logRead = true
			a.teller.started(round.Overview(a.state), trouble.Open(a.troubles))
			return
		}
		if !pause(try, time.Second) {
			if ctx.Err() == nil {
				a.log.Warn().Err(err).Msg("the log of outages can't be read yet; going on without it, and reading it when that can be done")
			}
			return
		}
	}
}

// readLogs reads the last event of each check and of each trouble.
func (a *Arbiter) readLogs(ctx context.Context) ([]round.Input, []trouble.Input, error) {
	ins, err := a.readLog(ctx)
	if err != nil {
		return nil, nil, err
	}
	troubles, err := a.readTroubles(ctx)
	return ins, troubles, err // What could be read counts.
}

func (a *Arbiter) readLog(ctx context.Context) ([]round.Input, error) {
	last, err := a.bus.LastOutages(ctx)
	if err != nil {
		return nil, err
	}
	ins := make([]round.Input, 0, len(last))
	for _, c := range last {
		ins = append(ins, committed(c))
	}
	return ins, nil
}

// followLog reads the log again now and then, and after every reconnect: then what waits to be written
// is tried at once as well. Events that are known already change nothing.
func (a *Arbiter) followLog(ctx context.Context) {
	soon := time.NewTimer(rereadSoon)
	defer soon.Stop()
	every := time.NewTicker(rereadEvery)
	defer every.Stop()
	said := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-soon.C:
		case <-every.C:
		case <-a.reread:
			a.put(ctx, round.Retry{})
		}
		ins, troubles, err := a.readLogs(ctx)
		if err != nil {
			a.log.Debug().Err(err).Msg("the log of outages can't be read; trying again")
		}
		for _, in := range ins {
			a.put(ctx, in)
		}
		for _, in := range troubles {
			a.putTrouble(ctx, in)
		}
		if err == nil && !said {
			said = true
			a.putTrouble(ctx, nil)
		}
	}
}

// propose writes an event and tells the state machine what became of it. If another event was first, or nobody knows
// what became of it, the log is read, so that the truth is known before the next try.
func (a *Arbiter) propose(ctx context.Context, d round.Decision) {
	select {
	case a.writing <- struct{}{}:
		defer func() { <-a.writing }()
	case <-ctx.Done():
		return
	}
	try, stop := context.WithTimeout(ctx, proposeWait)
	defer stop()
	failed := round.ProposalFailed{Check: d.Check, ID: d.Outage.ID}
	seq, err := a.bus.Propose(try, *d.Outage, d.Last)
	if err == nil {
		a.put(ctx, round.Committed{Outage: d.Outage, Seq: seq})
		return
	}
	if !errors.Is(err, bus.ErrConflict) {
		a.teller.notWritten(d, err)
	}
	last, readErr := a.bus.LastOutage(try, d.Check)
	switch {
	case readErr == nil, errors.Is(readErr, bus.ErrNotFound) && last.Seq > 0: // in the latter case, one of a newer version
		a.put(ctx, committed(last))
	case errors.Is(readErr, bus.ErrNotFound) && errors.Is(err, bus.ErrConflict) && d.Last > 0:
		failed.Forgotten = true
	}
	a.put(ctx, failed)
}
