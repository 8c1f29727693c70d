//go:build upgrade

package upgrade

import (
	"regexp"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Three nodes become newer ones, one after the other, and one goes back. In each phase an outage that all three nodes have
// to agree on is told once, opened and closed; one that began before the upgrade and ends after it, too.
func TestUpgradeOneNodeAtATime(t *testing.T) {
	t.Parallel()
	binary := newer(t)
	// Nothing is to be told of dmonitor itself while a node is away for some seconds, however slow the machine.
	s := newStage(t, 3, "DMONITOR_GRACE=1h", "all.example", "long.example")
	outages := 0
	turn := func() {
		t.Helper()
		outages++
		s.down("all.example", outages)
		s.up("all.example", outages)
	}
	turn()
	s.down("long.example", 1)
	for i := range s.nodes {
		s.replace(i, binary)
		turn()
	}
	s.replace(1, "")
	turn()
	s.up("long.example", 1)
	s.finished(0)

	history := s.history(1)
	s.once(history)
	by := map[events.Event]int{}
	for _, o := range history {
		by[o.Event]++
		if o.Host == "all.example" && o.Event == events.Opened && len(o.Witnesses(events.Down)) != len(s.nodes) {
			t.Errorf("opened by %v, want all nodes", o.Witnesses(events.Down))
		}
	}
	if by[events.Opened] != outages+1 || by[events.Closed] != outages+1 || len(history) != 2*(outages+1) {
		t.Errorf("the log has %v, want %d outages", by, outages+1)
	}
	for _, n := range s.nodes {
		n.Stop()
	}
	s.checkLogs()
}

// unread are words of a log line about a message that could not be read.
var unread = regexp.MustCompile(`message on .* refused|can't be read|passed over|left to a newer|dropped|decode|version`)

// memory tells whether the line says that the stream of results can't be read: it is in memory, and has to be made anew when
// the members that had it restart, whatever their versions.
func memory(l logLine) bool {
	return strings.HasPrefix(l.Message, "the last results can't be read; going on") && strings.Contains(l.Error, "read stream RESULTS")
}

// checkLogs holds that old and new read each other, and that nothing is worse than a warning: a restart explains many of
// those (that a member is away, that too few can judge), the slower the machine the more.
func (s *stage) checkLogs() {
	s.t.Helper()
	seen := map[string]bool{}
	for _, l := range s.logs() {
		if memory(l) || l.Level == "warn" && !unread.MatchString(l.Message+l.Error) || seen[l.Message] {
			continue
		}
		seen[l.Message] = true
		s.t.Errorf("%s: %s (%s)", l.Level, l.Message, l.Error)
	}
}
