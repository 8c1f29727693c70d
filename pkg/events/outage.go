package events

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
}

// NodeVote is what one node saw in a round.
type NodeVote struct {
	Node    string    `json:"node"`
	Site    string    `json:"site"`
	Vote    Vote      `json:"vote"`             // none: abstained or, without a status, not answered yet
	Status  Status    `json:"status,omitempty"` // empty: not answered
	Output  string    `json:"output,omitempty"` // what the plugin said
	Time    time.Time `json:"time,omitzero"`    // when the answer arrived, by the arbiter's clock
	Elapsed Millis    `json:"elapsed_ms"`       // how long the plugin ran
	Result  string    `json:"result,omitempty"` // id of the result
}

// OutageID names an outage after its check and the round that opened it.
func OutageID(c Check, round string) string {
	sum := sha256.Sum256([]byte(c.String() + "\n" + round))
	return hex.EncodeToString(sum[:8])
}

// EventID names an event of an outage.
func EventID(outage string, e Event) string { return outage + "-" + string(e) }

// Witnesses lists the sites whose vote is v, sorted, each once.
func (o *Outage) Witnesses(v Vote) []string { return sites(o.Votes, v) }

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
	if o.Agree < 1 {
		return fmt.Errorf("agree %d: want 1 or more", o.Agree)
	}
	if len(o.Votes) > MaxVotes {
		return fmt.Errorf("votes: %d of them, at most %d are allowed", len(o.Votes), MaxVotes)
	}
	for _, v := range o.Votes {
		if err := v.validate(); err != nil {
			return err
		}
	}
	if n := len(o.Witnesses(Down)); o.Event == Opened && n < o.Agree {
		return fmt.Errorf("opened by %d sites, %d have to agree", n, o.Agree)
	}
	if n := len(o.Witnesses(Up)); o.Event == Closed && n < 1 {
		return fmt.Errorf("closed without a site that says up")
	}
	return nil
}

func (v NodeVote) validate() error {
	if err := ValidateNode(v.Node); err != nil {
		return err
	}
	if err := ValidateNode(v.Site); err != nil {
		return fmt.Errorf("site: %w", err)
	}
	if err := v.Vote.validate(); err != nil {
		return err
	}
	if v.Status == "" {
		if v.Vote != None {
			return fmt.Errorf("vote of %s: %s without a status", v.Node, v.Vote)
		}
		return nil
	}
	if err := v.Status.validate(); err != nil {
		return err
	}
	if v.Vote != v.Status.Vote() {
		return fmt.Errorf("vote of %s: %s with status %s", v.Node, v.Vote, v.Status)
	}
	return nil
}

func (o *Outage) version() *int { return &o.V }
func (o *Outage) belongsOn(subject string) bool {
	return subject == o.Subject() || subject == OutageSubject(o.Event, o.Check)
}

// Headers of an outage event: CloudEvents 1.0 in the NATS protocol binding's binary mode, so that any NATS client can
// route events without reading the body.
const (
	HeaderID          = "ce-id"
	HeaderType        = "ce-type"
	HeaderSource      = "ce-source"
	HeaderSpecVersion = "ce-specversion"
	HeaderTime        = "ce-time"
	HeaderSubject     = "ce-subject"
	HeaderContentType = "content-type"

	cloudEventsVersion = "1.0"
	typePrefix         = "org.dmonitor.outage."
)

// Headers returns the event's CloudEvents headers.
func (o *Outage) Headers() map[string]string {
	return map[string]string{
		HeaderID:          o.ID,
		HeaderType:        typePrefix + string(o.Event),
		HeaderSource:      "dmonitor/" + o.By,
		HeaderSpecVersion: cloudEventsVersion,
		HeaderTime:        o.Time.UTC().Format(time.RFC3339Nano),
		HeaderSubject:     o.Check.String(),
		HeaderContentType: "application/json",
	}
}

// sites lists the sites whose votes count as v. A site with several nodes has one vote: an up from one of its nodes
// contradicts a down from another, so the site is no witness.
func sites(votes []NodeVote, v Vote) []string {
	bySite := map[string]Vote{}
	for _, nv := range votes {
		bySite[nv.Site] = mergeVotes(bySite[nv.Site], nv.Vote)
	}
	return sortedKeys(bySite, func(got Vote) bool { return got == v })
}

// mergeVotes combines the votes of two nodes of one site: up wins over down, down over none.
func mergeVotes(a, b Vote) Vote {
	switch {
	case a == Up || b == Up:
		return Up
	case a == Down || b == Down:
		return Down
	default:
		return None
	}
}
