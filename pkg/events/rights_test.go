package events_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func allowed(patterns []string, subject string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, subject) })
}

// Who may publish, and who may subscribe to what, of everything that is spoken about on the bus. A letter for each kind:
// node, prober, reader, operator.
func TestRights(t *testing.T) {
	t.Parallel()
	tr := events.TroubleKey{Kind: events.TroubleNode, Node: "osaka-1"}
	for _, c := range []struct{ subject, publish, subscribe string }{
		{events.JobsSubject("osaka-1"), "n", "np"},
		{events.JobsSubject("tokyo-1"), "n", "n"},
		{events.ConfirmSubject(ssh), "n", "np"},
		{events.AllConfirm, "n", "np"},
		{events.ResultSubject("osaka-1", ssh), "np", "n"},
		{events.ResultSubject("tokyo-1", ssh), "n", "n"},
		{events.ResultSubject("osaka-10", ssh), "n", "n"},
		{events.AllResults, "n", "n"},
		{events.PresenceSubject("osaka-1"), "np", "npo"},
		{events.PresenceSubject("tokyo-1"), "n", "no"},
		{events.AllPresence, "n", "no"},
		{events.ProposeSubject(events.Opened, ssh), "n", "n"},
		{events.OutageSubject(events.Opened, ssh), "n", "nro"},
		{events.AllOutages, "n", "nro"},
		{events.NoticeSubject("a"), "n", "n"},
		{events.DeliverySubject(events.Sent, "a"), "n", "n"},
		{events.AllConfig, "n", "n"},
		{events.ProposeTroubleSubject(events.Ended, tr), "n", "n"},
		{events.TroubleSubject(events.Ended, tr), "n", "n"},
		{events.SubjectUncommitted + "osaka-1", "n", "n"},
		{events.SubjectTold + "osaka-1", "n", "n"},
		{events.SubjectToldAsk + "osaka-1", "n", "n"},
		{events.SubjectMembers, "no", "n"},
		{events.SubjectForget + "tokyo-1", "no", "n"},
		{"$KV.CONFIG.osaka-1", "n", "n"},
		{"$KV.LEASES.scheduler", "n", "n"},
		{"$JS.API.STREAM.DELETE.OUTAGES", "n", "n"},
		{"$JS.API.STREAM.PURGE.OUTAGES", "n", "n"},
		{"$JS.API.STREAM.INFO.OUTAGES", "n", "n"},
		{events.OperatorAPI + "STREAM.INFO.NOTICES", "no", "n"},
		{events.OperatorAPI + "STREAM.INFO.OUTAGES", "n", "n"},
		{events.OperatorAPI + "STREAM.DELETE.OUTAGES", "n", "n"},
		{events.OperatorAPI + "DIRECT.GET.OUTAGES", "no", "n"},
		{events.OperatorAPI + "DIRECT.GET.KV_CONFIG", "no", "n"},
		{events.OperatorAPI + "DIRECT.GET.RESULTS", "no", "n"},
		{events.OperatorAPI + "CONSUMER.CREATE.RESULTS.x." + events.AllResults, "n", "n"},
		{"$JS.API.STREAM.INFO.NOTICES", "n", "n"},
		{"$JS.API.DIRECT.GET.OUTAGES", "n", "n"},
		{"$JS.API.CONSUMER.CREATE.OUTAGES.fan-out", "n", "n"},
		{"$JS.API.CONSUMER.MSG.NEXT.OUTAGES.fan-out", "n", "n"},
		{"$JS.API.CONSUMER.CREATE.RESULTS.x." + events.AllResults, "n", "n"},
		{"$JS.ACK.NOTICES.send.1.1.1.1.1", "n", "n"},
		{"$SYS.REQ.SERVER.PING", "n", "n"},
		{"_INBOX.abc.def", "n", "n"},
		{events.InboxPrefix(events.CredentialOperator, "osaka-1") + ".abc", "n", "no"},
		{events.InboxPrefix(events.CredentialOperator, "bob") + ".abc", "n", "n"},
		{"dmonitor.>", "n", "n"},
		{">", "n", "n"},
	} {
		for _, kind := range events.CredentialKinds {
			publish, subscribe := events.Rights(kind, "osaka-1")
			letter := string(kind)[:1]
			if got := allowed(publish, c.subject); got != strings.Contains(c.publish, letter) {
				t.Errorf("%s publishes %s: %v", kind, c.subject, got)
			}
			if got := allowed(subscribe, c.subject); got != strings.Contains(c.subscribe, letter) {
				t.Errorf("%s subscribes to %s: %v", kind, c.subject, got)
			}
		}
	}
}

// Whatever stands in a name, it gives no rights beyond it, and what is no credential gives none.
func TestRightsOfOddNames(t *testing.T) {
	t.Parallel()
	for _, kind := range append([]events.CredentialKind{"", "root"}, events.CredentialKinds...) {
		for _, name := range []string{"", "*", ">", "a.b", "A", "a b", "-a", "a*", strings.Repeat("a", 64)} {
			publish, subscribe := events.Rights(kind, name)
			if len(publish)+len(subscribe) > 0 || events.ValidateCredential(kind, name) == nil {
				t.Errorf("%s %q may publish %v and subscribe to %v", kind, name, publish, subscribe)
			}
		}
	}
	if publish, subscribe := events.Rights("root", "a"); len(publish)+len(subscribe) > 0 {
		t.Errorf("root may publish %v and subscribe to %v", publish, subscribe)
	}
}

// Of revocations of the same name the one that reaches furthest counts, in whatever order the nodes come, and it refuses what
// was issued until then.
func TestRevoked(t *testing.T) {
	t.Parallel()
	all := []events.Contribution{
		{Node: "a", Revoked: []events.Revocation{{Kind: "prober", Name: "osaka-1", Before: at(0), Because: "x"}, {Kind: "reader", Name: "osaka-1", Before: at(time.Hour)}}},
		{Node: "b", Revoked: []events.Revocation{{Kind: "prober", Name: "osaka-1", Before: at(time.Minute), Because: "stolen"}}},
		{Node: "c", Revoked: []events.Revocation{{Kind: "prober", Name: "osaka-1", Before: at(time.Minute), Because: "lost"}, {Kind: "later", Name: "a", Before: at(0)}}},
	}
	for _, p := range permutations(all) {
		cat := events.Merge(p)
		want := []events.Revocation{
			{Kind: "later", Name: "a", Before: at(0)},
			{Kind: "prober", Name: "osaka-1", Before: at(time.Minute), Because: "lost"},
			{Kind: "reader", Name: "osaka-1", Before: at(time.Hour)},
		}
		if !slices.Equal(cat.Revocations, want) {
			t.Fatalf("%v, want %v", cat.Revocations, want)
		}
		for _, c := range []struct {
			kind   events.CredentialKind
			name   string
			issued time.Duration
			want   bool
		}{
			{"prober", "osaka-1", -time.Hour, true},
			{"prober", "osaka-1", time.Minute, true}, // at that very moment
			{"prober", "osaka-1", time.Minute + 1, false},
			{"reader", "osaka-1", time.Minute + 1, true},
			{"operator", "osaka-1", 0, false},
			{"prober", "osaka-10", 0, false},
		} {
			if r, got := cat.Revoked(c.kind, c.name, at(c.issued)); got != c.want || got != (r.Name != "") {
				t.Errorf("%s %s issued at %v: %v, %v", c.kind, c.name, c.issued, got, r)
			}
		}
	}
	if all[0].Revoked[0].Because != "x" || len(all[0].Revoked) != 2 {
		t.Error("Merge wrote into a contribution")
	}
	for kind, want := range map[events.CredentialKind]bool{"prober": true, "reader": true, "operator": true, "node": false, "root": false} {
		if err := events.ValidateRevocable(kind, "a"); (err == nil) != want {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
