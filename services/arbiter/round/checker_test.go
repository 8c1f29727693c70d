package round_test

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// checker watches one arbiter and knows nothing of how it works: it keeps a journal of all it was told, and reckons from
// that, slowly and from the beginning, whether a decision was allowed.
type checker struct {
	w       *world
	a       *simArbiter
	journal []heard
	ids     map[string]int // the first time a result was heard, by id
	def     *events.Definition
	present map[string]*events.Presence
	told    int       // sequence of the last event it was told
	toldAt  int       // length of the journal then
	flying  string    // id of the event that is on its way to the log
	agreed  string    // id of the event that is proposed and not committed
	since   time.Time // when agreed was
	said    time.Time // when it was said last that it is uncommitted
	fresh   int       // length of the journal when all was forgotten, because the check was taken out
	blind   bool
	hearsay map[string]bool // nodes of which an event told a result that was not heard; it may be older than the last one
	awaits  map[string]await
	memory  memory
	vague   time.Time // until then it can't be told from outside which results count; see live
}

// await is a result of a node that an event told of before it arrived.
type await struct {
	id    string
	until time.Time
}

type heard struct {
	at      time.Time
	r       *events.Result
	def     *events.Definition
	history bool
	told    bool // an event told of it before; it is no vote
}

func newChecker(w *world, a *simArbiter) *checker {
	return &checker{w: w, a: a, ids: map[string]int{}, present: map[string]*events.Presence{}, hearsay: map[string]bool{}, awaits: map[string]await{}}
}

func (c *checker) before(in round.Input) {
	switch in := in.(type) {
	case round.Arrived:
		_, again := c.ids[in.Result.ID]
		if c.def == nil || !c.def.LooksFrom(in.Result.Node) || again {
			return
		}
		c.ids[in.Result.ID] = len(c.journal)
		a, awaited := c.awaits[in.Result.Node]
		told := awaited && a.id == in.Result.ID
		if awaited && !told && !c.w.now.After(a.until) {
			delete(c.ids, in.Result.ID)
			return // It was said before the last event.
		}
		delete(c.awaits, in.Result.Node)
		delete(c.hearsay, in.Result.Node)
		c.journal = append(c.journal, heard{at: c.w.now, r: in.Result, def: c.def, told: told})
	case round.History:
		if c.def != nil && c.def.LooksFrom(in.Result.Node) {
			c.journal = append(c.journal, heard{at: in.Time, r: in.Result, def: c.def, history: true})
		}
	case round.NodePresent:
		c.present[in.Presence.Node] = in.Presence
	case round.NodeGone:
		delete(c.present, in.Node)
	case round.CatalogChanged:
		c.def = nil
		if d, ok := in.Checks[theCheck]; ok {
			c.def = &d
		} else {
			c.blind = false
		}
		if c.def == nil && c.flying == "" {
			c.agreed = ""
		}
	case round.Committed:
		if int(in.Seq) > c.told {
			own := c.agreed == in.Outage.ID && in.Outage.By == c.a.name
			c.told, c.toldAt, c.flying, c.agreed = int(in.Seq), len(c.journal), "", ""
			if !own {
				c.memory = nil
			}
			for _, v := range in.Outage.Votes {
				if _, known := c.ids[v.Result]; known || own || v.Vote == events.None {
					continue
				}
				c.hearsay[v.Node] = true
				if c.live(v.Node) {
					c.awaits[v.Node] = await{v.Result, c.w.now.Add(round.Grace)}
				}
			}
		}
	case round.ProposalFailed:
		if in.ID == c.flying {
			c.flying = ""
			if c.def == nil {
				c.agreed = ""
			}
		}
	}
}

// live tells whether the node has been heard since the arbiter started. Whether it is remembered after a day of silence
// depends on who else has spoken; then the next rounds are not recounted.
func (c *checker) live(node string) bool {
	var last time.Time
	for _, h := range c.journal[c.fresh:] {
		if h.r.Node == node && !h.history {
			last = h.at
		}
	}
	if !last.IsZero() && c.w.now.Sub(last) > round.ForgetAfter {
		c.vague = c.w.now.Add(time.Minute)
	}
	return !last.IsZero()
}

// tooOld tells that a double comes after more results of its node than a State remembers.
func (c *checker) tooOld(r *events.Result) bool {
	first, ok := c.ids[r.ID]
	if !ok {
		return false
	}
	newer := 0
	for _, h := range c.journal[min(first+1, len(c.journal)):] {
		if h.r.Node == r.Node && !h.history {
			newer++
		}
	}
	return newer >= 7
}

func (c *checker) after(in round.Input, out []round.Decision) {
	for _, d := range out {
		switch d.Kind {
		case round.ProposeOpened:
			c.proposed(in, d, events.Opened)
			if c.decided(in, d) {
				c.opened(d)
			}
		case round.ProposeClosed:
			c.proposed(in, d, events.Closed)
			if c.decided(in, d) {
				c.closed(d)
			}
		case round.Uncommitted:
			c.uncommitted(d)
		case round.Dismissed:
			if c.w.now.Before(c.vague) {
				continue
			}
			if _, down, agree := c.recount(d.Round); c.state() != events.Opened && down >= agree {
				c.fatal(d, "dismissed although %d sites say down and %d have to agree", down, agree)
			}
		case round.Blind, round.Sighted:
			if c.blind == (d.Kind == round.Blind) {
				c.fatal(d, "said twice")
			}
			c.blind = d.Kind == round.Blind
			if least, most := c.able(); c.blind && least >= c.def.Agree || !c.blind && most < c.def.Agree {
				c.fatal(d, "%d to %d sites are able, %d have to agree", least, most, c.def.Agree)
			}
		}
		if d.Reason == "" {
			c.fatal(d, "no reason")
		}
	}
	if c.def == nil && c.agreed == "" && c.state() == events.Closed {
		c.fresh, c.ids, c.awaits = len(c.journal), map[string]int{}, map[string]await{}
	}
}

// state is the last event the arbiter was told; closed if there was none.
func (c *checker) state() events.Event {
	if c.told == 0 {
		return events.Closed
	}
	return c.w.log[c.told-1].Event
}

// proposed holds for every proposal: it alternates, follows what the arbiter knows of the log, is the only one on its
// way, is caused by a vote, and is the same when it is tried again.
func (c *checker) proposed(in round.Input, d round.Decision, event events.Event) {
	if _, err := events.Encode(new(*d.Outage)); err != nil {
		c.fatal(d, "can't be sent: %v", err)
	}
	if d.Outage.Event != event || c.state() == event {
		c.fatal(d, "proposed while the log says %s", c.state())
	}
	if int(d.Last) != c.told {
		c.fatal(d, "proposed after event %d, was told %d", d.Last, c.told)
	}
	if c.flying != "" {
		c.fatal(d, "proposed while %s is on its way", c.flying)
	}
	_, vote := in.(round.Arrived)
	if c.remembered(in, d) {
		return
	}
	if d.Try == 1 && (!vote || c.agreed != "") {
		c.fatal(d, "a new proposal out of %T, while %q is agreed", in, c.agreed)
	}
	if d.Try > 1 && d.Outage.ID != c.agreed {
		c.fatal(d, "tried again as something else than %q", c.agreed)
	}
	if d.Try == 1 {
		c.since, c.said = c.w.now, time.Time{}
	}
	c.flying, c.agreed = d.Outage.ID, d.Outage.ID
}

// uncommitted: it is what is agreed and has waited long enough, two nodes at least had a part in it, and those votes were
// heard.
func (c *checker) uncommitted(d round.Decision) {
	if d.Outage.ID != c.agreed || !d.Since.Equal(c.since) || c.def == nil {
		c.fatal(d, "said of %s since %v, agreed is %q since %v", d.Outage.ID, d.Since, c.agreed, c.since)
	}
	if c.w.now.Sub(c.since) < events.UncommittedAfter || c.w.now.Sub(c.said) < 5*time.Second {
		c.fatal(d, "too early: agreed at %v, said at %v", c.since, c.said)
	}
	c.said = c.w.now
	copied := *d.Outage
	if _, err := events.Encode(&events.Uncommitted{By: c.a.name, Since: d.Since, Outage: &copied}); err != nil {
		c.fatal(d, "can't be sent: %v", err)
	}
	voters := 0
	for _, v := range d.Outage.Votes {
		if i, ok := c.ids[v.Result]; v.Status != "" && !c.memory.has(v) && (!ok || !c.journal[i].at.Equal(v.Time)) {
			c.fatal(d, "the vote of %s is not what was heard", v.Node)
		}
		if v.Vote != events.None {
			voters++
		}
	}
	if voters < 2 {
		c.fatal(d, "only %d nodes have voted", voters)
	}
}

// recount counts the sites that are up and down by the results heard since the one with this id, the last one per node
// of those that looked when it was heard.
func (c *checker) recount(id string) (up, down, agree int) {
	sites := c.votesSince(id)
	for _, v := range sites {
		switch v {
		case events.Up:
			up++
		case events.Down:
			down++
		}
	}
	return up, down, c.journal[c.ids[id]].def.Agree
}

func (c *checker) votesSince(id string) map[string]events.Vote {
	first, ok := c.ids[id]
	if !ok {
		c.w.t.Fatalf("%s: round %q is not the id of a result it heard", c.a.name, id)
	}
	last := map[string]*events.Result{}
	for _, h := range c.journal[first:] {
		if !h.told && c.journal[first].def.LooksFrom(h.r.Node) && !stays(last[h.r.Node], h.r) {
			last[h.r.Node] = h.r
		}
	}
	sites := map[string]events.Vote{}
	for _, r := range last {
		v := r.Status.Vote()
		if v == events.Up || (v == events.Down && sites[r.Site] != events.Up) {
			sites[r.Site] = v
		}
	}
	return sites
}

// opened: enough distinct sites said down, last, inside one round that was not over yet.
func (c *checker) opened(d round.Decision) {
	_, down, agree := c.recount(d.Round)
	if down < agree {
		c.fatal(d, "%d sites say down, %d have to agree", down, agree)
	}
	c.inTime(d)
	for _, v := range d.Outage.Votes {
		if i, ok := c.ids[v.Result]; v.Status != "" && (!ok || !c.journal[i].at.Equal(v.Time)) {
			c.fatal(d, "the vote of %s is not what was heard", v.Node)
		}
	}
}

// closed: somebody said up inside one round, and fewer sites than have to agree are left that were seen down and have not
// taken it back.
func (c *checker) closed(d round.Decision) {
	up, _, agree := c.recount(d.Round)
	if up < 1 {
		c.fatal(d, "closed though nobody says up")
	}
	c.inTime(d)
	votes := c.votesSince(d.Round)
	def := c.journal[c.ids[d.Round]].def
	left := map[string]bool{}
	for node, site := range c.accusers() {
		if def.LooksFrom(node) && votes[site] != events.Up {
			left[site] = true
		}
	}
	if len(left) >= agree {
		c.fatal(d, "closed though %v can still be down, %d have to agree", left, agree)
	}
}

// accusers are the nodes, with their sites, that voted down in the outage's opening or later and have not said up since.
func (c *checker) accusers() map[string]string {
	outage := c.w.log[c.told-1]
	limit := round.ForgetAfter + 20*time.Second
	if c.w.now.Sub(outage.Opened) > limit {
		// All that is older than the limit is forgotten; what is newer is in the journal.
		outage.Votes = nil
	}
	out := map[string]string{}
	for _, v := range outage.Votes {
		since := c.toldAt
		if i, ok := c.ids[v.Result]; ok {
			since = i + 1
		} else if c.memory.has(v) {
			since = 0 // It was heard before the restart.
		}
		if v.Vote == events.Down && !c.saidUp(v.Node, since, v.Time) {
			out[v.Node] = v.Site
		}
	}
	for i, h := range c.journal {
		if h.r.Status.Vote() == events.Down && i >= c.toldAt && !h.history && c.w.now.Sub(h.at) <= limit && !c.saidUp(h.r.Node, i+1, h.at) {
			out[h.r.Node] = h.r.Site
		}
	}
	return out
}

func (c *checker) saidUp(node string, since int, at time.Time) bool {
	for i, h := range c.journal {
		if h.r.Node == node && h.r.Status.Vote() == events.Up && (i >= since && !h.history || h.history && h.at.After(at)) {
			return true
		}
	}
	return false
}

func (c *checker) inTime(d round.Decision) {
	began := c.journal[c.ids[d.Round]].at
	if c.w.now.Sub(began) > time.Second+round.Grace {
		c.fatal(d, "decided %v after the round began", c.w.now.Sub(began))
	}
}

// able counts the sites of which a present node has the plugin and did not abstain last. An abstention from long ago may
// have been forgotten while the node was gone; such a site is counted in most only.
func (c *checker) able() (least, most int) {
	last := map[string]heard{}
	for _, h := range c.journal[c.fresh:] {
		last[h.r.Node] = h
	}
	sure, maybe := map[string]bool{}, map[string]bool{}
	for _, p := range c.present {
		if !c.def.LooksFrom(p.Node) || len(p.Plugins) == 0 {
			continue
		}
		h, ok := last[p.Node]
		if c.hearsay[p.Node] {
			maybe[p.Site] = true
		} else if !ok || h.r.Status != events.Unknown {
			sure[p.Site], maybe[p.Site] = true, true
		} else if c.w.now.Sub(h.at) > round.ForgetAfter {
			maybe[p.Site] = true
		}
	}
	return len(sure), len(maybe)
}

// fatal fails the test with all that the arbiter was told.
func (c *checker) fatal(d round.Decision, format string, args ...any) {
	for i, h := range c.journal {
		c.w.t.Logf("%3d %8v %s %s %s, history %v, told %v", i, h.at.Sub(start), h.r.Node, h.r.Status, h.r.ID, h.history, h.told)
	}
	for i, o := range c.w.log[:c.told] {
		c.w.t.Logf("event %d: %s by %s at %v, round %s %s", i+1, o.Event, o.By, o.Time.Sub(start), o.Round, votes(o.Votes))
	}
	c.w.t.Logf("told event %d at %d; decided %q out of %s", c.told, c.toldAt, d.Reason, votes(d.Votes))
	c.w.t.Fatalf("%s: %s %s: "+format, append([]any{c.a.name, d.Kind, d.Round}, args...)...)
}
