package round

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Kind says what was decided.
type Kind string

// The kinds of decisions.
const (
	Ask           Kind = "ask"            // publish Confirmation
	ProposeOpened Kind = "propose opened" // write Outage to the log, if Last is still the check's last sequence
	ProposeClosed Kind = "propose closed" // the same
	Dismissed     Kind = "dismissed"      // the round ended without agreement; nobody is told
	Uncommitted   Kind = "uncommitted"    // Outage can't be written; it is said again every few seconds while that is so
	Adopted       Kind = "adopted"        // the log has a new event, Outage, and the state follows it
	Blind         Kind = "blind"          // too few sites are able to judge the check
	Sighted       Kind = "sighted"        // enough of them again
)

// Kinds lists every kind.
var Kinds = []Kind{Ask, ProposeOpened, ProposeClosed, Uncommitted, Dismissed, Adopted, Blind, Sighted}

// Decision is one thing decided about one check.
type Decision struct {
	Kind   Kind
	Check  events.Check
	Round  string            // id of the result that started the round; empty for blind and sighted
	Reason string            // one sentence for people
	Votes  []events.NodeVote // of the round so far, sorted by node; for blind and sighted the last words of the nodes

	Confirmation *events.Confirmation // of Ask
	Outage       *events.Outage       // of ProposeOpened, ProposeClosed, Uncommitted and Adopted; not to be changed
	Last         uint64               // of the proposals: the check's last sequence, 0 if it has none
	Try          int                  // of the proposals and of Uncommitted: 1 for the first
	Able, Agree  int                  // of Blind and Sighted: the sites able to judge, and those that have to agree
	Since        time.Time            // of Uncommitted: when it was decided
}
