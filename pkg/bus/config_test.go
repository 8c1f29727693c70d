package bus_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// follow follows the catalog until the test ends.
func follow(t *testing.T, b *bus.Bus) <-chan events.Catalog {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	got := make(chan events.Catalog, 100)
	ended := make(chan error, 1)
	go func() { ended <- b.FollowCatalog(ctx, func(c events.Catalog) { got <- c }) }()
	t.Cleanup(func() {
		stop()
		receive(t, "the end of FollowCatalog", ended)
	})
	return got
}

// until reads catalogs until one has all these hosts.
func until(t *testing.T, got <-chan events.Catalog, hosts ...string) events.Catalog {
	t.Helper()
	for {
		cat := receive(t, "a catalog with "+hosts[len(hosts)-1], got)
		if !slices.ContainsFunc(hosts, func(h string) bool { _, ok := cat.Checks[check(h)]; return !ok }) {
			return cat
		}
	}
}

// The first state is told even if it is empty; then every change, and nothing but changes. A contribution that can't be
// read does not hide the others.
func catalog(t *testing.T, c *bustest.Cluster) {
	got := follow(t, c.Bus(0))
	if first := receive(t, "the first state", got); len(first.Checks) != 0 {
		t.Errorf("first state: %+v, want none", first)
	}
	put := func(i int, con events.Contribution) {
		t.Helper()
		// The log may be electing a leader, after what the tests before did to it.
		eventually(t, "the contribution to be stored", func() bool { return c.Bus(i).PutContribution(within(t), con) == nil })
	}
	began := time.Now()
	put(1, contribution("n1", "one.example.com"))
	until(t, got, "one.example.com")

	_, err := c.Bus(2).JetStream().Publish(within(t), "$KV.CONFIG.broken", []byte(`{"v":1,"node":"other"}`))
	must(t, err)
	same := contribution("n1", "one.example.com")
	same.Time = noon.AddDate(0, 0, 1) // read again, and nothing new in it
	put(1, same)
	put(2, contribution("n2", "two.example.com"))
	cat := until(t, got, "one.example.com", "two.example.com")
	if len(cat.Checks) != 2 || cat.Checks[check("two.example.com")].From != "n2" {
		t.Errorf("catalog: %+v", cat)
	}
	if took := time.Since(began); took > 20*time.Second { // it takes milliseconds; the next reading would be after 30 s
		t.Errorf("told after %v", took)
	}
	if len(got) != 0 {
		t.Errorf("told without a change: %+v", <-got)
	}
	all, err := c.Bus(1).Contributions(within(t))
	if err != nil || len(all) != 2 {
		t.Errorf("contributions: %+v, %v; want two", all, err)
	}
}

func catalogSurvives(t *testing.T, c *bustest.Cluster) {
	client := c.Client(t)
	got := follow(t, client)
	receive(t, "the first state", got)
	home := -1
	for i := range c.Len() {
		if c.Bus(i).ClientURL() == client.Conn().ConnectedUrl() {
			home = i
		}
	}
	if home < 0 {
		t.Fatalf("connected to %s, which is no member", client.Conn().ConnectedUrl())
	}
	c.Stop(home)
	defer c.Start(home)
	other := c.Bus((home + 1) % 3)
	eventually(t, "writing after the member stopped", func() bool {
		return other.PutContribution(within(t), contribution("n0", "three.example.com")) == nil
	})
	until(t, got, "three.example.com")
}

// What was stored is in the very next Catalog, on any member; who was taken out is gone; what can't be read hides nothing
// else. It runs on a cluster of its own, since it wants nobody else's contributions.
func TestCatalogIsAsOfNow(t *testing.T) {
	t.Parallel()
	c := bustest.New(t, 3)
	want := func(what string, hosts ...string) {
		t.Helper()
		for i := range c.Len() {
			cat, err := c.Bus(i).Catalog(within(t))
			if err != nil {
				t.Fatalf("%s, on member %d: %v", what, i, err)
			}
			var got []string
			for _, d := range cat.Sorted() {
				got = append(got, d.Host)
			}
			if !slices.Equal(got, hosts) {
				t.Errorf("%s, on member %d: %q, want %q", what, i, got, hosts)
			}
		}
	}
	want("nothing yet")
	for i := range 30 {
		eventually(t, "the contribution to be stored", func() bool { return c.Bus(i%3).PutContribution(within(t), contribution("n1", hostN(i))) == nil })
		want("after a change", hostN(i))
	}
	_, err := c.Bus(1).JetStream().Publish(within(t), "$KV.CONFIG.n2", []byte("{rubbish"))
	must(t, err)
	want("with rubbish", hostN(29))
	_, err = c.Bus(1).JetStream().Publish(within(t), "$KV.CONFIG.n3", []byte(`{"v":99,"node":"n3"}`))
	must(t, err)
	if _, err := c.Bus(2).Catalog(within(t)); !errors.Is(err, events.ErrVersion) {
		t.Errorf("with a contribution of a newer version: %v, want ErrVersion", err)
	}
	if all, err := c.Bus(2).Contributions(within(t)); err != nil || len(all) != 1 {
		t.Errorf("contributions beside one of a newer version: %+v, %v", all, err)
	}
	_, err = c.Bus(1).JetStream().Publish(within(t), "$KV.CONFIG.n3", []byte("{rubbish"))
	must(t, err)
	kv, err := c.Bus(0).JetStream().KeyValue(within(t), events.BucketConfig)
	must(t, err)
	must(t, kv.Delete(within(t), "n1"))
	want("after a node was taken out")
}
