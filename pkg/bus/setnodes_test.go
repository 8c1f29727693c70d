package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// Two members become three and two again while they run, their lists being changed one after the other. Nothing is taken
// out before both agree, and what is committed meanwhile stays.
func TestSetNodes(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	addr := []string{freePort(t), freePort(t), freePort(t)}
	open := func(i int, nodes ...string) *bus.Bus {
		b, err := bus.Open(within(t), bus.Options{
			Node: fmt.Sprintf("n%d", i), Data: t.TempDir(), Nodes: nodes, Listen: addr[i], ClientListen: "127.0.0.1:0",
			Log: zerolog.New(&log).Level(zerolog.DebugLevel),
		})
		must(t, err)
		t.Cleanup(func() { _ = b.Close(context.Background()) })
		return b
	}
	b0 := open(0, addr[0], addr[1])
	if err := b0.SetNodes(addr); !errors.Is(err, bus.ErrNotFormed) {
		t.Errorf("before the cluster has formed: %v, want ErrNotFormed", err)
	}
	b1 := open(1, addr[0], addr[1])
	must(t, b0.Ready(within(t)))
	must(t, b1.Ready(within(t)))
	last := propose(t, b0, opened(check("a.example.com"), "n0"), 0)

	b2 := open(2, addr...)
	must(t, b0.SetNodes(addr))
	must(t, b1.SetNodes(addr))
	must(t, b2.Ready(within(t)))
	copies := func(n int) func() bool {
		return func() bool {
			s, err := b0.JetStream().Stream(within(t), events.StreamOutages)
			return err == nil && s.CachedInfo().Config.Replicas == n && len(s.CachedInfo().Cluster.Replicas) == n-1
		}
	}
	eventually(t, "three copies", copies(3))
	last = propose(t, b2, closed(opened(check("a.example.com"), "n0")), last)

	must(t, b0.SetNodes(addr[:2]))
	last = propose(t, b0, opened(check("a.example.com"), "n1"), last)
	if strings.Contains(log.String(), "n2 is no member") || !copies(3)() {
		t.Error("something was done although only one list has changed")
	}
	must(t, b1.SetNodes(addr[:2]))
	eventually(t, "two copies", copies(2))
	eventually(t, "it is taken out", func() bool { return strings.Contains(log.String(), "n2 is no member any more") })
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
	})
	eventually(t, "it says so itself", func() bool {
		return strings.Contains(log.String(), "this node is not in the nodes.txt (or DMONITOR_NODES) of n0, n1")
	})
	must(t, b0.SetNodes(addr))
	must(t, b1.SetNodes(addr))
	if err := receive(t, "it is told that it is listed again", b2.Failed()); !errors.Is(err, bus.ErrListedAgain) {
		t.Errorf("failed with %v, want ErrListedAgain", err)
	}
	must(t, b0.SetNodes(addr[:2]))
	must(t, b1.SetNodes(addr[:2]))
	_ = b2.Close(within(t))
	if got, err := b1.LastOutage(within(t), check("a.example.com")); err != nil || got.Seq != last {
		t.Errorf("the last event is %d, %v; want %d", got.Seq, err, last)
	}
	propose(t, b1, opened(check("b.example.com"), "n0"), 0) // two of two
	if err := b0.SetNodes(addr[:1]); err == nil {
		t.Error("a running member of a cluster was left alone")
	}
}
