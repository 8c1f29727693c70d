package bus_test

import (
	"reflect"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// An operator, who may make no consumer on the log, reads as much as a member, also of more checks than one direct read
// may look up.
func TestOperatorReadsLongHistory(t *testing.T) {
	t.Parallel()
	ring, err := key.Parse("cluster.key", []byte(key.New()))
	must(t, err)
	source := func() *key.Ring { return ring }
	member, err := bus.Open(within(t), bus.Options{Node: "a", Data: t.TempDir(), ClientListen: "127.0.0.1:0", Key: source})
	must(t, err)
	defer func() { _ = member.Close(within(t)) }()
	must(t, member.Ready(within(t)))
	for i := range 1100 {
		_, err := member.Propose(within(t), opened(check(hostN(i)), "a"), 0)
		must(t, err)
	}
	propose(t, member, closed(opened(check(hostN(7)), "a")), 8)
	operator, err := bus.Open(within(t), bus.Options{URL: member.ClientURL(), Node: "ann", Key: source, Kind: events.CredentialOperator})
	must(t, err)
	defer func() { _ = operator.Close(within(t)) }()
	want, err := member.LastOutages(within(t))
	must(t, err)
	got, err := operator.LastOutages(within(t))
	must(t, err)
	if len(got) != 1100 || len(want) != 1100 {
		t.Errorf("an operator reads %d checks, a member %d", len(got), len(want))
	}
	for c, w := range want {
		if g := got[c]; g.Seq != w.Seq || !g.Stored.Equal(w.Stored) || !reflect.DeepEqual(g.Outage, w.Outage) {
			t.Errorf("%s: an operator reads %+v, a member %+v", c, g, w)
		}
	}
}
