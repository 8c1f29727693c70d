package round

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Input is something that happened. The inputs are the types of this file.
type Input interface{ input() }

// Arrived is a result that came in now. It may be an answer to a confirmation or a routine one; both are votes.
type Arrived struct{ Result *events.Result }

// History is a result that came in before this arbiter started. It tells the last word of a node; it is no vote and
// starts no round. History is ignored for checks that aren't in the catalog yet, and for nodes that have spoken since.
type History struct {
	Result *events.Result
	Time   time.Time // when it arrived, by the clock of the bus
}

// NodePresent is a node that says it is there, for the first time or once more.
type NodePresent struct{ Presence *events.Presence }

// NodeGone is a node that fell silent or said goodbye.
type NodeGone struct{ Node string }

// CatalogChanged replaces what is checked. A round that is under way ends by the definition it began with.
type CatalogChanged struct {
	Checks map[events.Check]events.Definition
}

// Committed is an event that stands in the log, whoever proposed it. Events with an old sequence are ignored, so it
// does no harm to tell them again.
type Committed struct {
	Outage *events.Outage
	Seq    uint64
}

// ProposalFailed tells that an event could not be written, or that another one was. In the latter case that one is to
// be told first, as Committed.
type ProposalFailed struct {
	Check events.Check
	ID    string // of the event
	// Forgotten says that the log refused it because it has no event of the check any more: what it had was too old, and
	// was dropped.
	Forgotten bool
}

// Remembered is what this arbiter said to be uncommitted (Uncommitted) before it was restarted. It is to be told once the
// log has been read and the check is configured, and is passed over if the log has something newer of the check by then,
// or if something was decided meanwhile. Else it is proposed as any other decision.
type Remembered struct {
	Outage *events.Outage
	Since  time.Time // when it was decided
}

// Slept tells that the process of this arbiter did not run for some time before it started. It is to be told at the start,
// and again when it is known who looked meanwhile.
type Slept struct {
	From, To time.Time
	Looked   map[events.Check]time.Time // when others looked at a check last before To, as far as is known
}

// Retry tells that the log can probably be written again, after it could not: what waits for its next try is proposed now.
type Retry struct{}

// Tick is given when the time Next told has come. Any other input does as well.
type Tick struct{}

func (Arrived) input()        {}
func (History) input()        {}
func (NodePresent) input()    {}
func (NodeGone) input()       {}
func (CatalogChanged) input() {}
func (Committed) input()      {}
func (ProposalFailed) input() {}
func (Remembered) input()     {}
func (Slept) input()          {}
func (Retry) input()          {}
func (Tick) input()           {}
