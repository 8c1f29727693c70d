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

// An operator reads the last results as a member does, also of more checks than one direct read may look up.
func TestOperatorReadsLastResults(t *testing.T) {
	t.Parallel()
	ring, err := key.Parse("cluster.key", []byte(key.New()))
	must(t, err)
	source := func() *key.Ring { return ring }
	member, err := bus.Open(within(t), bus.Options{Node: "a", Data: t.TempDir(), ClientListen: "127.0.0.1:0", Key: source})
	must(t, err)
	defer func() { _ = member.Close(within(t)) }()
	must(t, member.Ready(within(t)))
	operator, err := bus.Open(within(t), bus.Options{URL: member.ClientURL(), Node: "ann", Key: source, Kind: events.CredentialOperator})
	must(t, err)
	defer func() { _ = operator.Close(within(t)) }()
	for _, n := range []int{3, 1100} {
		for i := range n {
			for range 2 {
				r := result("a", check(hostN(i)), "r")
				must(t, member.Publish(&r))
			}
		}
		var got, want []bus.Arrived
		eventually(t, "all results are stored", func() bool {
			want, err = member.LastResults(within(t))
			must(t, err)
			return len(want) == n
		})
		got, err = operator.LastResults(within(t))
		must(t, err)
		if len(got) != n {
			t.Errorf("an operator reads %d results, a member %d", len(got), len(want))
		}
	}
}
