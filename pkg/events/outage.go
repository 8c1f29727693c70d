package events

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxVotes bounds the votes an outage event carries.
const MaxVotes = 256

// Outage is one event of an outage: that it was opened, or closed. It carries its proof.
type Outage struct {
	V      int    `json:"v"`
	ID     string `json:"id"`     // of this event; the same proposal has the same id whoever makes it
	Outage string `json:"outage"` // of the outage: the same when opened and when closed
	Event  Event  `json:"event"`
	Check
	Time   time.Time  `json:"time"`           // when it was decided, by the arbiter's clock
	Opened time.Time  `json:"opened"`         // when the outage was opened; equals Time on an opened event
	Agree  int        `json:"agree"`          // distinct sites that had to agree
	Able   int        `json:"able"`           // sites able to judge at that moment
	Votes  []NodeVote `json:"votes"`          // of the round that decided, one per node, sorted by node
	Round  string     `json:"round"`          // id of the result that started the round
	Reason string     `json:"reason"`         // one sentence for people
	By     string     `json:"by"`             // the arbiter whose proposal was committed
	Note   string     `json:"note,omitempty"` // the check's note
	Gap    *Gap       `json:"gap,omitempty"`  // on a closed event: when it may have come up unseen
}

// Gap is a time in which nobody looked, because dmonitor did not run where this was decided.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func (g *Gap) validate() error {
	if g == nil {
		return nil
	}
	if g.From.IsZero() || g.To.Before(g.From) {
		return fmt.Errorf("gap from %v to %v: want two moments, the earlier first", g.From, g.To)
	}
	return cmp.Or(validateTime("gap", g.From), validateTime("gap", g.To))
}

// OutageID names an outage after its check and the round that opened it.
func OutageID(c Check, round string) string {
	sum := sha256.Sum256([]byte(c.String() + "\n" + round))
	return hex.EncodeToString(sum[:8])
}

// EventID names an event of an outage.
func EventID(outage string, e Event) string { return outage + "-" + string(e) }

// Witnesses lists the sites whose vote is v, sorted, each once.
func (o *Outage) Witnesses(v Vote) []string { return Sites(o.Votes, v) }

// Subject is where the event is proposed; OutageSubject is where it appears once committed.
func (o *Outage) Subject() string { return ProposeSubject(o.Event, o.Check) }

// Validate returns nil if every field keeps the rules. An opened event without Agree distinct sites that vote down is
// refused here too, so that no mistake elsewhere can declare an outage without its witnesses.
func (o *Outage) Validate() error {
	if err := o.Event.validate(); err != nil {
		return err
	}
	if err := o.Check.Validate(); err != nil {
		return err
	}
	if err := validateID("outage", o.Outage); err != nil {
		return err
	}
	if want := EventID(o.Outage, o.Event); o.ID != want {
		return fmt.Errorf("id %q: want %q", clip(o.ID), want)
	}
	if o.Time.IsZero() || o.Opened.IsZero() {
		return fmt.Errorf("time or opened is missing")
	}
	if o.Agree < 1 || o.Agree > MaxAgree {
		return fmt.Errorf("agree %d: want 1 to %d", o.Agree, MaxAgree)
	}
	if o.Able < 0 {
		return fmt.Errorf("able %d: want 0 or more", o.Able)
	}
	if err := o.validateProof(); err != nil {
		return err
	}
	if o.Round != "" {
		if err := validateID("round", o.Round); err != nil {
			return err
		}
	}
	return cmp.Or(
		validateTime("time", o.Time),
		validateTime("opened", o.Opened),
		validateText("reason", o.Reason, MaxReason),
		validateText("by", o.By, maxWord),
		validateText("note", o.Note, MaxNote),
		o.Gap.validate(),
	)
}

// validateProof holds the votes against the event. A node that stood there twice could be two witnesses.
func (o *Outage) validateProof() error {
	if len(o.Votes) > MaxVotes {
		return fmt.Errorf("votes: %d of them, at most %d are allowed", len(o.Votes), MaxVotes)
	}
	for i, v := range o.Votes {
		if err := v.validate(); err != nil {
			return err
		}
		if i > 0 && o.Votes[i-1].Node >= v.Node {
			return fmt.Errorf("votes: %s after %s: want one per node, sorted", v.Node, o.Votes[i-1].Node)
		}
	}
	down, up := len(o.Witnesses(Down)), len(o.Witnesses(Up))
	switch {
	case o.Event == Opened && down < o.Agree:
		return fmt.Errorf("opened by %d sites, %d have to agree", down, o.Agree)
	case o.Event == Closed && up < 1:
		return fmt.Errorf("closed without a site that says up")
	case o.Event == Closed && down >= o.Agree:
		return fmt.Errorf("closed while %d sites say down, %d make an outage", down, o.Agree)
	default:
		return nil
	}
}

func (o *Outage) tidy() {
	o.Time, o.Opened = stamp(o.Time), stamp(o.Opened)
	o.Reason, o.By, o.Note = CleanText(o.Reason, MaxReason), CleanText(o.By, maxWord), CleanText(o.Note, MaxNote)
	if o.Gap != nil {
		o.Gap = &Gap{From: stamp(o.Gap.From), To: stamp(o.Gap.To)}
	}
	o.Votes = list(slices.Clone(o.Votes))
	for i := range o.Votes {
		v := &o.Votes[i]
		v.Output, v.Time, v.Elapsed = CleanText(v.Output, MaxVoteOutput), stamp(v.Time), v.Elapsed.round()
	}
	slices.SortStableFunc(o.Votes, func(a, b NodeVote) int { return strings.Compare(a.Node, b.Node) })
}

func (o *Outage) version() *int { return &o.V }
func (o *Outage) belongsOn(subject string) bool {
	return subject == o.Subject() || subject == OutageSubject(o.Event, o.Check)
}
