package events_test

import (
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Subjects are the contract: this is how they are spelt.
func TestSubjects(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{events.JobsSubject("tokyo-1"), "dmonitor.jobs.tokyo-1"},
		{events.ConfirmSubject(ssh), "dmonitor.confirm.ssh.www.example.com"},
		{events.ResultSubject("tokyo-1", ssh), "dmonitor.results.tokyo-1.ssh.www.example.com"},
		{events.NodeResults("tokyo-1"), "dmonitor.results.tokyo-1.>"},
		{events.PresenceSubject("tokyo-1"), "dmonitor.presence.tokyo-1"},
		{events.ProposeSubject(events.Opened, ssh), "dmonitor.propose.opened.ssh.www.example.com"},
		{events.ProposeFilter(ssh), "dmonitor.propose.*.ssh.www.example.com"},
		{events.OutageSubject(events.Closed, ssh), "dmonitor.outages.closed.ssh.www.example.com"},
		{events.NoticeSubject("0f"), "dmonitor.notices.0f"},
		{events.DeliverySubject(events.Failed, "0f"), "dmonitor.deliveries.failed.0f"},
		{events.ConfigKey("tokyo-1"), "tokyo-1"},
		{events.AllConfirm, "dmonitor.confirm.>"},
		{events.AllResults, "dmonitor.results.>"},
		{events.AllPresence, "dmonitor.presence.*"},
		{events.AllPropose, "dmonitor.propose.>"},
		{events.AllOutages, "dmonitor.outages.>"},
		{events.AllNotices, "dmonitor.notices.*"},
		{events.AllDeliveries, "dmonitor.deliveries.>"},
		{events.TroubleSubject(events.Began, events.TroubleKey{Kind: events.TroubleNode, Node: "tokyo-1"}), "dmonitor.troubles.began.node.tokyo-1"},
		{events.TroubleSubject(events.Ended, events.TroubleKey{Kind: events.TroubleBlind}), "dmonitor.troubles.ended.blind.all"},
		{events.ProposeTroubleFilter(events.TroubleKey{Kind: events.TroubleMajority}), "dmonitor.propose-trouble.*.majority.all"},
		{events.AllTroubles, "dmonitor.troubles.>"},
		{events.AllTold, "dmonitor.told.*"},
		{events.AllToldAsk, "dmonitor.told-ask.*"},
		{events.AllUncommitted, "dmonitor.uncommitted.*"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

// Every message is published where the pattern for its kind finds it.
func TestSubjectsMatchTheirPatterns(t *testing.T) {
	patterns := map[string]string{
		"job": "dmonitor.jobs.*", "confirmation": events.AllConfirm, "result": events.AllResults, "presence": events.AllPresence,
		"contribution": "*", "outage": events.AllPropose, "notice": events.AllNotices, "delivery": events.AllDeliveries,
		"trouble": events.AllProposeTrouble, "uncommitted": events.AllUncommitted, "told": events.AllTold,
	}
	eachSeed(t, 20, func(t *testing.T, g gen) {
		for _, m := range g.messages() {
			subject := m.message.Subject()
			if !matches(patterns[m.name], subject) {
				t.Errorf("%s: %s does not match %s", m.name, subject, patterns[m.name])
			}
			if strings.ContainsAny(subject, " *>\t\r\n") || strings.Contains("."+subject+".", "..") {
				t.Errorf("%s: %q is no subject to publish on", m.name, subject)
			}
		}
		node, c := g.node(), g.check()
		if !matches(events.NodeResults(node), events.ResultSubject(node, c)) || matches(events.NodeResults("n"), events.ResultSubject("m", c)) {
			t.Error("results of a node")
		}
		for _, e := range events.Events {
			if !matches(events.ProposeFilter(c), events.ProposeSubject(e, c)) {
				t.Errorf("%s does not match %s", events.ProposeSubject(e, c), events.ProposeFilter(c))
			}
		}
	})
}

// matches is NATS's rule: "*" is one token, a last ">" one or more.
func matches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, token := range p {
		if token == ">" {
			return i == len(p)-1 && len(s) > i
		}
		if i >= len(s) || token != "*" && token != s[i] {
			return false
		}
	}
	return len(p) == len(s)
}

// What is no subject of that kind is refused with the reason.
func TestParseSubjectsRefuse(t *testing.T) {
	result := func(s string) error { _, _, err := events.ParseResultSubject(s); return err }
	refuses(t, result, []refusal{
		{"", `subject "": not a result`},
		{"dmonitor.results", `subject "dmonitor.results": not a result`},
		{"dmonitor.outages.opened.ssh.a", `subject "dmonitor.outages.opened.ssh.a": not a result`},
		{"dmonitor.results.", `subject "dmonitor.results.": node name is empty`},
		{"dmonitor.results.n", `subject "dmonitor.results.n": host name is empty`},
		{"dmonitor.results.n.ssh", `subject "dmonitor.results.n.ssh": host name is empty`},
		{"dmonitor.results.n.ssh.", `subject "dmonitor.results.n.ssh.": host name is empty`},
		{"dmonitor.results.n..a", `subject "dmonitor.results.n..a": test name is empty`},
		{"dmonitor.results.n.ssh.>", `subject "dmonitor.results.n.ssh.>": host name ">": '>' is not allowed; use letters, digits and . - : _`},
		{"dmonitor.results.*.ssh.a", `subject "dmonitor.results.*.ssh.a": node name "*": '*' is not allowed; use lower-case letters, digits and -`},
	})
	outage := func(s string) error { _, _, err := events.ParseOutageSubject(s); return err }
	refuses(t, outage, []refusal{
		{"", `subject "": not an outage event`},
		{"dmonitor.results.n.ssh.a", `subject "dmonitor.results.n.ssh.a": not an outage event`},
		{"dmonitor.outages.", `subject "dmonitor.outages.": event is empty`},
		{"dmonitor.outages..ssh.a", `subject "dmonitor.outages..ssh.a": event is empty`},
		{"dmonitor.outages.*.ssh.a", `subject "dmonitor.outages.*.ssh.a": event "*": '*' is not allowed; use lower-case letters, digits and - _`},
		{"dmonitor.outages.opened", `subject "dmonitor.outages.opened": host name is empty`},
		{"dmonitor.propose.opened.SSH.a", `subject "dmonitor.propose.opened.SSH.a": test name "SSH": 'S' is not allowed; use lower-case letters, digits and - _`},
	})
}
