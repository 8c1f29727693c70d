package trouble

import "time"

// DefaultGrace is the grace the defaults follow from: long enough for a restart, an election (9 s at most) and what
// comes right after them.
const DefaultGrace = 30 * time.Second

// Rules are the graces: how long something has to be so before it is told.
type Rules struct {
	Blind    time.Duration // a check is blind, or none is any more; round has waited for two intervals before
	Node     time.Duration // a node is silent
	Goodbye  time.Duration // a node has said goodbye, as it does for a restart or an upgrade
	Back     time.Duration // a node, or the majority, is there again
	Majority time.Duration // the majority is away
	Again    time.Duration // between two events of one blindness, and after a contradicted one
	Say      time.Duration // between two sayings that the majority is away
	Retry    time.Duration // after a proposal that could not be written
}

// RulesFor makes all rules out of one grace: 1 for blind, 2 for nodes, 1.5 for the majority, 20 for goodbyes.
func RulesFor(grace time.Duration) Rules {
	return Rules{
		Blind: grace, Node: 2 * grace, Goodbye: 20 * grace, Back: grace / 3, Majority: grace * 3 / 2,
		Again: 20 * grace, Say: min(5*time.Second, grace), Retry: min(5*time.Second, grace),
	}
}

// DefaultRules are RulesFor(DefaultGrace).
func DefaultRules() Rules { return RulesFor(DefaultGrace) }
