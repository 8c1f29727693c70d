package round

import (
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Condition is what an arbiter believes of a check.
type Condition string

// The conditions. A check that is down or suspected can be blind as well; see View.Blind.
const (
	IsUp        Condition = "up"        // or not looked at yet: then there are no words
	IsSuspected Condition = "suspected" // a round is under way, or its outage is not committed yet
	IsDown      Condition = "down"      // an outage is open and committed
	IsBlind     Condition = "blind"     // too few sites are able to judge
)

// Conditions lists every condition.
var Conditions = []Condition{IsUp, IsSuspected, IsDown, IsBlind}

// View is a copy of what an arbiter knows of one check. Outages are shared and not to be changed.
type View struct {
	Check      events.Check
	Condition  Condition
	Configured bool // false: taken out of the configuration; if it is down nobody will close it
	Blind      bool
	Agree      int               // sites that have to agree, 0 if not configured
	Able       []string          // sites able to judge, sorted
	Obstacles  []Obstacle        // why nodes that should look at it can't judge it, sorted by node
	Words      []events.NodeVote // what each node said last, sorted by node
	Seq        uint64            // of the last committed event, 0 if there is none
	Outage     *events.Outage    // open and committed
	Round      string            // id of the round under way
	Votes      []events.NodeVote // in that round so far
	Pending    *events.Outage    // agreed and not committed yet
	Since      time.Time         // when Pending was decided
	Tries      int               // how often Pending was proposed
}

// Obstacle says why one node can't judge a check. Reason is the rest of a sentence that begins with the node's name: "is
// gone", "has no check_x it can run" or "could not tell (what the plugin said)".
type Obstacle struct {
	Node   string
	Reason string
}

// Look returns the view of one check; false if the state has never heard of it.
func Look(s *State, name events.Check) (View, bool) {
	c := s.checks[name]
	if c == nil {
		return View{}, false
	}
	return s.view(c), true
}

// Judges counts the sites able to judge a check, and those that have to agree. configured is false if nobody looks at it.
func Judges(s *State, name events.Check) (able, agree int, configured bool) {
	c := s.checks[name]
	if c == nil || c.def == nil {
		return 0, 0, false
	}
	return len(s.able(c)), c.def.Agree, true
}

// Waits returns what was decided of a check and is not committed yet; nil if nothing is. It is not to be changed.
func Waits(s *State, name events.Check) *events.Outage {
	if c := s.checks[name]; c != nil && c.pending != nil {
		return c.pending.outage
	}
	return nil
}

// Counts says of how many checks something is so.
type Counts struct {
	Open    int // their outage is committed
	Blind   int
	Pending int // what was decided of them is not committed yet
}

// Count counts all checks.
func Count(s *State) Counts {
	var n Counts
	for _, c := range s.checks {
		if c.outage != nil {
			n.Open++
		}
		if c.blind {
			n.Blind++
		}
		if c.pending != nil {
			n.Pending++
		}
	}
	return n
}

// Overview returns the views of all checks, sorted by host, then test.
func Overview(s *State) []View {
	all := s.sorted()
	views := make([]View, len(all))
	for i, c := range all {
		views[i] = s.view(c)
	}
	return views
}

func (s *State) view(c *check) View {
	v := View{
		Check: c.Check, Configured: c.def != nil, Blind: c.blind, Words: c.lastWords(),
		Seq: c.seq, Outage: c.outage,
	}
	if c.def != nil {
		v.Able, v.Agree, v.Obstacles = s.able(c), c.def.Agree, s.obstacles(c)
	}
	if c.round != nil {
		v.Round, v.Votes = c.round.id, slices.Clone(c.round.proof())
	}
	if c.pending != nil {
		v.Pending, v.Since, v.Tries = c.pending.outage, c.pending.since, c.pending.tries
	}
	opening := c.round != nil && !c.round.closing
	switch {
	case c.outage != nil:
		v.Condition = IsDown
	case opening:
		v.Condition = IsSuspected
	case c.blind:
		v.Condition = IsBlind
	default:
		v.Condition = IsUp
	}
	return v
}
