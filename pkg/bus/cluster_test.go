package bus_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// One cluster for all: forming takes seconds. Whoever breaks something mends it.
func TestCluster(t *testing.T) {
	c := bustest.New(t, 3)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *bustest.Cluster)
	}{
		{"exactly one proposal wins", oneWins},
		{"any NATS client reads the events", plainTCP},
		{"messages that break the contract go no further", badMessages},
		{"the last result of every node and check", lastResults},
		{"notices are queued once", noticesOnce},
		{"a task comes again until it is done", tasks},
		{"who puts notices back comes last", turns},
		{"committed events are handled until it works", fanOut},
		{"streams are scaled to the number of nodes", rescale},
		{"a name is taken once", nameTaken},
		{"a host whose disk was lost has all again", replacedHost},
		{"nobody from outside uses the system account", systemAccount},
		{"what a node's directory said can be dropped", dropped},
		{"a cut link has no way around", noWayAround},
		{"the catalog follows changes", catalog},
		{"the catalog follows changes after its server died", catalogSurvives},
		{"a lease moves when its holder stops", leasePolite},
		{"a lease is given up when its work is over", leaseReturned},
		{"a lease moves when its holder's member stops", leaseStop},
		{"a lease ends by itself when its holder is cut off", leaseCut},
		{"what was acknowledged survives the leader", leaderStops},
		{"a minority writes nothing, and hears of it afterwards", minority},
		{"who is cut off knows that there is no majority", majorityCut},
		{"restarts that empty the memory don't stop the bus", memoryLost},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, c) })
	}
}

// Many propose the first event of one check at once, on all members. One gets through, the others are told; a plain
// subscriber sees the one and no trace of the others.
func oneWins(t *testing.T, c *bustest.Cluster) {
	host := check("race.example.com")
	var seen lockedList[bus.Committed]
	sub, err := c.Client(t).SubscribeOutages(func(e bus.Committed) { seen.add(e) })
	must(t, err)
	defer sub.Stop()
	warmUp(t, c, "race", func() bool { return len(seen.all()) > 0 })

	var winners lockedList[bus.Committed]
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			o := opened(host, fmt.Sprintf("proposer-%d", i))
			seq, err := c.Bus(i%3).Propose(within(t), o, 0)
			switch {
			case err == nil:
				winners.add(bus.Committed{Outage: o, Seq: seq})
			case !errors.Is(err, bus.ErrConflict):
				t.Errorf("proposer %d: %v, want ErrConflict", i, err)
			}
		})
	}
	wg.Wait()
	if len(winners.all()) != 1 {
		t.Fatalf("%d proposals won, want one", len(winners.all()))
	}
	won := winners.all()[0]

	// The closing is the last event: when it has been seen, everything before it has.
	end := closed(won.Outage)
	last := propose(t, c.Bus(1), end, won.Seq)
	eventually(t, "the closing event", func() bool { s := seen.all(); return len(s) > 0 && s[len(s)-1].Seq == last })
	s := slices.DeleteFunc(seen.all(), func(e bus.Committed) bool { return e.Check != host })
	if len(s) != 2 || s[0].By != won.By || s[0].Seq != won.Seq || s[0].Stored.IsZero() || s[1].Event != events.Closed {
		t.Errorf("seen: %+v; want the opening by %s and the closing", s, won.By)
	}
	if _, err := c.Bus(2).Propose(within(t), opened(host, "late"), won.Seq); !errors.Is(err, bus.ErrConflict) {
		t.Errorf("a proposal on an outdated view: %v, want ErrConflict", err)
	}
	if seq, err := c.Bus(0).Propose(within(t), end, won.Seq); err != nil || seq != last {
		t.Errorf("the winner, asking again: %d, %v; want %d as before", seq, err, last)
	}
	for i := range 3 {
		got, err := c.Bus(i).LastOutage(within(t), host)
		if err != nil || got.Seq != last {
			t.Errorf("member %d: last event %d, %v; want %d", i, got.Seq, err, last)
		}
	}
}

// warmUp commits events until the subscriber under test sees one: interest travels between members by itself, and
// what is committed before it has arrived is missed.
func warmUp(t *testing.T, c *bustest.Cluster, name string, seen func() bool) {
	t.Helper()
	i := 0
	eventually(t, "an event, after the subscription", func() bool {
		propose(t, c.Bus(0), opened(check(fmt.Sprintf("%s-%d.example.com", name, i)), "n0"), 0)
		i++
		return seen()
	})
}

// Thirty lines of any language: connect, subscribe, read. The event carries its CloudEvents headers.
func plainTCP(t *testing.T, c *bustest.Cluster) {
	if c.Options(2).Key != nil {
		t.Skip("with a key nobody does without TLS and a credential; see TestCredentials")
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.Bus(2).ClientURL(), "nats://"))
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(bustest.Patience)))
	in := bufio.NewReader(conn)
	line := func() string {
		s, err := in.ReadString('\n')
		if err != nil {
			t.Errorf("read: %v", err)
		}
		return strings.TrimRight(s, "\r\n")
	}
	if info := line(); !strings.HasPrefix(info, "INFO ") {
		t.Fatalf("greeted with %q", info)
	}
	_, err = fmt.Fprint(conn, `CONNECT {"verbose":false,"headers":true,"no_responders":true}`+"\r\nSUB dmonitor.outages.opened.ssh.> 1\r\nPING\r\n")
	must(t, err)
	for s := line(); s != "PONG"; s = line() {
		if t.Failed() {
			return
		}
	}
	heard := make(chan struct{})
	var head []string
	var body string
	go func() {
		defer close(heard)
		for s := line(); s != ""; s = line() {
			if s == "PING" {
				fmt.Fprint(conn, "PONG\r\n")
				continue
			}
			head = append(head, s)
		}
		body = line()
	}()
	warmUp(t, c, "tcp", func() bool {
		select {
		case <-heard:
			return true
		default:
			return false
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	_, host, _ := strings.Cut(strings.Fields(head[0])[1], ".ssh.")
	o := opened(check(host), "n0")
	text := strings.Join(head, "\n")
	for _, want := range []string{
		"HMSG dmonitor.outages.opened.ssh.tcp-", "NATS/1.0", "ce-id: " + o.ID, "ce-type: org.dmonitor.outage.opened",
		"ce-source: dmonitor/n0", "ce-specversion: 1.0", "ce-time: 2026-11-22T12:00:00Z", "content-type: application/json", "Nats-Sequence: ",
	} {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(want)) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if !strings.Contains(body, `"outage":"`+o.Outage+`"`) {
		t.Errorf("body: %s", body)
	}
}

func badMessages(t *testing.T, c *bustest.Cluster) {
	b, from := c.Bus(0), c.Bus(1)
	got := make(chan events.Result, 10)
	sub, err := bus.Subscribe(b, events.NodeResults("bad"), func(r events.Result) { got <- r })
	must(t, err)
	r := result("bad", check("a.example.com"), "good")
	raw, err := events.Encode(&r)
	must(t, err)
	send := func() {
		for subject, body := range map[string]string{
			r.Subject():                              `{"v":1}`,
			"dmonitor.results.bad.ssh.b.example.com": string(raw), // speaks for another check
			"dmonitor.results.bad.SSH.x":             "\xff\xfe",
		} {
			must(t, from.Conn().Publish(subject, []byte(body)))
		}
		must(t, from.Publish(&r))
		must(t, from.Flush(within(t)))
	}
	// Until a good one has come through, the subscription may not have reached the other member, or be in the middle of
	// reaching it: what is counted is sent after that.
	eventually(t, "a good result, after bad ones", func() bool {
		send()
		select {
		case r := <-got:
			return r.ID == "good"
		case <-time.After(100 * time.Millisecond):
			return false
		}
	})
	send()
	eventually(t, "the bad ones to be counted", func() bool { return sub.Bad() >= 3 })
	sub.Stop()
	for len(got) > 0 {
		if r := <-got; r.ID != "good" {
			t.Errorf("handed on: %+v", r)
		}
	}
}

func lastResults(t *testing.T, c *bustest.Cluster) {
	ctx := within(t)
	want := map[string]string{}
	for i := range 3 {
		for _, host := range []string{"a.example.com", "b.example.com"} {
			for k := range 5 {
				r := result(c.Name(i), check(host), fmt.Sprintf("%s-%s-%d", c.Name(i), host, k))
				must(t, c.Bus(i).Publish(&r))
				want[r.Node+host] = r.ID
			}
		}
	}
	eventually(t, "the last result of three nodes and two checks", func() bool {
		all, err := c.Client(t).LastResults(ctx)
		n := 0
		for _, r := range all {
			if r.Node != "bad" && want[r.Node+r.Host] == r.ID && !r.Time.IsZero() {
				n++
			}
		}
		return err == nil && n == len(want)
	})
}

// A stream with fewer copies than there are nodes is used, and gets the others in the background.
func rescale(t *testing.T, c *bustest.Cluster) {
	ctx := within(t)
	js := c.Bus(0).JetStream()
	copies := func() int {
		s, err := js.Stream(ctx, events.StreamDeliveries)
		if err != nil {
			return 0
		}
		return s.CachedInfo().Config.Replicas
	}
	if got := copies(); got != 3 {
		t.Fatalf("%d copies, want 3", got)
	}
	s, err := js.Stream(ctx, events.StreamDeliveries)
	must(t, err)
	conf := s.CachedInfo().Config
	conf.Replicas, conf.MaxAge = 1, time.Hour
	eventually(t, "taking copies away", func() bool { _, err := js.UpdateStream(ctx, conf); return err == nil })
	must(t, c.Client(t).Ready(ctx)) // a client changes nothing
	if got := copies(); got != 1 {
		t.Fatalf("%d copies, want 1", got)
	}
	must(t, c.Bus(1).Ready(ctx))
	eventually(t, "three copies again", func() bool { return copies() == 3 })
	s, err = js.Stream(ctx, events.StreamDeliveries)
	must(t, err)
	if got := s.CachedInfo().Config.MaxAge; got != 90*24*time.Hour {
		t.Errorf("age %v, want 90 days", got)
	}
}

// A member whose name is in use is refused before it does any harm, and told where the other one is.
func nameTaken(t *testing.T, c *bustest.Cluster) {
	at := c.Bus(1).ClusterAddr()
	_, err := bus.Open(within(t), bus.Options{
		Node: c.Name(1), Nodes: []string{c.Bus(0).ClusterAddr(), at, "127.0.0.1:1"},
		Listen: "127.0.0.1:0", ClientListen: "127.0.0.1:0", Data: t.TempDir(), Key: c.Options(1).Key, Log: zerolog.Nop(),
	})
	want := fmt.Sprintf(`join the bus as "n1": the member at %s has this name already; every node needs its own (DMONITOR_NODE)`, at)
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Members tell each other of members. The test's links hold nevertheless, also when a member comes that knows both ends.
func noWayAround(t *testing.T, c *bustest.Cluster) {
	c.CutPair(0, 1)
	defer c.HealPair(0, 1)
	only2 := func() bool {
		return slices.Equal(c.Bus(0).Members(), []string{"n2"}) && slices.Equal(c.Bus(1).Members(), []string{"n2"})
	}
	eventually(t, "the cut to be noticed", only2)
	c.Stop(2)
	c.Start(2)
	eventually(t, "the third member", only2)
	c.HealPair(0, 1)
	eventually(t, "the members to find each other again", func() bool { return len(c.Bus(0).Members()) == 2 && len(c.Bus(1).Members()) == 2 })
}

// leaderOf names the member that leads a stream.
func leaderOf(t *testing.T, c *bustest.Cluster, stream string) int {
	t.Helper()
	leader := -1
	eventually(t, "a leader of "+stream, func() bool {
		for i := range c.Len() {
			if c.Bus(i) == nil {
				continue
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Second)
			s, err := c.Bus(i).JetStream().Stream(ctx, stream)
			stop()
			if err != nil || s.CachedInfo().Cluster == nil {
				continue
			}
			for j := range c.Len() {
				if s.CachedInfo().Cluster.Leader == c.Name(j) && c.Bus(j) != nil {
					leader = j
					return true
				}
			}
		}
		return false
	})
	return leader
}

// Events are written all the time while the member that leads the log is stopped and started: what was acknowledged is
// there, in its order, and writing goes on.
func leaderStops(t *testing.T, c *bustest.Cluster) {
	leader := leaderOf(t, c, events.StreamOutages)
	other := c.Bus((leader + 1) % 3)
	acked := map[uint64]string{}
	write := func(i int) {
		o := opened(check(fmt.Sprintf("survives-%d.example.com", i)), "n0")
		acked[propose(t, other, o, 0)] = o.ID
	}
	for i := range 20 {
		write(i)
	}
	c.Stop(leader)
	for i := 20; i < 40; i++ {
		write(i)
	}
	c.Start(leader)
	for i := 40; i < 60; i++ {
		write(i)
	}
	if len(acked) != 60 {
		t.Fatalf("%d sequences for 60 events", len(acked))
	}
	for i := range 3 {
		eventually(t, fmt.Sprintf("all events on member %d", i), func() bool {
			n := 0
			err := c.Bus(i).Outages(within(t), time.Time{}, func(e bus.Committed) error {
				if id, ok := acked[e.Seq]; ok && id == e.ID {
					n++
				}
				return nil
			})
			return err == nil && n == len(acked)
		})
	}
}

// The leader of the log is cut off. The two others elect another and go on; the one that is cut off writes nothing,
// still reads what it has, and after the link is mended is told that it missed something, and has it.
func minority(t *testing.T, c *bustest.Cluster) {
	lone := leaderOf(t, c, events.StreamOutages)
	cut, rest := c.Bus(lone), c.Bus((lone+1)%3)
	before := opened(check("before.example.com"), "n0")
	first := propose(t, rest, before, 0)
	eventually(t, "the event on the member that will be cut off", func() bool {
		all, err := cut.LastOutages(within(t))
		return err == nil && all[before.Check].Seq == first
	})
	again := make(chan struct{}, 100)
	c.Cut(lone)
	defer c.Heal(lone)

	during := opened(check("during.example.com"), "majority")
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	if seq, err := cut.Propose(ctx, opened(during.Check, "minority"), 0); err == nil || errors.Is(err, bus.ErrConflict) {
		t.Errorf("the minority proposed: sequence %d, %v", seq, err)
	}
	stop()
	seq := propose(t, rest, during, 0)

	all, err := cut.LastOutages(within(t))
	if err != nil || all[before.Check].Seq != first {
		t.Errorf("the minority reads %+v, %v; want its own copy", all[before.Check], err)
	}
	if _, ok := all[during.Check]; ok {
		t.Error("the minority knows what happened elsewhere: it was not cut off")
	}
	eventually(t, "the members to notice", func() bool { return len(cut.Members()) == 0 && len(rest.Members()) == 1 })
	cut.OnReconnect(func() { again <- struct{}{} })
	c.Heal(lone)
	receive(t, "OnReconnect after the link was mended", again)
	eventually(t, "everybody to be back", func() bool { return len(cut.Members()) == 2 })
	eventually(t, "the missed event", func() bool {
		got, err := cut.LastOutage(within(t), during.Check)
		return err == nil && got.Seq == seq && got.By == "majority"
	})
	// The old leader may still answer by what it believed while it was alone. Who asks again gets there.
	eventually(t, "writing from the member that was cut off", func() bool {
		_, err := cut.Propose(within(t), closed(during), seq)
		if err != nil {
			t.Logf("not yet: %v", err)
		}
		got, err := rest.LastOutage(within(t), during.Check)
		return err == nil && got.Event == events.Closed
	})
	must(t, c.Bus(lone).Ready(within(t)))
}

// One member is away and another one restarts: what lives in memory can't elect a leader any more. The bus is ready all
// the same, and results are captured again after a while.
func memoryLost(t *testing.T, c *bustest.Cluster) {
	c.Stop(0)
	c.Stop(2)
	// The one that is left must have stopped leading: as long as it leads it takes the restarted one in.
	eventually(t, "nobody to lead", func() bool {
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		s, err := c.Bus(1).JetStream().Stream(ctx, events.StreamResults)
		return err == nil && s.CachedInfo().Cluster.Leader == ""
	})
	c.Start(2)
	r := result("n1", check("memory.example.com"), "after")
	eventually(t, "captured results", func() bool {
		must(t, c.Bus(1).Publish(&r))
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		all, err := c.Bus(2).LastResults(ctx)
		return err == nil && slices.ContainsFunc(all, func(a bus.Arrived) bool { return a.ID == "after" })
	})
	c.Start(0)
}
