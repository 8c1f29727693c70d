package round

import (
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

const (
	// keptOutput is how much of a plugin's output is kept per node and check outside of rounds, in bytes. 2,000 checks
	// on 3 nodes need 3 MB at most.
	keptOutput = 512
	// keptIDs is how many results per node and check are known again when they come a second time.
	keptIDs = 8
)

// word is the last a node said about a check.
type word struct {
	node, site string
	id         string // of the last result
	status     events.Status
	output     string
	elapsed    events.Millis
	arrived    time.Time // the last result, by this arbiter's clock
	live       bool      // it arrived since this arbiter started

	vote  events.Vote // the last that was up or down; empty: none so far
	voted time.Time   // when that arrived
	since bool        // it was cast in or after the round that opened the outage

	misses int       // rounds in a row that this node started with this vote and that were dismissed
	hush   time.Time // until then its vote starts no round on its own

	heard [keptIDs]uint64 // hashes of the ids of the last live results
	turn  uint8           // place in heard to be overwritten next

	awaited uint64    // hash of the id of a result that an event told of and that has not arrived yet; 0: none
	until   time.Time // and how long it is waited for
}

// word returns what the node said last, made if it is new. Then there is room to be made: nodes that are not present and
// said nothing for long go, so that names that come and go don't pile up.
func (s *State) word(c *check, node, site string, now time.Time) *word {
	i, ok := c.find(node)
	if ok {
		return c.words[i]
	}
	c.words = slices.DeleteFunc(c.words, func(w *word) bool {
		return s.nodes[w.node] == nil && now.Sub(w.arrived) > ForgetAfter && c.forgotten(w, now)
	})
	i, _ = c.find(node)
	w := &word{node: node, site: site}
	c.words = slices.Insert(c.words, i, w)
	return w
}

func (c *check) find(node string) (int, bool) {
	return slices.BinarySearchFunc(c.words, node, func(w *word, node string) int { return strings.Compare(w.node, node) })
}

// first tells whether the result with this id is new. Hashes collide once in 2^62 results; then one result is not
// heard, and the next one is.
func (w *word) first(id string) bool {
	h := hash(id)
	for _, old := range w.heard {
		if old == h {
			return false
		}
	}
	w.heard[w.turn%keptIDs] = h
	w.turn++
	return true
}

// knows tells whether the result has been heard, without marking it so.
func (w *word) knows(id string) bool { return slices.Contains(w.heard[:], hash(id)) }

// hash is FNV-1a, never 0.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return max(h, 1)
}

// hear keeps a result that arrived now; open tells whether the check is down.
func (w *word) hear(r *events.Result, now time.Time, open bool) {
	w.keep(r, now)
	w.live = true
	vote := r.Status.Vote()
	if vote == events.None {
		return
	}
	if vote != w.vote {
		w.calm()
	}
	w.vote, w.voted, w.since = vote, now, open
}

// recall keeps a result that arrived at a time before this arbiter started. A vote in the round that opened the outage
// is not replaced by one from before it.
func (w *word) recall(r *events.Result, at time.Time, outage *events.Outage) {
	w.keep(r, at)
	vote := r.Status.Vote()
	if vote == events.None || (w.since && at.Before(w.voted)) {
		return
	}
	w.vote, w.voted = vote, at
	w.since = outage != nil && (w.since || at.After(outage.Opened))
}

// await notes that an event was decided by a result that has not arrived here yet. What a node says arrives in the order
// in which it was said, so what comes of this node before that result was overtaken by the event. Of a node that this
// arbiter has not heard at all, it may have come before the arbiter started.
func (w *word) await(v events.NodeVote, now time.Time) {
	if w.live && !w.knows(v.Result) {
		w.awaited, w.until = hash(v.Result), now.Add(Grace)
	}
}

// overtaken tells whether a result that arrives now was said before the one that decided the last event; itself, whether
// it is that one.
func (w *word) overtaken(id string, now time.Time) (before, itself bool) {
	if w.awaited == 0 {
		return false, false
	}
	itself = hash(id) == w.awaited
	if itself || now.After(w.until) { // After that it was lost.
		w.awaited = 0
		return false, itself
	}
	return true, false
}

// testify takes over a vote of the round that opened an outage, unless this arbiter heard that result itself: then the
// node may have said something newer since.
func (w *word) testify(v events.NodeVote) {
	if w.knows(v.Result) {
		return
	}
	if !w.live && w.arrived.After(v.Time) {
		w.since = true // History that is newer than the vote.
		return
	}
	w.site, w.id, w.status, w.output, w.elapsed, w.arrived = v.Site, v.Result, v.Status, clip(v.Output), v.Elapsed, v.Time
	w.vote, w.voted, w.since = v.Vote, v.Time, true
}

func (w *word) keep(r *events.Result, at time.Time) {
	w.site, w.id, w.status, w.output, w.elapsed, w.arrived = r.Site, r.ID, r.Status, clip(r.Output), r.Elapsed, at
}

func (w *word) calm() { w.misses, w.hush = 0, time.Time{} }

// said writes the word as a vote, for people: it is not part of any round.
func (w *word) said() events.NodeVote {
	return events.NodeVote{
		Node: w.node, Site: w.site, Vote: w.status.Vote(), Status: w.status, Output: w.output,
		Time: w.arrived, Elapsed: w.elapsed, Result: w.id,
	}
}

// clip shortens output and lets go of the long string it comes from.
func clip(s string) string {
	if len(s) <= keptOutput {
		return s
	}
	return strings.Clone(events.CleanText(s, keptOutput))
}
