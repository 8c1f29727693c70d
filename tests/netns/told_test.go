//go:build netns

package netns

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// place is where an event stands in the log, as the log itself says it to those who listen.
var place = regexp.MustCompile(`(?m)^Nats-Sequence: (\d+)\r?$`)

// events lists the committed events that a client of the node has seen: "opened" and "closed", in their order. When the
// log changes its leader in the moment of a commit, the new leader may say again what the old one has said: the same event,
// from the same place in the log. That counts once, as it does for who goes by its id.
func (n *node) events() []string {
	var all []string
	seen := map[string]bool{}
	for _, e := range n.outages.Events() {
		at := place.FindString(e.Headers)
		if at == "" {
			n.t.Fatalf("an event without its place in the log: %s", e.Headers)
		}
		if !seen[at] {
			all = append(all, e.Body.Event)
		}
		seen[at] = true
	}
	return all
}

// echoes counts the events that a client of the node was told again.
func (n *node) echoes() int { return len(n.outages.Events()) - len(n.events()) }

// mails lists what the mail server was told of the check: "opened" for DOWN, "closed" for UP. Mails about something else
// than the host are not counted. A mail that came twice is an error in itself.
func (s *stage) mails() []string {
	s.t.Helper()
	var all []string
	for _, m := range s.inbox.Mails() {
		switch what, _, _ := strings.Cut(m.Subject, " "); {
		case m.Double != 0:
			s.t.Errorf("the mail %q came twice", m.Subject)
		case what == "DOWN":
			all = append(all, "opened")
		case what == "UP":
			all = append(all, "closed")
		}
	}
	return all
}

// story is what n outages look like, of which the last may still be open.
func story(opened, closed int) []string {
	var all []string
	for i := range opened {
		all = append(all, "opened")
		if i < closed {
			all = append(all, "closed")
		}
	}
	return all
}

// awaitTold waits until the clients of these nodes have seen so much, and the mails are out.
func (s *stage) awaitTold(opened, closed int, at ...string) {
	s.t.Helper()
	start := time.Now()
	want := story(opened, closed)
	for _, name := range at {
		n := s.nodes[name]
		rig.Until(s.t, fmt.Sprintf("a client of %s sees %v", name, want), func() bool { return len(n.events())+len(n.missed) >= len(want) })
	}
	rig.Until(s.t, fmt.Sprintf("mails: %v", want), func() bool { return len(s.mails()) >= len(want) })
	s.t.Logf("%s %d: seen and told after %s", want[len(want)-1], opened, time.Since(start).Round(time.Second/10))
}

// told wants exactly so much to have been told: by mail, on record at each of these nodes, and to the clients at their
// ports, but for what happened while their node was cut off.
func (s *stage) told(opened, closed int, at ...string) {
	s.t.Helper()
	want := story(opened, closed)
	if got := s.mails(); !slices.Equal(got, want) {
		s.t.Errorf("mails: %v, want %v", got, want)
	}
	for _, name := range at {
		n := s.nodes[name]
		n.recorded(want)
		if k := n.echoes(); k > 0 {
			s.t.Logf("a client of %s was told %d events twice", name, k)
		}
		var seen []string
		for i, event := range want {
			if !slices.Contains(n.missed, i) {
				seen = append(seen, event)
			}
		}
		if got := n.events(); !slices.Equal(got, seen) {
			s.t.Errorf("a client of %s saw %v, want %v", name, got, seen)
		}
	}
}

// miss remembers that this node's clients can't see the next event, which is the n-th, counted from 0.
func (s *stage) miss(n int, at ...string) {
	for _, name := range at {
		s.nodes[name].missed = append(s.nodes[name].missed, n)
	}
}

// missedAtMost says that these nodes' clients may or may not have seen the n-th event: the way was bad, and plain
// subscribers are told once. If they have not, that is remembered.
func (s *stage) missedAtMost(n int, at []string) {
	want := story(len(s.mails())/2+1, len(s.mails())/2+1)
	for _, name := range at {
		if got := s.nodes[name].events(); n-len(s.nodes[name].missed) >= len(got) || got[n-len(s.nodes[name].missed)] != want[n] {
			s.miss(n, name)
		}
	}
}

// recorded waits until the log of outages, as this node reads it, has exactly these events. Any copy of the log may answer,
// that of a node that has just come back too, so that the last events may be missing for a moment. Others than these may
// never be there.
func (n *node) recorded(want []string) {
	n.t.Helper()
	var got []string
	rig.Until(n.t, fmt.Sprintf("the record at %s: %v", n.name, want), func() bool {
		var ok bool
		got, ok = n.record()
		return ok && len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		n.t.Errorf("the record at %s has %v, want %v", n.name, got, want)
	}
}

// record is what the log of outages has, as this node reads it. It also has to belong together. While the members elect
// it can't be read.
func (n *node) record() (record []string, ok bool) {
	n.t.Helper()
	out, code := n.dmonitor("outages", "--json")
	last := ""
	for line := range strings.Lines(out) {
		var o struct{ Outage, Event string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			n.t.Errorf("dmonitor outages --json at %s: %v: %s", n.name, err, line)
		}
		if o.Event == "closed" && o.Outage != last {
			n.t.Errorf("at %s outage %q is closed after %q was opened", n.name, o.Outage, last)
		}
		last = o.Outage
		record = append(record, o.Event)
	}
	return record, code == 0
}
