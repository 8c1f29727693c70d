package arbiter

import (
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

// teller writes the log. It is used by the goroutine of Run, but for notWritten.
type teller struct {
	log      zerolog.Logger
	quiet    bool // decisions are only old news
	saidLone bool
	slow     uint64
	late     uint64
	next     time.Time // when the same trouble may be told again
}

// inOneGo is how many decisions of one kind out of one input get a line each; more share one.
const inOneGo = 3

// decided tells what one input led to.
func (t *teller) decided(decisions []round.Decision) {
	if t.quiet {
		return
	}
	for _, kind := range []round.Kind{round.Blind, round.Sighted} {
		t.together(kind, decisions)
	}
	for _, d := range decisions {
		switch d.Kind {
		case round.Ask:
			t.about(t.log.Debug(), d).Msg("suspicion: " + d.Reason)
		case round.ProposeOpened, round.ProposeClosed:
			t.about(t.log.Debug(), d).Str("outage", d.Outage.Outage).Int("try", d.Try).Msg(string(d.Kind) + ": " + d.Reason)
		case round.Adopted:
			t.about(t.log.Info(), d).Str("outage", d.Outage.Outage).
				Msgf("outage %s: %s %s, declared by %s", d.Outage.Event, d.Reason, proof(d.Votes), d.Outage.By)
		case round.Dismissed:
			t.about(t.log.Info(), d).Msg("dismissed: " + d.Reason)
		case round.Blind, round.Sighted:
		}
	}
}

// together tells that checks went blind, or can be judged again: when a node vanishes these may be all of them.
func (t *teller) together(kind round.Kind, decisions []round.Decision) {
	level := zerolog.WarnLevel
	if kind == round.Sighted {
		level = zerolog.InfoLevel
	}
	var all []round.Decision
	for _, d := range decisions {
		if d.Kind == kind {
			all = append(all, d)
		}
	}
	if len(all) <= inOneGo {
		for _, d := range all {
			t.about(t.log.WithLevel(level), d).Msg(string(kind) + ": " + d.Reason)
		}
		return
	}
	names := make([]string, inOneGo)
	for i := range names {
		names[i] = all[i].Check.String()
	}
	t.log.WithLevel(level).Int("checks", len(all)).
		Msg(fmt.Sprintf("%s: %s and %d more: %s", kind, strings.Join(names, ", "), len(all)-inOneGo, all[0].Reason))
}

func (t *teller) about(e *zerolog.Event, d round.Decision) *zerolog.Event {
	e = e.Str("host", d.Check.Host).Str("test", d.Check.Test)
	if d.Round != "" {
		e = e.Str("round", d.Round)
	}
	return e
}

// proof writes votes in one line: [fra fail (connection refused), nyc no answer].
func proof(votes []events.NodeVote) string {
	parts := make([]string, len(votes))
	for i, v := range votes {
		switch out := events.CleanText(strings.ReplaceAll(v.Output, "\n", " "), 120); {
		case v.Status == "":
			parts[i] = v.Node + " no answer"
		case out == "":
			parts[i] = fmt.Sprintf("%s %s", v.Node, v.Status)
		default:
			parts[i] = fmt.Sprintf("%s %s (%s)", v.Node, v.Status, out)
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// started tells what the log said at the start.
func (t *teller) started(views []round.View, troubles []events.Trouble) {
	for _, open := range troubles {
		t.log.Warn().Str("trouble", open.Trouble).Msg("still so, as far as is known: " + open.Reason)
	}
	var open []string
	for _, v := range views {
		if v.Outage != nil {
			open = append(open, v.Check.String())
		}
	}
	e := t.log.Info().Int("checks", len(views)).Int("open", len(open))
	if len(open) == 0 {
		e.Msg("the log of outages is read: nothing is down")
		return
	}
	more := ""
	if n := len(open) - inOneGo; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
		open = open[:inOneGo]
	}
	e.Msg("the log of outages is read: down are " + strings.Join(open, ", ") + more)
}

// lone tells once, as soon after the start as something is configured, if there are too few sites for any outage ever to
// be declared.
func (t *teller) lone(checks []round.View, sites int) {
	need := 0
	for _, v := range checks {
		if v.Configured {
			need = max(need, v.Agree)
		}
	}
	t.saidLone = need > 0
	if sites >= need {
		return
	}
	t.log.Warn().Msg(fmt.Sprintf("blind: %d of %d sites needed; add a node, or set DMONITOR_AGREE=1 to trust one pair of eyes", sites, need))
}

// uncommitted tells the first time that people are told of an event that could not be committed.
func (t *teller) uncommitted(d round.Decision, err error) {
	e := t.log.Warn()
	if d.Try > 1 {
		e = t.log.Debug()
	}
	t.about(e, d).Str("outage", d.Outage.Outage).Err(err).
		Msg(fmt.Sprintf("%s and not committed for %v: the mailers are told without it, until it is: %s", d.Outage.Event, events.UncommittedAfter, d.Reason))
}

// adoptedTrouble tells what the log says of dmonitor itself.
func (t *teller) adoptedTrouble(e *events.Trouble) {
	if t.quiet {
		return
	}
	level := zerolog.WarnLevel
	if e.Event == events.Ended {
		level = zerolog.InfoLevel
	}
	t.log.WithLevel(level).Str("trouble", e.Trouble).Msg(e.Reason)
}

func (t *teller) uncommittedTrouble(d trouble.Decision, err error) {
	e := t.log.Warn()
	if d.Try > 1 {
		e = t.log.Debug()
	}
	e.Str("trouble", d.Trouble.Trouble).Err(err).Msg(d.Trouble.Reason)
}

// troubleNotWritten may be called from any goroutine.
func (t *teller) troubleNotWritten(d trouble.Decision, err error) {
	e := t.log.Warn()
	if d.Try > 1 {
		e = t.log.Debug()
	}
	e.Str("trouble", d.Trouble.Trouble).Int("try", d.Try).Err(err).
		Msg(fmt.Sprintf("the log does not take that %s %s; trying again if that stays so", d.Trouble.TroubleKey, d.Trouble.Event))
}

func (t *teller) notAsked(d round.Decision, err error) {
	t.about(t.log.Warn(), d).Err(err).Msg("the other nodes could not be asked")
}

// notWritten may be called from any goroutine.
func (t *teller) notWritten(d round.Decision, err error) {
	e := t.log.Warn()
	if d.Try > inOneGo && d.Try%10 != 0 { // After the first minute every five minutes is enough.
		e = t.log.Debug()
	}
	t.about(e, d).Str("outage", d.Outage.Outage).Int("try", d.Try).Err(err).
		Msg(fmt.Sprintf("the log does not take that it was %s; trying again", d.Outage.Event))
}

// trouble tells now and then that results come faster than they are judged.
func (t *teller) trouble(now time.Time, slow, late uint64) {
	if (slow == t.slow && late == t.late) || now.Before(t.next) {
		return
	}
	t.log.Warn().Uint64("waited", slow-t.slow).Uint64("late", late-t.late).
		Msg("results come faster than they are judged; the late ones are no votes")
	t.slow, t.late, t.next = slow, late, now.Add(10*time.Second)
}
