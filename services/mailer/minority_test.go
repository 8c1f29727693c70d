package mailer

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// undecided is a decision that could not be committed for 40 s.
func undecided(o events.Outage) *events.Uncommitted {
	return &events.Uncommitted{By: "osaka-1", Since: o.Time, Outage: &o}
}

func longAgo(e events.Event, round string) events.Outage {
	at := time.Now().Add(-40 * time.Second)
	return outageOf(ssh, round, e, at, at)
}

// sayAll says every 50 ms what can't be committed, and which nodes are there, until the returned function is called.
func sayAll(t *testing.T, b *bus.Bus, u *events.Uncommitted, nodes ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			for _, n := range nodes {
				_ = b.Publish(&events.Presence{Node: n, Site: n, Version: "1", Instance: n})
			}
			_ = b.Publish(u)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

// TestWithoutMajority: two mailers that reach each other while nothing can be committed tell once; and when the majority is
// back and another arbiter's event of the same outage is committed, nobody is told again, whoever fans it out. The end is
// told as ever.
func TestWithoutMajority(t *testing.T) {
	t.Parallel()
	c, in := bustest.New(t, 3), (&inbox{}).serve(t)
	tell(t, c.Bus(0), "ops@example.com", "web@example.com")
	client, data := c.Client(t), t.TempDir()
	ready := &logBuffer{}
	start(t, c.Bus(0), "n0", transportTo(t, "smtp://localhost", in.addr), ready)
	start(t, client, "n1", transportTo(t, "smtp://localhost", in.addr), ready, func(o *Options) { o.Data = data })
	eventually(t, "both mailers know who is told", func() bool { return ready.count("recipients known") == 2 })
	c.Stop(1)
	c.Stop(2)

	stop := sayAll(t, c.Bus(0), undecided(longAgo(events.Opened, "r1")), "n0", "n1")
	defer stop()
	for _, m := range in.wait(t, 2) {
		p := parse(t, m.data)
		if got := p.get(t, "Subject"); got != "DOWN ssh on www.example.com (2 of 3 nodes, sent without a majority)" {
			t.Errorf("subject %q", got)
		}
	}
	eventually(t, "the other mailer has it on disk", func() bool {
		kept, err := os.ReadFile(filepath.Join(data, journalName))
		return err == nil && strings.Contains(string(kept), "ops@example.com") && strings.Contains(string(kept), "web@example.com")
	})
	stop()
	c.Start(1)
	c.Start(2)

	rival := longAgo(events.Opened, "r2")
	seq := commitSoon(t, c.Bus(0), rival, 0)
	defer func() {
		if t.Failed() {
			t.Logf("recorded %+v", deliveries(t, c.Bus(0)))
		}
	}()
	eventually(t, "two deliveries say that they were told", func() bool {
		all := deliveries(t, c.Bus(0))
		return len(all) == 2 && !slices.ContainsFunc(all, func(d events.Delivery) bool {
			return d.Outcome != events.Sent || !strings.Contains(d.Answer, "told without a majority by n")
		})
	})
	last, err := c.Bus(0).LastOutage(t.Context(), ssh)
	if err != nil {
		t.Fatal(err)
	}
	// A mailer that was on the other side knows nothing, and asks.
	stranger := newMailer(c.Bus(1), Options{Node: "n7", Log: zerolog.Nop()}, transportTo(t, "smtp://localhost", in.addr), quick())
	listening, end := context.WithCancel(t.Context())
	defer end()
	go func() { _ = stranger.minority.run(listening) }()
	eventually(t, "the stranger leaves out whom others have told", func() bool {
		left, err := stranger.minority.leaveOutTold(t.Context(), matter{outage: &last.Outage, seq: last.Seq}, []string{"ops@example.com", "web@example.com", "new@example.com"})
		stranger.minority.with(func(b *toldBook, _ time.Time) { stranger.minority.asked = time.Time{} })
		return err == nil && slices.Equal(left, []string{"new@example.com"})
	})
	end()
	// One that starts only now asks by itself: an arbiter that starts with it may decide the same anew.
	newcomer := newMailer(c.Bus(2), Options{Node: "n8", Log: zerolog.Nop()}, transportTo(t, "smtp://localhost", in.addr), quick())
	starting, end := context.WithCancel(t.Context())
	defer end()
	go func() { _ = newcomer.minority.run(starting) }()
	anew := outageOf(ssh, "r3", events.Opened, time.Now(), time.Now())
	eventually(t, "the newcomer leaves out whom others have told, of an event that was decided just now", func() bool {
		left, err := newcomer.minority.leaveOutTold(t.Context(), matter{outage: &anew, seq: last.Seq}, []string{"ops@example.com", "new@example.com"})
		return err == nil && slices.Equal(left, []string{"new@example.com"})
	})
	end()

	commitSoon(t, c.Bus(0), outageOf(ssh, "r2", events.Closed, rival.Time, time.Now()), seq)
	all := in.wait(t, 4)
	if got := parse(t, all[2].data).get(t, "Subject"); len(all) != 4 || !strings.HasPrefix(got, "UP ssh") {
		t.Errorf("%d mails, the third is %q", len(all), got)
	}
}

// commitSoon is commit through the elections after a restart.
func commitSoon(t *testing.T, b *bus.Bus, o events.Outage, last uint64) (seq uint64) {
	t.Helper()
	eventually(t, "the event is committed", func() bool {
		got, err := b.Propose(t.Context(), o, last)
		seq = got
		return err == nil
	})
	return seq
}

// TestToldInPart: who could not be told without a majority is told when the event is committed, the others are not; and a
// mailer that begins anew still knows.
func TestToldInPart(t *testing.T) {
	t.Parallel()
	in := (&inbox{onRcpt: func(to string) error {
		if to == "later@example.com" {
			return says(450, "greylisted")
		}
		return nil
	}}).serve(t)
	data := t.TempDir()
	b := newBench(t, in.addr, func(o *Options) { o.Data = data })
	catalog := catalogOf(events.Recipient{Address: "ops@example.com"}, events.Recipient{Address: "later@example.com"})
	b.minority.catalog.Store(&catalog)
	o := longAgo(events.Opened, "r1")
	b.minority.with(func(book *toldBook, now time.Time) { book.Uncommitted(*undecided(o), now) })
	eventually(t, "it is told", func() bool {
		if orders := b.minority.next(t.Context(), time.Now()); len(orders) > 0 {
			b.minority.tell(t.Context(), orders)
			return true
		}
		return false
	})
	if got := in.wait(t, 1); len(got) != 1 || got[0].to[0] != "ops@example.com" {
		t.Fatalf("%d mails", len(got))
	}
	var said []events.Told
	for _, m := range b.bus.published {
		if told, ok := m.(*events.Told); ok {
			said = append(said, *told)
		}
	}
	if len(said) != 2 || !said[0].Claim || said[1].Claim || !slices.Equal(said[1].Recipients, []string{"ops@example.com"}) {
		t.Errorf("said %+v", said)
	}
	if info, err := os.Stat(filepath.Join(data, journalName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the journal: %v, %v", info, err)
	}
	after := newBench(t, in.addr, func(o *Options) { o.Data = data })
	after.bus.catalog = catalog
	if err := after.fanOut(t.Context(), bus.Committed{Outage: o, Seq: 1}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(after.bus.put, []string{"later@example.com"}) {
		t.Errorf("queued for %q", after.bus.put)
	}
	if d := after.bus.deliveries; len(d) != 1 || d[0].Recipient != "ops@example.com" || d[0].Outcome != events.Sent {
		t.Errorf("recorded %+v", d)
	}
	// After a committed end the next outage is told to everybody.
	next := outageOf(ssh, "r9", events.Opened, time.Now(), time.Now())
	after.bus.put = nil
	after.bus.history = []bus.Committed{
		{Outage: o, Seq: 1}, {Outage: outageOf(ssh, "r1", events.Closed, o.Time, time.Now().Add(-5*time.Second)), Seq: 2}, {Outage: next, Seq: 3},
	}
	if err := after.fanOut(t.Context(), bus.Committed{Outage: next, Seq: 3}); err != nil {
		t.Fatal(err)
	}
	if len(after.bus.put) != 2 {
		t.Errorf("queued for %q, want both", after.bus.put)
	}
	after.bus.failHistory = errDown
	if err := after.fanOut(t.Context(), bus.Committed{Outage: next, Seq: 3}); err == nil {
		t.Error("fanned out without knowing whether people have been told")
	}
}

// TestBeingTold: a fan-out waits for who is telling in this moment.
func TestBeingTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, "127.0.0.1:1")
	b.bus.catalog = catalogOf(events.Recipient{Address: "ops@example.com"})
	o := longAgo(events.Opened, "r1")
	u := undecided(o)
	b.minority.with(func(book *toldBook, now time.Time) {
		book.Uncommitted(*u, now)
		book.Told(events.Told{By: "n5", About: u.About(), Event: o.ID, Claim: true, Time: now}, now)
	})
	if err := b.fanOut(t.Context(), bus.Committed{Outage: o, Seq: 1}); err == nil || len(b.bus.put) > 0 {
		t.Errorf("got %v, queued for %q", err, b.bus.put)
	}
}

// TestAskOnlyOfOldEvents: an ordinary event costs no question and no time; many old ones cost one question.
func TestAskOnlyOfOldEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t, "127.0.0.1:1")
	b.timing.ask = time.Millisecond
	b.bus.catalog = catalogOf(events.Recipient{Address: "ops@example.com"})
	now := time.Now()
	for _, c := range []struct {
		at   time.Time
		asks int
	}{{now, 0}, {now.Add(-10 * time.Second), 0}, {now.Add(-30 * time.Second), 1}, {now.Add(-30 * time.Second), 1}} {
		if err := b.fanOut(t.Context(), bus.Committed{Outage: outageOf(ssh, "r1", events.Opened, c.at, c.at), Seq: 1}); err != nil {
			t.Fatal(err)
		}
		if n := len(b.bus.published); n != c.asks {
			t.Errorf("asked %d times, want %d", n, c.asks)
		}
	}
}

// TestAnswer: who asks is told all of what he asks for, and what else is new; in this mailer's own name.
func TestAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, "127.0.0.1:1")
	now := time.Now()
	record := func(host string, at time.Time) events.Told {
		about := events.OutageSubject(events.Opened, events.Check{Host: host, Test: "ssh"})
		return events.Told{By: "n5", About: about, Event: host, Decided: at, Time: at, Recipients: []string{"ops@example.com"}}
	}
	for _, r := range []events.Told{record("new", now), record("old", now.Add(-48*time.Hour)), record("asked", now.Add(-48*time.Hour))} {
		b.minority.heardTold(r)
	}
	b.minority.answer(events.ToldAsk{By: "n6", About: record("asked", now).About})
	var got []string
	for _, m := range b.bus.published {
		told := m.(*events.Told)
		got = append(got, told.By+" "+told.Event)
	}
	if want := []string{"mailer-1 new", "mailer-1 asked"}; !slices.Equal(got, want) {
		t.Errorf("answered %q, want %q", got, want)
	}
}

// TestJournal: what was written is read again, also after a line that was left half written; a journal that can't be
// written is said, and nobody goes untold for it.
func TestJournal(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	o := longAgo(events.Opened, "r1")
	u := undecided(o)
	entry := func(to string) events.Told {
		return events.Told{By: "n1", About: u.About(), Event: o.ID, Decided: o.Time, Time: time.Now(), Recipients: []string{to}}
	}
	j, all, err := openJournal(folder)
	if err != nil || len(all) != 0 {
		t.Fatalf("%v, %v", all, err)
	}
	add := func(e events.Told) {
		t.Helper()
		if err := j.add(true, e); err != nil {
			t.Fatal(err)
		}
	}
	add(entry("a@example.com"))
	f, err := os.OpenFile(j.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, `{"v":1,"by":"n1","ab`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	add(entry("b@example.com"))
	j, all, err = openJournal(folder)
	if err != nil || len(all) != 2 || all[1].Recipients[0] != "b@example.com" {
		t.Fatalf("%v, %v", all, err)
	}
	if err := j.rewrite(all[1:]); err != nil {
		t.Fatal(err)
	}
	if _, all, err = openJournal(folder); err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	b := newBench(t, "127.0.0.1:1", func(o *Options) { o.Data = filepath.Join(folder, journalName) })
	if b.log.count("no longer") != 1 {
		t.Errorf("log:\n%s", b.log)
	}
}

// TestStormWithoutMajority: many outages that can't be committed are told in one mail, each once, with a trouble in a mail
// of its own; whom the mail server refuses for good is not tried again.
func TestStormWithoutMajority(t *testing.T) {
	t.Parallel()
	in := (&inbox{onRcpt: func(to string) error {
		if to == "gone@example.com" {
			return says(550, "no such user")
		}
		return nil
	}}).serve(t)
	b := newBench(t, in.addr, func(o *Options) { o.Data = t.TempDir() })
	catalog := catalogOf(events.Recipient{Address: "ops@example.com", Operator: true}, events.Recipient{Address: "gone@example.com"})
	b.minority.catalog.Store(&catalog)
	now := time.Now()
	at := now.Add(-40 * time.Second)
	const outages = 30
	b.minority.with(func(book *toldBook, now time.Time) {
		for i := range outages {
			o := outageOf(events.Check{Host: fmt.Sprintf("h%03d.example.com", i), Test: "ssh"}, "r1", events.Opened, at, at)
			book.Uncommitted(*undecided(o), now)
		}
		gone := nodeGone(events.Began, 1, at, at)
		book.Uncommitted(events.Uncommitted{By: "osaka-1", Since: at, Trouble: &gone}, now)
	})
	for i, want := range []int{0, outages + 1, 0} { // claims, mails, and nothing
		orders := b.minority.next(t.Context(), now.Add(time.Duration(3+6*i)*time.Second))
		if len(orders) != want {
			t.Errorf("step %d: %d orders, want %d", i, len(orders), want)
		}
		b.minority.tell(t.Context(), orders)
	}
	got := in.all()
	if n := named(t, got, "DOWN")["ops@example.com"]; len(got) != 2 || len(n) != outages || slices.Max(slices.Collect(maps.Values(n))) != 1 {
		t.Errorf("%d mails name %d checks", len(got), len(n))
	}
	if !slices.ContainsFunc(got, func(r received) bool {
		return parse(t, r.data).get(t, "Subject") == "NODE fra is gone (dmonitor, sent without a majority)"
	}) {
		t.Error("the trouble has no mail")
	}
	if _, all, err := openJournal(filepath.Dir(b.minority.journal.path)); err != nil || len(all) != outages+1 {
		t.Errorf("%d entries on disk, %v", len(all), err)
	}
}

// TestSecondTimeWithoutMajority: what stands in the log is read before people are told of something like what they were told
// of before; if it can't be read, they are told; and what a member that lags behind says doesn't count.
func TestSecondTimeWithoutMajority(t *testing.T) {
	t.Parallel()
	first := longAgo(events.Opened, "r1")
	closed := outageOf(ssh, "r1", events.Closed, first.Time, time.Now())
	second := longAgo(events.Opened, "r2")
	for name, c := range map[string]struct {
		history []bus.Committed
		fail    error
		tells   bool
	}{
		"open still": {[]bus.Committed{{Outage: first, Seq: 1}}, nil, false},
		"over":       {[]bus.Committed{{Outage: first, Seq: 1}, {Outage: closed, Seq: 2}}, nil, true},
		"unreadable": {[]bus.Committed{{Outage: first, Seq: 1}}, errDown, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "127.0.0.1:1")
			catalog := catalogOf(events.Recipient{Address: "ops@example.com"})
			b.minority.catalog.Store(&catalog)
			b.bus.history, b.bus.failHistory = c.history, c.fail
			now := time.Now()
			b.minority.heardTold(events.Told{
				By: "n5", About: undecided(first).About(), Event: first.ID, Decided: first.Time, Time: now, Recipients: []string{"ops@example.com"},
			})
			b.minority.with(func(book *toldBook, now time.Time) { book.Uncommitted(*undecided(second), now) })
			b.minority.next(t.Context(), now.Add(3*time.Second)) // claims
			if got := b.minority.next(t.Context(), now.Add(5*time.Second)); (len(got) > 0) != c.tells {
				t.Errorf("%d orders", len(got))
			}
		})
	}
	b := newBench(t, "127.0.0.1:1")
	b.minority.heardTold(events.Told{
		By: "n5", About: undecided(first).About(), Event: first.ID, Decided: first.Time, Time: time.Now(), Recipients: []string{"ops@example.com"},
	})
	b.bus.history = []bus.Committed{{Outage: first, Seq: 1}}
	left, err := b.minority.leaveOutTold(t.Context(), matter{outage: &second, seq: 3}, []string{"ops@example.com"})
	if err != nil || len(left) != 1 {
		t.Errorf("left %q, %v", left, err)
	}
}
