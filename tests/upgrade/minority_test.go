//go:build upgrade

package upgrade

import (
	"slices"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// A new and an old node are left of five: they have no majority, agree on an outage, and one of them tells people without
// it. The other, and those that come back, understand who has been told, and of what is wrong with dmonitor: when the event is
// committed nobody is told again.
func TestVersionsWithoutMajority(t *testing.T) {
	t.Parallel()
	binary := newer(t)
	// Of five, since with them every log has a copy on each node: of four, two may have the majority of one log by chance.
	s := newStage(t, 5, "DMONITOR_GRACE=5s", "web.example")
	s.replace(0, binary) // It tells, because its name comes first.
	for _, n := range s.nodes[2:] {
		n.Kill()
	}
	s.down("web.example", 1)
	if !slices.ContainsFunc(s.post.Letters(), func(l rig.Letter) bool { return strings.Contains(l.Text, "without a majority") }) {
		t.Errorf("no mail says that it was sent without a majority")
	}
	rig.Until(t, "the operator is told that the majority is away", func() bool {
		return slices.ContainsFunc(s.post.Letters(), func(l rig.Letter) bool { return l.Header.Get("X-Dmonitor-Trouble") == string(events.TroubleMajority) })
	})
	for _, n := range s.nodes[2:] {
		n.Start()
	}
	s.ready(2)
	rig.Until(t, "the opening is committed", func() bool { return len(s.history(1)) == 1 })
	s.up("web.example", 1)
	rig.Until(t, "the operator is told that all is well again", func() bool {
		n := 0
		for _, l := range s.post.Letters() {
			switch {
			case l.Header.Get("X-Dmonitor-Trouble") == "":
			case l.Header.Get("X-Dmonitor-Event") == string(events.Ended):
				n--
			case l.Header.Get("X-Dmonitor-Event") == string(events.Began):
				n++
			}
		}
		return n == 0
	})
	s.finished(1)
	troubles := s.once(s.history(1))
	if troubles[string(events.Began)] == 0 {
		t.Error("the operator was told nothing of dmonitor itself")
	}
	for _, n := range s.nodes {
		n.Stop()
	}
	for _, l := range s.logs() {
		if unread.MatchString(l.Message+l.Error) && !memory(l) {
			t.Errorf("%s: %s (%s)", l.Level, l.Message, l.Error)
		}
	}
}
