package arbiter

import (
	"context"
	"errors"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

// majorityEvery is how often the bus is asked whether a decision could be committed.
const majorityEvery = 5 * time.Second

// watchMajority asks the bus, which takes 3 s at most, and tells the state machines what it says.
func (a *Arbiter) watchMajority(ctx context.Context) {
	was := true
	for {
		err := a.bus.Majority(ctx)
		if ctx.Err() != nil {
			return
		}
		in := trouble.Majority{There: err == nil}
		if err != nil {
			in.Why = err.Error()
		}
		if in.There && !was {
			a.wantReread()
		}
		was = in.There
		a.putTrouble(ctx, in)
		if !pause(ctx, majorityEvery) {
			return
		}
	}
}

func (a *Arbiter) readTroubles(ctx context.Context) ([]trouble.Input, error) {
	last, err := a.bus.LastTroubles(ctx)
	if err != nil {
		return nil, err
	}
	ins := make([]trouble.Input, 0, len(last))
	for _, c := range last {
		ins = append(ins, committedTrouble(c))
	}
	return ins, nil
}

func committedTrouble(c bus.CommittedTrouble) trouble.Input {
	return trouble.Committed{Trouble: &c.Trouble, Seq: c.Seq}
}

// applyTrouble moves the state of what is wrong with dmonitor itself, and carries out what it decides.
func (a *Arbiter) applyTrouble(ctx context.Context, in trouble.Input) {
	for _, d := range trouble.Apply(a.troubles, in, a.now) {
		switch d.Kind {
		case trouble.Propose:
			a.tasks.Go(func() { a.proposeTrouble(ctx, d) })
		case trouble.Uncommitted:
			a.teller.uncommittedTrouble(d, a.say(events.Uncommitted{By: a.node, Since: d.Since, Trouble: d.Trouble}))
		case trouble.Adopted:
			a.teller.adoptedTrouble(d.Trouble)
		}
	}
	a.troubleWake, _ = trouble.Next(a.troubles)
}

// proposeTrouble writes an event and tells the state machine what became of it, as propose does.
func (a *Arbiter) proposeTrouble(ctx context.Context, d trouble.Decision) {
	try, stop := context.WithTimeout(ctx, proposeWait)
	defer stop()
	failed := trouble.ProposalFailed{Key: d.Trouble.TroubleKey, ID: d.Trouble.ID}
	seq, err := a.bus.ProposeTrouble(try, *d.Trouble, d.Last)
	if err == nil {
		a.putTrouble(ctx, trouble.Committed{Trouble: d.Trouble, Seq: seq})
		return
	}
	if !errors.Is(err, bus.ErrConflict) {
		a.teller.troubleNotWritten(d, err)
	}
	last, readErr := a.bus.LastTroubles(try)
	switch c, ok := last[failed.Key]; {
	case readErr != nil:
	case ok:
		a.putTrouble(ctx, committedTrouble(c))
	default:
		failed.Forgotten = errors.Is(err, bus.ErrConflict) && d.Last > 0
	}
	a.putTrouble(ctx, failed)
}

// lookAgain tells of checks that are only presumed to be blind that they are not, once that can be told.
func (a *Arbiter) lookAgain(ctx context.Context) {
	if !a.known {
		return
	}
	for _, c := range trouble.Presumed(a.troubles) {
		if able, agree, ok := round.Judges(a.state, c); !ok || able >= agree {
			a.applyTrouble(ctx, trouble.Sighted{Check: c})
		}
	}
}

// blindness hands on what round has found of a check.
func (a *Arbiter) blindness(ctx context.Context, d round.Decision) {
	if d.Kind == round.Sighted {
		a.applyTrouble(ctx, trouble.Sighted{Check: d.Check})
		return
	}
	a.applyTrouble(ctx, trouble.Blind{Check: events.BlindCheck{Check: d.Check, Able: d.Able, Agree: d.Agree, Reason: d.Reason}})
}
