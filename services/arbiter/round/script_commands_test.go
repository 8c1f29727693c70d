package round_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// commands are the inputs a script may give, as testdata/README.md explains them.
var commands = map[string]func(*script, []string){
	"check":    (*script).defineCheck,
	"remove":   (*script).removeCheck,
	"node":     (*script).nodeCommand,
	"gone":     func(s *script, w []string) { s.apply(round.NodeGone{Node: w[0]}) },
	"result":   func(s *script, w []string) { s.result(w, "") },
	"answer":   (*script).answer,
	"again":    (*script).again,
	"arrives":  (*script).arrives,
	"commit":   (*script).commit,
	"other":    (*script).other,
	"fail":     (*script).fail,
	"retry":    func(s *script, _ []string) { s.apply(round.Retry{}) },
	"conflict": (*script).conflict,
	"forget":   (*script).forget,
	"told":     (*script).told,
	"remember": (*script).remember,
	"slept":    (*script).slept,
	"restart":  (*script).restart,
	"show":     (*script).show,
	"wait":     func(*script, []string) {},
}

func (s *script) name(word string) events.Check {
	c, err := events.ParseCheck(word)
	s.check(err)
	return c
}

func (s *script) defineCheck(w []string) {
	c := s.name(w[0])
	o := s.options(w[1:], "interval", "timeout", "agree", "nodes", "plugin")
	d := events.Definition{
		Run:      events.Run{Check: c, Plugin: c.Test, Timeout: events.Millis(events.DefaultTimeout)},
		Interval: events.Millis(events.DefaultInterval), Agree: events.DefaultAgree,
	}
	for key, value := range o {
		var err error
		switch key {
		case "interval", "timeout":
			var span time.Duration
			span, err = time.ParseDuration(value)
			if key == "interval" {
				d.Interval = events.Millis(span)
			} else {
				d.Timeout = events.Millis(span)
			}
		case "agree":
			d.Agree, err = strconv.Atoi(value)
		case "nodes":
			d.Nodes = strings.Split(value, ",")
		case "plugin":
			d.Plugin = value
		}
		s.check(err)
	}
	s.check(d.Validate())
	s.defs[c] = d
	s.apply(round.CatalogChanged{Checks: maps.Clone(s.defs)})
}

func (s *script) removeCheck(w []string) {
	delete(s.defs, s.name(w[0]))
	s.apply(round.CatalogChanged{Checks: maps.Clone(s.defs)})
}

func (s *script) nodeCommand(w []string) {
	o := s.options(w[1:], "site", "plugins")
	p := events.Presence{Node: w[0], Site: w[0], Plugins: []string{"ssh", "ping"}}
	if o["site"] != "" {
		p.Site = o["site"]
	}
	if o["plugins"] != "" {
		p.Plugins = strings.Split(strings.TrimPrefix(o["plugins"], "none"), ",")
	}
	s.apply(round.NodePresent{Presence: &p})
}

// result: NODE[@SITE] CHECK STATUS ["OUTPUT"]. The id is made of node and time.
func (s *script) result(w []string, confirms string) {
	node, site, _ := strings.Cut(w[0], "@")
	if site == "" {
		site = node
	}
	r := &events.Result{ID: node + "@" + s.clock(), Node: node, Site: site, Check: s.name(w[1]), Status: events.Status(w[2]), Confirms: confirms}
	if confirms != "" {
		r.ID = events.ConfirmedID(confirms, node)
	}
	if len(w) > 3 {
		r.Output = w[3]
	}
	s.check(r.Validate())
	s.last[node+" "+w[1]] = round.History{Result: r, Time: s.now}
	s.apply(round.Arrived{Result: r})
}

func (s *script) answer(w []string) {
	id := s.asked[s.name(w[1])]
	if id == "" {
		s.t.Fatalf("%q: nobody was asked", s.line)
	}
	s.result(w, id)
}

func (s *script) again(w []string) {
	s.apply(round.Arrived{Result: s.last[w[0]+" "+w[1]].Result})
}

// arrives: RESULT CHECK; a result that an event told of arrives at last.
func (s *script) arrives(w []string) {
	c := s.name(w[1])
	for _, event := range s.all {
		for _, v := range event.Outage.Votes {
			if v.Result == w[0] {
				s.apply(round.Arrived{Result: &events.Result{ID: v.Result, Node: v.Node, Site: v.Site, Check: c, Status: v.Status}})
				return
			}
		}
	}
	s.t.Fatalf("%q: no event tells of such a result", s.line)
}

func (s *script) store(o *events.Outage) round.Committed {
	s.seq++
	s.log[o.Check] = round.Committed{Outage: o, Seq: s.seq}
	s.all = append(s.all, s.log[o.Check])
	return s.log[o.Check]
}

func (s *script) proposal(w []string) round.Decision {
	d, ok := s.proposed[s.name(w[0])]
	if !ok {
		s.t.Fatalf("%q: nothing was proposed", s.line)
	}
	return d
}

func (s *script) commit(w []string) {
	d := s.proposal(w)
	if have := s.log[d.Check].Seq; have != d.Last {
		s.t.Fatalf("%q: the log would refuse: proposed after event %d, the last one is %d", s.line, d.Last, have)
	}
	s.apply(s.store(d.Outage))
}

// other: CHECK opened|closed NODE STATUS ...; another arbiter's event gets into the log. This one is not told yet.
func (s *script) other(w []string) {
	c, event := s.name(w[0]), events.Event(w[1])
	o := &events.Outage{
		Check: c, Event: event, Time: s.now, Opened: s.now, Agree: s.defs[c].Agree, By: "other",
		Round: "other@" + s.clock(), Reason: "another arbiter decided",
	}
	o.Outage = events.OutageID(c, o.Round)
	if old := s.log[c].Outage; event == events.Closed && old != nil {
		o.Outage, o.Opened = old.Outage, old.Opened
	}
	o.ID = events.EventID(o.Outage, event)
	for i := 2; i+1 < len(w); i += 2 {
		status := events.Status(w[i+1])
		o.Votes = append(o.Votes, events.NodeVote{
			Node: w[i], Site: w[i], Vote: status.Vote(), Status: status, Time: s.now, Result: w[i] + "@" + s.clock(),
		})
	}
	s.check(o.Validate())
	s.store(o)
}

func (s *script) fail(w []string) {
	d := s.proposal(w)
	s.apply(round.ProposalFailed{Check: d.Check, ID: d.Outage.ID})
}

// conflict is what the shell does when the log refuses: it tells the event that is there, then that the proposal failed.
func (s *script) conflict(w []string) {
	d := s.proposal(w)
	if s.log[d.Check].Seq == d.Last {
		s.t.Fatalf("%q: the log would take it", s.line)
	}
	s.apply(s.log[d.Check])
	s.apply(round.ProposalFailed{Check: d.Check, ID: d.Outage.ID})
}

// forget: CHECK; the log drops what it had of the check, for its age. A proposal that is on its way is refused then.
func (s *script) forget(w []string) {
	c := s.name(w[0])
	delete(s.log, c)
	if d, ok := s.proposed[c]; ok && d.Last > 0 {
		s.apply(round.ProposalFailed{Check: c, ID: d.Outage.ID, Forgotten: true})
	}
}

// told: CHECK [SEQUENCE].
func (s *script) told(w []string) {
	if len(w) == 1 {
		s.apply(s.log[s.name(w[0])])
		return
	}
	seq, err := strconv.Atoi(w[1])
	s.check(err)
	s.apply(s.all[seq-1])
}

// restart begins with an empty state and gives it what the shell reads at the start: the log, the configuration and the
// last results. Nodes are to be given again.
func (s *script) restart([]string) {
	s.state = round.New("arbiter")
	for _, name := range sortedKeys(s.log) {
		s.apply(s.log[name])
	}
	s.apply(round.CatalogChanged{Checks: maps.Clone(s.defs)})
	for _, key := range sortedKeys(s.last) {
		s.apply(s.last[key])
	}
}

// remember: CHECK; what was said to be uncommitted before a restart, as it comes back from the disk.
func (s *script) remember(w []string) {
	d, ok := s.said[s.name(w[0])]
	if !ok {
		s.t.Fatalf("%q: nothing was said to be uncommitted", s.line)
	}
	u := events.Uncommitted{By: "arbiter", Since: d.Since, Outage: d.Outage}
	data, err := events.Encode(&u)
	s.check(err)
	back, err := events.Decode[events.Uncommitted](u.Subject(), data)
	s.check(err)
	s.apply(round.Remembered{Outage: back.Outage, Since: back.Since})
}

// slept: FROM [CHECK MOMENT]...; nobody has run since then, but somebody else looked at those checks.
func (s *script) slept(w []string) {
	moment := func(word string) time.Time {
		d, err := time.ParseDuration(word)
		s.check(err)
		return start.Add(d)
	}
	in := round.Slept{From: moment(w[0]), To: s.now, Looked: map[events.Check]time.Time{}}
	for i := 1; i+1 < len(w); i += 2 {
		in.Looked[s.name(w[i])] = moment(w[i+1])
	}
	s.apply(in)
}

func (s *script) show(w []string) {
	v, ok := round.Look(s.state, s.name(w[0]))
	if !ok {
		s.out.WriteString("    not known\n")
		return
	}
	text := fmt.Sprintf("    %s, able %v, last words %s", v.Condition, v.Able, votes(v.Words))
	for _, o := range v.Obstacles {
		text += fmt.Sprintf(", %s %s", o.Node, o.Reason)
	}
	if v.Blind {
		text += ", blind"
	}
	if !v.Configured {
		text += ", not configured any more"
	}
	if v.Round != "" {
		text += ", round " + v.Round
	}
	if v.Pending != nil {
		text += fmt.Sprintf(", %s not written after %d tries", v.Pending.Event, v.Tries)
	}
	s.out.WriteString(text + "\n")
}
