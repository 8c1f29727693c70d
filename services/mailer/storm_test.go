package mailer

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// named counts, for each recipient, how often the mails name each check as being in one of these states.
func named(t *testing.T, mails []received, states ...string) map[string]map[string]int {
	t.Helper()
	out := map[string]map[string]int{}
	for _, got := range mails {
		p := parse(t, got.data)
		checks := p.header["X-Dmonitor-Check"]
		to := got.to[0]
		if out[to] == nil {
			out[to] = map[string]int{}
		}
		for _, check := range checks {
			state, _, _ := strings.Cut(p.get(t, "Subject"), " ")
			if len(checks) > 1 {
				_, after, ok := strings.Cut(p.text, "\n  "+check+"  ")
				if !ok {
					t.Errorf("%s is in a header, but has no line", check)
				}
				state, _, _ = strings.Cut(after, "  ")
			}
			if slices.Contains(states, state) {
				out[to][check]++
			}
		}
	}
	return out
}

// TestStorm: 500 outages at once, with two mailers on a cluster: the first is told at once, the others in a few mails; each
// is named exactly once to each recipient; and so are their ends.
func TestStorm(t *testing.T) {
	t.Parallel()
	const outages, fewest = 500, 20
	c, in := bustest.New(t, 3), (&inbox{}).serve(t)
	err := c.Bus(0).PutContribution(t.Context(), events.Contribution{Node: "osaka-1", Time: time.Now(), Recipients: []events.Recipient{
		{Address: "ops@example.com"}, {Address: "web@example.com", Hosts: []string{"h1*"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		start(t, c.Bus(i), fmt.Sprintf("mailer-%d", i), transportTo(t, "smtp://localhost", in.addr), io.Discard)
	}
	check := func(i int) events.Check { return events.Check{Host: fmt.Sprintf("h%03d.example.com", i), Test: "ssh"} }
	seqs := make([]uint64, outages)
	opened := time.Now()
	all := func(from int, e events.Event, at time.Time) {
		var group sync.WaitGroup
		next := make(chan int)
		for range 16 {
			group.Go(func() {
				for i := range next {
					seqs[i] = commit(t, c.Bus(2), outageOf(check(i), "r1", e, opened, at), seqs[i])
				}
			})
		}
		for i := from; i < outages; i++ {
			next <- i
		}
		close(next)
		group.Wait()
	}
	seqs[0] = commit(t, c.Bus(2), outageOf(check(0), "r1", events.Opened, opened, opened), 0)
	if got := parse(t, in.wait(t, 1)[0].data).get(t, "Subject"); got != "DOWN ssh on h000.example.com (2 of 3 nodes)" {
		t.Errorf("the first mail is %q", got)
	}
	all(1, events.Opened, opened)
	settled := func(n int) func() bool {
		return func() bool { return pending(t, c.Bus(2)) == 0 && len(deliveries(t, c.Bus(2))) == n }
	}
	eventually(t, "the queue is empty and all is on record", settled(outages+100))
	down := in.all()
	all(0, events.Closed, time.Now())
	eventually(t, "the queue is empty and all is on record", settled(2*(outages+100)))
	up := in.all()[len(down):]
	t.Logf("%d mails said that %d checks are down, %d that they are up", len(down), outages, len(up))

	for what, mails := range map[string][]received{"DOWN": down, "UP": up} {
		if len(mails) >= fewest {
			t.Errorf("%d mails say %s", len(mails), what)
		}
		got := named(t, mails, what)
		for to, want := range map[string]int{"ops@example.com": outages, "web@example.com": 100} {
			if n := len(got[to]); n != want || slices.Max(slices.Collect(maps.Values(got[to]))) != 1 {
				t.Errorf("%s was told %s of %d checks, want %d, each once", to, what, n, want)
			}
		}
	}
}

// group are parcels of openings for one recipient.
func group(n int, to string) (all []parcel, tasks []*fakeTask) {
	now := time.Now()
	for i := range n {
		o := outageOf(events.Check{Host: fmt.Sprintf("h%03d.example.com", i), Test: "ssh"}, "r1", events.Opened, now, now)
		task := &fakeTask{}
		tasks = append(tasks, task)
		all = append(all, parcel{Notice: noticeFor(o, to), attempt: 1, queued: now, taken: now, task: task})
	}
	return all, tasks
}

// TestGroupIsSettled: what the server says of a mail holds for every notice in it, and each is settled by itself; but what
// it says of the mail's content does not condemn all of them.
func TestGroupIsSettled(t *testing.T) {
	t.Parallel()
	in := (&inbox{
		onRcpt: func(to string) error {
			switch to {
			case "gone@example.com":
				return says(550, "no such user")
			case "later@example.com":
				return says(450, "greylisted")
			}
			return nil
		},
		onContent: func(to string, data []byte) error {
			if to == "picky@example.com" && strings.Contains(string(data), "h002.example.com") {
				return says(554, "I don't like h002")
			}
			return nil
		},
	}).serve(t)
	for _, c := range []struct {
		to   string
		did  string
		sent int
		fail int
	}{
		{"ops@example.com", "done", 7, 0},
		{"gone@example.com", "done", 0, 7},
		{"later@example.com", "retry 5s", 0, 0},
		{"picky@example.com", "done", 6, 1},
	} {
		t.Run(c.to, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, in.addr)
			all, tasks := group(7, c.to)
			b.sendAll(t.Context(), all)
			for _, task := range tasks {
				task.want(t, c.did)
			}
			count := map[events.Outcome]int{}
			for _, d := range b.bus.deliveries {
				count[d.Outcome]++
			}
			if count[events.Sent] != c.sent || count[events.Failed] != c.fail {
				t.Errorf("recorded %v", count)
			}
		})
	}
}

// TestGroupOfUnknownFate: a mail of which it isn't known whether the server has it is tried again as it is.
func TestGroupOfUnknownFate(t *testing.T) {
	t.Parallel()
	in := (&inbox{dropAfter: 1}).serve(t)
	b := newBench(t, in.addr)
	b.timing.first = time.Millisecond
	all, tasks := group(3, "ops@example.com")
	b.sendAll(t.Context(), all)
	for _, task := range tasks {
		task.want(t, "done")
	}
	got := in.all()
	if len(got) != 2 || parse(t, got[0].data).get(t, "Message-ID") != parse(t, got[1].data).get(t, "Message-ID") {
		t.Errorf("%d mails", len(got))
	}
}

// TestGroupWaitedTooLong: what found no free hand for long goes back, before the bus gives it to another.
func TestGroupWaitedTooLong(t *testing.T) {
	t.Parallel()
	b := newBench(t, "127.0.0.1:1")
	all, tasks := group(2, "ops@example.com")
	for i := range all {
		all[i].taken = time.Now().Add(-2 * maxInHand)
	}
	b.sendAll(t.Context(), all)
	for _, task := range tasks {
		task.want(t, "retry 0s")
	}
}

// TestOvertakenInGroup: an opening whose end is known by now is told as what was.
func TestOvertakenInGroup(t *testing.T) {
	t.Parallel()
	in := (&inbox{}).serve(t)
	b := newBench(t, in.addr)
	all, _ := group(2, "ops@example.com")
	end := outageOf(all[1].Outage.Check, "r1", events.Closed, all[1].Outage.Time, all[1].Outage.Time.Add(12*time.Second))
	b.bus.last.Outage, b.bus.failLast = end, nil
	b.sendAll(t.Context(), all)
	p := parse(t, in.wait(t, 1)[0].data)
	if !strings.Contains(p.text, "h001.example.com/ssh  WAS DOWN  was down for 12 s") || !strings.Contains(p.text, "h000.example.com/ssh  DOWN") {
		t.Errorf("said:\n%s", p.text)
	}
	if got := p.header["X-Dmonitor-Check"]; len(got) != 2 || p.get(t, "References") == "" || p.get(t, "X-Dmonitor-Event") != "" {
		t.Errorf("headers %v", p.header)
	}
}
