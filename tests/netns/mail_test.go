//go:build netns

package netns

import (
	"slices"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// No node can reach the mail server, and one has the notice in its hands. Then the others can reach it again: one of them
// sends the notice, once, though it is the first one's to try again. Both mails of an outage go that way.
func TestAnotherNodeSendsTheMail(t *testing.T) {
	s := newStage(t, settings{})
	for i, event := range []string{"opened", "closed"} {
		s.faults(slices.Concat(cut(one, mail), cut(two, mail), cut(three, mail))...)
		if event == "opened" {
			s.host.Down()
		} else {
			s.up()
		}
		holder := ""
		rig.Until(t, "a node fails to send the mail", func() bool {
			for _, name := range nodes {
				if strings.Contains(s.nodes[name].said(), event+": ops@example.com not told yet") {
					holder = name
				}
			}
			return holder != ""
		})
		t.Logf("%s has the notice", holder)
		s.heal()
		s.faults(cut(holder, mail)...)
		s.awaitTold(1, i, nodes...)
		s.looked(3, nodes...)
		s.told(1, i, nodes...)
		if strings.Contains(s.nodes[holder].said(), event+": told ops@example.com") {
			t.Errorf("%s sent the mail, and could not have reached the mail server", holder)
		}
	}
	s.faults()
	s.whole()
	s.told(1, 1, nodes...)
}
