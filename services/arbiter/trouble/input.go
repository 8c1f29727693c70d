package trouble

import "github.com/dmonitor/dmonitor/pkg/events"

// Input is something that was seen. The inputs are the types of this file.
type Input interface{ input() }

// Blind is a check that too few sites are able to judge, as package round declares it.
type Blind struct{ Check events.BlindCheck }

// Sighted is a check that enough sites are able to judge, whether it was blind before or only presumed to be.
type Sighted struct{ Check events.Check }

// Configured tells all checks there are. One that is taken out is no trouble any more.
type Configured struct {
	Checks map[events.Check]events.Definition
}

// NodePresent is a node that says it is there. It is to be told each time.
type NodePresent struct{ Node string }

// NodeGone is a node that fell silent, or said goodbye.
type NodeGone struct {
	Node    string
	Goodbye bool
}

// Majority tells whether a decision could be committed. It is to be told now and then; until then it could not.
type Majority struct {
	There bool
	Why   string // not, for people
}

// Remembered is what this arbiter said before it was restarted, without a majority: that there was none. It is to be told
// once the log has been read, and is passed over if the log has it, or something that was decided later.
type Remembered struct{ Trouble *events.Trouble }

// Committed is an event that stands in the log, whoever proposed it. It does no harm to tell it again.
type Committed struct {
	Trouble *events.Trouble
	Seq     uint64
}

// ProposalFailed tells that an event could not be written, or that another one was. In the latter case that one is to be
// told first, as Committed.
type ProposalFailed struct {
	Key       events.TroubleKey
	ID        string // of the event
	Forgotten bool   // the log has no event of the key any more
}

// Tick is given when the time Next told has come. Any other input does as well.
type Tick struct{}

func (Blind) input()          {}
func (Sighted) input()        {}
func (Configured) input()     {}
func (NodePresent) input()    {}
func (NodeGone) input()       {}
func (Majority) input()       {}
func (Remembered) input()     {}
func (Committed) input()      {}
func (ProposalFailed) input() {}
func (Tick) input()           {}
