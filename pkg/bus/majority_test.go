package bus_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
)

// A member that starts alone again hands out what it read before, until the bus can tell. One that remembers nothing, or
// rubbish, and a process that embeds nothing, hand out nothing. Majority says why.
func TestWithoutMajority(t *testing.T) {
	t.Parallel()
	c := bustest.New(t, 3)
	for i := range c.Len() {
		eventually(t, "the majority", func() bool { return c.Bus(i).Majority(within(t)) == nil })
	}
	client := c.Client(t)
	eventually(t, "the majority, from a client", func() bool { return client.Majority(within(t)) == nil })
	eventually(t, "the contribution to be stored", func() bool {
		return c.Bus(0).PutContribution(within(t), contribution("n0", "one.example.com")) == nil
	})
	until(t, follow(t, c.Bus(0)), "one.example.com")
	until(t, follow(t, c.Bus(1)), "one.example.com")
	eventually(t, "both to have written it down", func() bool {
		for i := range 2 {
			if _, err := os.Stat(filepath.Join(c.Options(i).Data, "catalog.json")); err != nil {
				return false
			}
		}
		return true
	})

	for i := range c.Len() {
		c.Stop(i)
	}
	c.Open(0)
	alone := c.Bus(0)
	began := time.Now()
	got := follow(t, alone)
	until(t, got, "one.example.com")
	if took := time.Since(began); took < bus.RememberAfter {
		t.Errorf("remembered after %v, before it was sure that it has to", took)
	}
	why := alone.Majority(within(t))
	if why == nil || !strings.Contains(why.Error(), "2 of 3 members away: 127.0.0.1:") {
		t.Errorf("alone: %v", why)
	}
	nobody, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	asked := time.Now()
	if err := alone.Majority(nobody); err == nil || time.Since(asked) > 15*time.Second {
		t.Errorf("asked again: %v after %v", err, time.Since(asked))
	}

	must(t, os.WriteFile(filepath.Join(c.Options(1).Data, "catalog.json"), []byte("rubbish"), 0o600))
	c.Open(1)
	rubbish := follow(t, c.Bus(1)) // by now the two are a majority, or will be
	if cat := receive(t, "the configuration", rubbish); len(cat.Checks) != 1 {
		t.Errorf("after rubbish: %+v", cat)
	}
	eventually(t, "the majority", func() bool { return alone.Majority(within(t)) == nil })
	eventually(t, "the change to be stored", func() bool {
		return alone.PutContribution(within(t), contribution("n1", "two.example.com")) == nil
	})
	until(t, got, "one.example.com", "two.example.com")
	c.Start(2)
}

// A leader that is cut off leads nobody, and is told so soon; the others have a majority.
func majorityCut(t *testing.T, c *bustest.Cluster) {
	for i := range c.Len() {
		eventually(t, "the majority", func() bool { return c.Bus(i).Majority(within(t)) == nil })
	}
	c.Cut(0)
	defer c.Heal(0)
	eventually(t, "the one that is cut off to know it", func() bool {
		err := c.Bus(0).Majority(within(t))
		return err != nil && strings.Contains(err.Error(), "2 of 3 members away")
	})
	eventually(t, "the majority without it", func() bool {
		return c.Bus(1).Majority(within(t)) == nil && c.Bus(2).Majority(within(t)) == nil
	})
	c.Heal(0)
	eventually(t, "the majority again", func() bool { return c.Bus(0).Majority(within(t)) == nil })
}
