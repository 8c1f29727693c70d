package events_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// covers tells whether a pattern of the bus covers a subject or another pattern: all that the latter stands for.
func covers(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	for i, word := range p {
		switch {
		case word == ">":
			return len(s) > i
		case i >= len(s) || s[i] == ">" || word != "*" && word != s[i]:
			return false
		}
	}
	return len(p) == len(s)
}

// TestWhoMaySpeakWhere: what a stolen credential is worth. Each kind may do what is listed here, and nothing else of all
// that anybody says or hears on the bus.
func TestWhoMaySpeakWhere(t *testing.T) {
	t.Parallel()
	check := events.Check{Host: "www.example.com", Test: "ssh"}
	key := events.TroubleKey{Kind: events.TroubleNode, Node: "tokyo-1"}
	publish := []string{ // what members publish, and what would do harm
		events.JobsSubject("tokyo-1"), events.JobsSubject("osaka-1"), events.ConfirmSubject(check),
		events.ResultSubject("tokyo-1", check), events.ResultSubject("osaka-1", check),
		events.PresenceSubject("tokyo-1"), events.PresenceSubject("osaka-1"),
		events.ProposeSubject(events.Opened, check), events.OutageSubject(events.Opened, check),
		events.ProposeTroubleSubject(events.Began, key), events.TroubleSubject(events.Began, key),
		events.NoticeSubject("x"), events.DeliverySubject(events.Sent, "x"), events.SubjectUncommitted + "tokyo-1",
		events.SubjectTold + "tokyo-1", events.SubjectToldAsk + "tokyo-1", events.SubjectConfig + "tokyo-1",
		events.SubjectMembers, events.SubjectForget + "tokyo-1", "$KV.CONFIG.tokyo-1", "$KV.LEASES.scheduler",
		"$JS.API.STREAM.DELETE.OUTAGES", "$JS.API.STREAM.PURGE.OUTAGES", "$JS.API.STREAM.MSG.DELETE.OUTAGES", "$JS.API.STREAM.UPDATE.OUTAGES",
		"$JS.API.STREAM.CREATE.X", "$JS.API.STREAM.RESTORE.X", "$JS.API.STREAM.SNAPSHOT.KV_CONFIG", "$JS.API.CONSUMER.DELETE.NOTICES.send",
		"$JS.API.CONSUMER.MSG.NEXT.NOTICES.send", "$JS.API.CONSUMER.CREATE.NOTICES.x.>", "$JS.API.CONSUMER.DURABLE.CREATE.RESULTS.x",
		"$JS.API.STREAM.MSG.GET.NOTICES", "$JS.API.DIRECT.GET.NOTICES", "$JS.ACK.NOTICES.send.1.1.1.1.1", "$SYS.REQ.SERVER.PING", "_INBOX.x",
	}
	hear := []string{
		events.JobsSubject("tokyo-1"), events.JobsSubject("osaka-1"), events.AllConfirm, events.AllResults, events.AllPresence,
		events.PresenceSubject("tokyo-1"), events.AllOutages, events.AllPropose, events.AllTroubles, events.AllNotices, events.AllDeliveries,
		events.AllConfig, events.AllUncommitted, events.AllTold, "_INBOX.>", "_INBOX_prober_osaka-1.>", "$JS.>", "$KV.>", "$SYS.>", ">", "*.>",
		events.InboxPrefix(events.CredentialOperator, "tokyo-1") + ".x",
	}
	for kind, want := range map[events.CredentialKind]struct{ publish, hear []string }{
		events.CredentialProber: {
			[]string{events.ResultSubject("tokyo-1", check), events.PresenceSubject("tokyo-1")},
			[]string{events.JobsSubject("tokyo-1"), events.AllConfirm, events.PresenceSubject("tokyo-1")},
		},
		events.CredentialReader: {nil, []string{events.AllOutages}},
		events.CredentialOperator: {
			[]string{events.SubjectMembers, events.SubjectForget + "tokyo-1"},
			[]string{events.AllOutages, events.AllPresence, events.PresenceSubject("tokyo-1"), events.InboxPrefix(events.CredentialOperator, "tokyo-1") + ".x"},
		},
		events.CredentialNode: {publish, hear},
		"":                    {}, "root": {},
	} {
		p, s := events.Rights(kind, "tokyo-1")
		for _, side := range []struct {
			does           string
			may, all, want []string
		}{{"publishes", p, publish, want.publish}, {"hears", s, hear, want.hear}} {
			for _, subject := range side.all {
				may := slices.ContainsFunc(side.may, func(pattern string) bool { return covers(pattern, subject) })
				if may != slices.Contains(side.want, subject) {
					t.Errorf("%q %s %s: %t", kind, side.does, subject, may)
				}
			}
		}
	}
	for _, name := range []string{"", ">", "*", "a.b", "A", "a b", "tokyo-1.>", strings.Repeat("a", 64)} {
		for _, kind := range events.CredentialKinds {
			if p, s := events.Rights(kind, name); len(p)+len(s) > 0 {
				t.Errorf("%s %q may publish %q and hear %q", kind, name, p, s)
			}
		}
	}
}
