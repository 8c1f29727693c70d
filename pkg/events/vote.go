package events

import (
	"cmp"
	"fmt"
	"time"
)

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

func (v NodeVote) validate() error {
	if err := ValidateNode(v.Node); err != nil {
		return err
	}
	if err := ValidateSite(v.Site); err != nil {
		return err
	}
	if err := v.Vote.validate(); err != nil {
		return err
	}
	if v.Result != "" {
		if err := validateID("result", v.Result); err != nil {
			return err
		}
	}
	if err := cmp.Or(
		validateText("output", v.Output, MaxVoteOutput),
		validateTime("time", v.Time),
		validateElapsed(v.Elapsed),
	); err != nil {
		return fmt.Errorf("vote of %s: %w", v.Node, err)
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

// Sites lists the sites whose votes count as v, sorted, each once. A site with several nodes has one vote: an up from
// one of its nodes contradicts a down from another, so the site is no witness.
func Sites(votes []NodeVote, v Vote) []string {
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
