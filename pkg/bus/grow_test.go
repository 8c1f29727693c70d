package bus_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// A host whose disk was lost comes back under its name with an empty one, and has all that the others have.
func replacedHost(t *testing.T, c *bustest.Cluster) {
	host := check("replaced.example.com")
	last := propose(t, c.Bus(0), opened(host, "n0"), 0)
	c.Stop(2)
	c.Wipe(2)
	propose(t, c.Bus(0), closed(opened(host, "n0")), last)
	c.Start(2)
	for _, name := range []string{events.StreamOutages, events.StreamNotices, events.StreamDeliveries, "KV_" + events.BucketConfig} {
		eventually(t, "the copy of "+name+" is complete", func() bool {
			s, err := c.Bus(0).JetStream().Stream(within(t), name)
			if err != nil || s.CachedInfo().Cluster == nil || len(s.CachedInfo().Cluster.Replicas) != 2 {
				return false
			}
			for _, r := range s.CachedInfo().Cluster.Replicas {
				if !r.Current || r.Lag > 0 {
					return false
				}
			}
			return true
		})
	}
	// The others go; what the replaced one has is what it reads now.
	want := history(t, c.Bus(0))
	c.Cut(2)
	defer c.Heal(2)
	eventually(t, "it reads its own copy", func() bool {
		if len(c.Bus(2).Members()) > 0 {
			return false
		}
		return slices.EqualFunc(history(t, c.Bus(2)), want, sameEvent)
	})
}

// The system account may remove members: nobody from outside gets into it.
func systemAccount(t *testing.T, c *bustest.Cluster) {
	var trust []nats.Option
	if c.Options(0).Key != nil {
		trust = append(trust, nats.Secure(c.Options(0).Key().DialTLS()))
	}
	for _, login := range [][]nats.Option{
		{nats.UserInfo("system", "")}, {nats.UserInfo("sys", "pass")}, {nats.UserInfo("anybody", "")}, {nats.UserInfo("$SYS", "$SYS")}, nil,
	} {
		nc, err := nats.Connect(c.Bus(0).ClientURL(), append(trust, login...)...)
		if err != nil {
			if !strings.Contains(strings.ToLower(err.Error()), "authorization") {
				t.Errorf("refused with %v", err)
			}
			continue
		}
		if msg, err := nc.RequestWithContext(shortly(t), "$JS.API.SERVER.REMOVE", []byte(`{"peer":"n2"}`)); err == nil {
			t.Errorf("a client was answered: %s", msg.Data)
		}
		if msg, err := nc.RequestWithContext(shortly(t), "$SYS.REQ.SERVER.PING", nil); err == nil {
			t.Errorf("a client was answered: %s", msg.Data)
		}
		nc.Close()
	}
}

// What a node's directory said is dropped when the node is gone for good.
func dropped(t *testing.T, c *bustest.Cluster) {
	must(t, c.Bus(0).PutContribution(within(t), contribution("gone", "gone.example.com")))
	got, err := c.Bus(1).DropContribution(within(t), "gone")
	if err != nil || got.Node != "gone" || len(got.Checks) != 1 {
		t.Errorf("dropped %+v, %v", got, err)
	}
	catalog, err := c.Bus(2).Catalog(within(t))
	must(t, err)
	if _, ok := catalog.Checks[check("gone.example.com")]; ok {
		t.Error("its checks still count")
	}
	for _, node := range []string{"gone", "never-seen"} {
		if _, err := c.Bus(0).DropContribution(within(t), node); !isNotFound(err) {
			t.Errorf("%s: %v, want ErrNotFound", node, err)
		}
	}
}

func sameEvent(a, b bus.Committed) bool {
	return a.ID == b.ID && a.Seq == b.Seq && a.Stored.Equal(b.Stored)
}

func isNotFound(err error) bool { return errors.Is(err, bus.ErrNotFound) }

// shortly is a context for what is never answered.
func shortly(t *testing.T) context.Context {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
	t.Cleanup(stop)
	return ctx
}
