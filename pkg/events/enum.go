package events

import (
	"fmt"
	"slices"
	"strings"
)

// Status is what one run of a plugin found.
type Status string

// The statuses, and how each counts (Status.Vote).
const (
	OK      Status = "ok"      // up
	Warning Status = "warning" // up: the host answers, if not as it should
	Fail    Status = "fail"    // down
	Timeout Status = "timeout" // down: no answer within the check's timeout
	Unknown Status = "unknown" // none: the plugin couldn't tell, so the node abstains
)

// Statuses lists every status.
var Statuses = []Status{OK, Warning, Fail, Timeout, Unknown}

// Vote tells how a result with this status counts.
func (s Status) Vote() Vote {
	switch s {
	case OK, Warning:
		return Up
	case Fail, Timeout:
		return Down
	default:
		return None
	}
}

func (s Status) validate() error { return oneOf("status", s, Statuses) }

// Vote is how a result counts.
type Vote string

// The votes.
const (
	Up   Vote = "up"
	Down Vote = "down"
	None Vote = "none" // abstained, or has not answered
)

// Votes lists every vote.
var Votes = []Vote{Up, Down, None}

func (v Vote) validate() error { return oneOf("vote", v, Votes) }

// Event is what happened to an outage. More may come: readers ignore what they don't know.
type Event string

// The events.
const (
	Opened Event = "opened"
	Closed Event = "closed"
)

// Events lists every event this version writes.
var Events = []Event{Opened, Closed}

func (e Event) validate() error {
	if !slices.Contains(Events, e) {
		return fmt.Errorf("event %q: %w", clip(string(e)), ErrEvent)
	}
	return nil
}

// Outcome is how the sending of a notice ended.
type Outcome string

// The outcomes.
const (
	Sent   Outcome = "sent"   // the mail server has taken it
	Failed Outcome = "failed" // given up: refused for good, or too late
)

// Outcomes lists every outcome.
var Outcomes = []Outcome{Sent, Failed}

func (o Outcome) validate() error { return oneOf("outcome", o, Outcomes) }

func oneOf[T ~string](what string, v T, all []T) error {
	if slices.Contains(all, v) {
		return nil
	}
	names := make([]string, len(all))
	for i, known := range all {
		names[i] = string(known)
	}
	return fmt.Errorf("%s %q: want one of %s", what, clip(string(v)), strings.Join(names, ", "))
}
