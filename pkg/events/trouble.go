package events

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of a trouble event.
const (
	MaxBlindListed = 200 // checks that one event lists by name
	maxSteps       = 1 << 20
)

// TroubleKind is what is wrong with dmonitor itself. More may come: readers ignore what they don't know.
type TroubleKind string

// The kinds of trouble.
const (
	TroubleBlind    TroubleKind = "blind"    // too few sites are able to judge some checks
	TroubleNode     TroubleKind = "node"     // a node is gone
	TroubleMajority TroubleKind = "majority" // the members of the bus have no majority: no decision can be committed
)

// TroubleKinds lists every kind.
var TroubleKinds = []TroubleKind{TroubleBlind, TroubleNode, TroubleMajority}

func (k TroubleKind) validate() error {
	if err := oneOf("kind", k, TroubleKinds); err != nil {
		return fmt.Errorf("%w: %w", err, ErrEvent)
	}
	return nil
}

// TroubleEvent is what happened to a trouble. More may come: readers ignore what they don't know.
type TroubleEvent string

// The events of a trouble.
const (
	Began TroubleEvent = "began"
	Grew  TroubleEvent = "grew" // of blind only: more checks are concerned now
	Ended TroubleEvent = "ended"
)

// TroubleEvents lists every event this version writes.
var TroubleEvents = []TroubleEvent{Began, Grew, Ended}

func (e TroubleEvent) validate() error {
	if !slices.Contains(TroubleEvents, e) {
		return fmt.Errorf("event %q: %w", clip(string(e)), ErrEvent)
	}
	return nil
}

// aboutAll stands in a subject where a trouble isn't about one node.
const aboutAll = "all"

// TroubleKey is what a trouble is about. There is at most one open trouble per key.
type TroubleKey struct {
	Kind TroubleKind `json:"kind"`
	Node string      `json:"node,omitempty"` // of TroubleNode only
}

// String writes a key as people do: "node fra", "blind".
func (k TroubleKey) String() string { return strings.TrimSpace(string(k.Kind) + " " + k.Node) }

func (k TroubleKey) tail() string { return string(k.Kind) + "." + cmp.Or(k.Node, aboutAll) }

// Validate returns nil if the kind is known, and a node is named where the kind wants one, and only there.
func (k TroubleKey) Validate() error {
	if err := k.Kind.validate(); err != nil {
		return err
	}
	if k.Kind == TroubleNode {
		return ValidateNode(k.Node)
	}
	if k.Node != "" {
		return fmt.Errorf("node %q: kind %s is about no single node", clip(k.Node), k.Kind)
	}
	return nil
}

// Trouble is one event of something that is wrong with dmonitor itself. It is written to its log by compare-and-swap, as
// an outage is, so that the operators are told once whoever noticed.
type Trouble struct {
	V       int    `json:"v"`
	ID      string `json:"id"`      // of this event: TroubleEventID
	Trouble string `json:"trouble"` // the same from its beginning to its end: TroubleID
	Step    int    `json:"step"`    // 1 when it began, one more with each event
	TroubleKey
	Event  TroubleEvent `json:"event"`
	Time   time.Time    `json:"time"`             // when it was decided, by the arbiter's clock
	Began  time.Time    `json:"began"`            // since when it is so, as far as is known
	Checks []BlindCheck `json:"checks,omitempty"` // of blind, while it lasts: sorted, MaxBlindListed at most
	Total  int          `json:"total,omitempty"`  // how many checks that are, those not listed included
	// Retired says, of a node's trouble that ended, that the node was taken away for good: it isn't back.
	Retired bool   `json:"retired,omitempty"`
	Reason  string `json:"reason"` // one sentence for people
	By      string `json:"by"`     // the arbiter whose proposal was committed
}

// BlindCheck is a check that too few sites are able to judge.
type BlindCheck struct {
	Check
	Able   int    `json:"able"`   // sites able to judge
	Agree  int    `json:"agree"`  // sites that would have to agree
	Reason string `json:"reason"` // one sentence for people
}

// TroubleID names a trouble after what it is about and when it was found.
func TroubleID(k TroubleKey, found time.Time) string {
	return string(k.Kind) + "-" + cmp.Or(k.Node, aboutAll) + "-" + strconv.FormatInt(found.UnixMilli(), 10)
}

// TroubleEventID names an event of a trouble.
func TroubleEventID(trouble string, step int) string { return trouble + "-" + strconv.Itoa(step) }

// Subject is where the event is proposed; TroubleSubject is where it appears once committed.
func (t *Trouble) Subject() string { return ProposeTroubleSubject(t.Event, t.TroubleKey) }

// Validate returns nil if every field keeps the rules.
func (t *Trouble) Validate() error {
	if err := t.Event.validate(); err != nil {
		return err
	}
	if err := t.TroubleKey.Validate(); err != nil {
		return err
	}
	if err := validateID("trouble", t.Trouble); err != nil {
		return err
	}
	if t.Step < 1 || t.Step > maxSteps || (t.Step == 1) != (t.Event == Began) {
		return fmt.Errorf("step %d of an event that says it %s: the first step is the beginning, and only that", t.Step, t.Event)
	}
	if want := TroubleEventID(t.Trouble, t.Step); t.ID != want {
		return fmt.Errorf("id %q: want %q", clip(t.ID), want)
	}
	if t.Event == Grew && t.Kind != TroubleBlind {
		return fmt.Errorf("event %s: only %s grows", t.Event, TroubleBlind)
	}
	if t.Time.IsZero() || t.Began.IsZero() {
		return fmt.Errorf("time or began is missing")
	}
	if err := t.validateChecks(); err != nil {
		return err
	}
	return cmp.Or(
		validateTime("time", t.Time),
		validateTime("began", t.Began),
		validateText("reason", t.Reason, MaxReason),
		validateText("by", t.By, maxWord),
	)
}

func (t *Trouble) validateChecks() error {
	if len(t.Checks) > MaxBlindListed || t.Total < len(t.Checks) {
		return fmt.Errorf("checks: %d listed of %d, want at most %d, and no more than there are", len(t.Checks), t.Total, MaxBlindListed)
	}
	if (t.Kind == TroubleBlind && t.Event != Ended) != (t.Total > 0) {
		return fmt.Errorf("checks: %d of them for %s that %s", t.Total, t.Kind, t.Event)
	}
	for _, c := range t.Checks {
		if err := c.Check.Validate(); err != nil {
			return err
		}
		if c.Able < 0 || c.Agree < 1 || c.Agree > MaxAgree {
			return fmt.Errorf("check %s: able %d, agree %d", c.Check, c.Able, c.Agree)
		}
		if err := validateText("reason", c.Reason, MaxReason); err != nil {
			return fmt.Errorf("check %s: %w", c.Check, err)
		}
	}
	return nil
}

func (t *Trouble) tidy() {
	t.Time, t.Began = stamp(t.Time), stamp(t.Began)
	t.Reason, t.By = CleanText(t.Reason, MaxReason), CleanText(t.By, maxWord)
	t.Total = max(t.Total, len(t.Checks))
	t.Checks = none(slices.Clone(t.Checks))
	slices.SortFunc(t.Checks, func(a, b BlindCheck) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Test, b.Test))
	})
	t.Checks = t.Checks[:min(len(t.Checks), MaxBlindListed)]
	for i := range t.Checks {
		t.Checks[i].Reason = CleanText(t.Checks[i].Reason, MaxReason)
	}
}

// tidied is a tidy copy: others may be using t.
func (t *Trouble) tidied() *Trouble {
	c := *t
	c.V = Version
	c.tidy()
	return &c
}

func (t *Trouble) version() *int { return &t.V }
func (t *Trouble) belongsOn(subject string) bool {
	return subject == t.Subject() || subject == TroubleSubject(t.Event, t.TroubleKey)
}

// Headers returns the event's CloudEvents headers.
func (t *Trouble) Headers() map[string]string {
	return map[string]string{
		HeaderID:          t.ID,
		HeaderType:        troublePrefix + string(t.Event),
		HeaderSource:      "dmonitor/" + url.PathEscape(t.By),
		HeaderSpecVersion: cloudEventsVersion,
		HeaderTime:        t.Time.UTC().Format(time.RFC3339Nano),
		HeaderSubject:     t.TroubleKey.String(),
		HeaderContentType: "application/json",
	}
}
