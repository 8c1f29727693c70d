package bus_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// keptAlone lets a node that is alone keep something in folder: events of so many hosts, of which the first two have been made
// into notices; the notices of all, of which the first has been sent; a delivery; and its directory. It returns the
// events as they are stored.
func keptAlone(t *testing.T, folder, prefix string, hosts int) []bus.Committed {
	t.Helper()
	c := bustest.On(t, folder)
	b := c.Bus(0)
	for i := range hosts {
		o := opened(check(prefix+hostN(i)), "n0")
		propose(t, b, o, 0)
		must(t, b.PutNotice(within(t), notice(o, "ops@example.com")))
		must(t, b.PutDelivery(within(t), delivery(notice(o, "ops@example.com"))))
	}
	must(t, b.PutContribution(within(t), contribution("n0", prefix+hostN(0))))
	ctx, stop := context.WithCancel(within(t))
	handled := 0
	_ = b.ConsumeOutages(ctx, func(context.Context, bus.Committed) error {
		if handled++; handled == 2 {
			stop()
		}
		return nil
	})
	ctx, stop = context.WithCancel(within(t))
	_ = b.ConsumeNotices(ctx, 1, func(ctx context.Context, task *bus.Task) {
		must(t, task.Done(ctx))
		stop()
	})
	all := history(t, b)
	c.Stop(0)
	return all
}

// history is all that the log holds.
func history(t *testing.T, b *bus.Bus) (all []bus.Committed) {
	t.Helper()
	must(t, b.Outages(within(t), time.Time{}, func(e bus.Committed) error {
		all = append(all, e)
		return nil
	}))
	return all
}

// sameHistory fails unless the log holds what it should, with the sequences and times it had.
func sameHistory(t *testing.T, where string, got, want []bus.Committed) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d events, want %d", where, len(got), len(want))
	}
	for i, e := range got {
		if e.ID != want[i].ID || e.Seq != want[i].Seq || !e.Stored.Equal(want[i].Stored) {
			t.Errorf("%s: event %d is %s, %d, %v; want %s, %d, %v", where, i, e.ID, e.Seq, e.Stored, want[i].ID, want[i].Seq, want[i].Stored)
		}
	}
}

// waiting are the hosts of the first events that are handed out, and of the first notices. There must be no more of them.
func waiting(t *testing.T, b *bus.Bus, wantOutages, wantNotices int) (outages, notices []string) {
	t.Helper()
	ctx, stop := context.WithCancel(within(t))
	if wantOutages == 0 {
		stop()
	}
	_ = b.ConsumeOutages(ctx, func(_ context.Context, e bus.Committed) error {
		if outages = append(outages, e.Check.Host); len(outages) == wantOutages {
			stop()
		}
		return nil
	})
	ctx, stop = context.WithCancel(within(t))
	if wantNotices == 0 {
		stop()
	}
	_ = b.ConsumeNotices(ctx, 1, func(ctx context.Context, task *bus.Task) {
		must(t, task.Done(ctx))
		if notices = append(notices, task.Outage.Check.Host); len(notices) == wantNotices {
			stop()
		}
	})
	for stream, name := range map[string]string{events.StreamOutages: events.ConsumerFanOut, events.StreamNotices: events.ConsumerSend} {
		eventually(t, "nothing more waits in "+stream, func() bool {
			c, err := b.JetStream().Consumer(within(t), stream, name)
			return err == nil && c.CachedInfo().NumPending == 0 && c.CachedInfo().NumAckPending == 0
		})
	}
	slices.Sort(outages)
	slices.Sort(notices)
	return outages, notices
}

func hostsFrom(prefix string, from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, prefix+hostN(i))
	}
	return out
}

// folders lists what is in a data folder, whose names begin with a word.
func folders(t *testing.T, data, begin string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(data)
	must(t, err)
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), begin) {
			out = append(out, e.Name())
		}
	}
	return out
}

// A node that was alone becomes one of three, another one of which was alone as well; then the first is alone again. Its
// history is where it is, with the sequences and times it had; nothing is told twice, and nothing that was to be told is
// forgotten.
func TestOneToThreeAndBack(t *testing.T) {
	t.Parallel()
	data := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	keptAlone(t, data[2], "older-", 3)
	want := keptAlone(t, data[0], "", 6)

	c := bustest.On(t, data...)
	for i := range 3 {
		eventually(t, fmt.Sprintf("member %d has a copy", i), func() bool { return len(history(t, c.Bus(i))) == 6 })
		sameHistory(t, fmt.Sprintf("in the cluster, seen from %d", i), history(t, c.Bus(i)), want)
	}
	var replicas []int
	for s := range c.Bus(0).JetStream().ListStreams(t.Context()).Info() {
		replicas = append(replicas, s.Config.Replicas)
	}
	if slices.Min(replicas) != 3 {
		t.Errorf("copies %v, want 3 of each", replicas)
	}
	if got := folders(t, data[0], "bus-single"); len(got) != 1 || !strings.HasPrefix(got[0], "bus-single.carried-") {
		t.Errorf("the carried folder is %q", got)
	}
	if got := folders(t, data[2], "bus-single"); !slices.Equal(got, []string{"bus-single"}) {
		t.Errorf("the other history is in %q", got)
	}
	if log := c.Log(); !strings.Contains(log, "stays in "+filepath.Join(data[2], "bus-single")) {
		t.Error("nobody says where the other history is")
	}
	eventually(t, "the directory", func() bool {
		all, err := c.Bus(1).Contributions(within(t))
		return err == nil && len(all) == 1 && all[0].Node == "n0"
	})

	// The log goes on where it was.
	next := propose(t, c.Bus(1), closed(want[0].Outage), want[0].Seq)
	if next != 7 {
		t.Errorf("the next event has sequence %d, want 7", next)
	}
	outages, notices := waiting(t, c.Bus(1), 5, 5)
	if want := append(hostsFrom("", 0, 1), hostsFrom("", 2, 6)...); !slices.Equal(outages, want) {
		t.Errorf("events handed out: %q, want %q", outages, want)
	}
	if want := hostsFrom("", 1, 6); !slices.Equal(notices, want) {
		t.Errorf("notices handed out: %q, want %q", notices, want)
	}
	want = history(t, c.Bus(0))
	o := opened(check("last.example.com"), "n0")
	must(t, c.Bus(0).PutNotice(within(t), notice(o, "ops@example.com")))
	must(t, c.Bus(0).CatchUp(within(t)))
	for i := range 3 {
		c.Stop(i)
	}

	back := bustest.On(t, data[0])
	sameHistory(t, "alone again", history(t, back.Bus(0)), want)
	outages, notices = waiting(t, back.Bus(0), 0, 1)
	if len(outages) > 0 || !slices.Equal(notices, []string{"last.example.com"}) {
		t.Errorf("alone again: events %q, want none; notices %q, want one", outages, notices)
	}
	if got := folders(t, data[0], "bus-cluster"); len(got) != 1 || !strings.HasPrefix(got[0], "bus-cluster.carried-") {
		t.Errorf("the carried folder is %q", got)
	}
	back.Stop(0)
	again := bustest.On(t, data[0])
	sameHistory(t, "after a restart", history(t, again.Bus(0)), want)
}
