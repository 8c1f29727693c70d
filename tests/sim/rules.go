package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// sameMoment is how far apart the runs of one round may lie at most: what started it was on its way, the others were
// asked, took their time and were on their way as well.
const sameMoment = maxDelay + timeout + round.Grace + round.MaxWait

// checkCommitted holds an event against the truth and against the one before it.
func (w *World) checkCommitted(o events.Outage, before *events.Outage) {
	open := before != nil && before.Event == events.Opened
	if o.Event == events.Opened == open {
		w.wrong("%s of %s follows %v", o.Event, o.Check, before)
	}
	if o.Event == events.Closed && before != nil && before.Outage != o.Outage {
		w.wrong("closed another outage of %s than the open one", o.Check)
	}
	want := events.Down
	if o.Event == events.Closed {
		want = events.Up
	}
	var first, last time.Time
	sites := map[string]bool{}
	for _, v := range o.Votes {
		if v.Vote == events.None {
			continue
		}
		r, ok := w.runs[v.Result]
		if !ok || r.node != v.Node || r.check != o.Check || r.status.Vote() != v.Vote {
			w.wrong("%s of %s: the vote of %s (%s) is no run that took place: %+v", o.Event, o.Check, v.Node, v.Vote, r)
			continue
		}
		if v.Vote != want {
			continue
		}
		sites[v.Site] = true
		if first.IsZero() || r.at.Before(first) {
			first = r.at
		}
		if r.at.After(last) {
			last = r.at
		}
	}
	if o.Event == events.Opened && len(sites) < w.agree {
		w.wrong("opened %s on the word of %d sites", o.Check, len(sites))
	}
	if o.Event == events.Closed && before != nil {
		w.checkClosed(o, *before)
	}
	if o.Event == events.Opened && last.Sub(first) > sameMoment {
		w.wrong("opened %s by runs that lie %v apart, want %v at most", o.Check, last.Sub(first), sameMoment)
	}
}

// checkClosed makes sure that nobody's silence was taken for a recovery: when it was decided, too few of those who opened
// the outage had seen nothing but down since.
func (w *World) checkClosed(o, opened events.Outage) {
	down := map[string]bool{}
	for _, v := range opened.Votes {
		if v.Vote == events.Down && w.onlyDown(v.Node, o.Check, opened.Time, o.Time) {
			down[v.Site] = true
		}
	}
	for _, v := range slices.Concat(opened.Votes, o.Votes) { // Another node of the site may have seen it up.
		if v.Vote != events.None && !w.onlyDown(v.Node, o.Check, opened.Time, o.Time) {
			delete(down, v.Site)
		}
	}
	if len(down) >= w.agree {
		w.wrong("closed %s while %v, who opened it, had seen nothing but down: opened %v, closed at %v by %v",
			o.Check, slices.Sorted(maps.Keys(down)), opened.Votes, o.Time, o.Votes)
	}
}

// onlyDown tells whether a node has seen nothing but down from a moment to another. What it saw just before may have arrived
// late.
func (w *World) onlyDown(node string, c events.Check, from, to time.Time) bool {
	for _, r := range slices.Backward(w.saw[seen{node, c}]) {
		if r.at.Before(from.Add(-sameMoment)) {
			break
		}
		if !r.at.After(to) && r.status.Vote() == events.Up {
			return false
		}
	}
	return true
}

// checkMail holds a mail against the log.
func (w *World) checkMail(n events.Notice) {
	for _, o := range w.log.taken {
		if o.ID == n.Outage.ID {
			return
		}
	}
	w.wrong("told %s of %s, which isn't committed", n.Outage.Event, n.Outage.Check)
}

// expect holds the log against the truth, when there was time enough.
func (w *World) expect(h *host, down bool) {
	last := w.log.of(h.check)
	if open := last != nil && last.Event == events.Opened; open != down {
		w.wrong("%s: down is %v for %v, and the log says %v", h.check, down, w.now.Sub(h.since), open)
	}
}

// verdict is what has to be true in the end: all is up, all is closed, and every event was told once.
func (w *World) verdict() {
	for _, h := range w.hosts {
		w.expect(h, false)
	}
	w.checkMentions()
	for i, o := range w.log.taken {
		id := events.NoticeID(o.Outage, o.Event, recipient)
		switch mails, window := w.post.mails[id], w.post.window[id]; {
		case mails == 0 && w.post.covered[id] && w.mentioned(o):
		case mails == 0:
			w.wrong("nobody was told of event %d, %s of %s", i+1, o.Event, o.Check)
		case mails > 1+window:
			w.wrong("event %d, %s of %s, was told %d times, of which %d are allowed", i+1, o.Event, o.Check, mails, 1+window)
		}
	}
}

// lastOutages is when the hosts go down once more, after the faults.
var lastOutages = start.Add(faulty + calmFor)

// checkMentions makes sure that who was told without a majority that something is down was also told, by the end, that it is
// up again: by the log, or without it too.
func (w *World) checkMentions() {
	for _, m := range w.post.mentions {
		e, c, err := events.ParseOutageSubject(m.told.About)
		if err != nil || e != events.Opened {
			continue
		}
		ended := false
		for _, o := range w.log.taken {
			ended = ended || o.Check == c && o.Event == events.Closed && o.Time.After(m.told.Decided) && o.Time.Before(lastOutages)
		}
		if !ended {
			w.wrong("%s told that %s is down (%s), and nobody ever told that it is up", m.by.name, c, m.told.Event)
		}
	}
}

// mentioned tells whether people were told, without a majority, of what an event says.
func (w *World) mentioned(o events.Outage) bool {
	for _, m := range w.post.mentions {
		if m.told.About == events.OutageSubject(o.Event, o.Check) {
			return true
		}
	}
	return false
}

// checkNews makes sure that people are not told again of what they were told without a majority, by a mailer that could
// have asked who told them.
func (w *World) checkNews(n *node, o events.Outage) {
	if w.net.loss > 0 || w.now.Sub(o.Time) <= stale {
		return
	}
	for _, m := range w.nodes {
		if m.works() && w.net.reaches(n, m) && m.books.knows(events.Told{Event: o.ID}) {
			w.wrong("%s tells of event %s again, and %s could have said that it was told", n.name, o.ID, m.name)
		}
	}
}
