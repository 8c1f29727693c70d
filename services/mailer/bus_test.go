package mailer

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// quick are the mailer's durations in these tests: retries come at once.
func quick() timing {
	t := defaultTiming
	t.first, t.longest = 10*time.Millisecond, 50*time.Millisecond
	return t
}

// start runs a mailer on a bus until the returned function is called, or the test ends.
func start(t *testing.T, b *bus.Bus, name string, post *transport, log io.Writer, change ...func(*Options)) (stop func()) {
	t.Helper()
	own := &logBuffer{}
	o := Options{Node: name, From: "dmonitor@example.com", Log: zerolog.New(io.MultiWriter(log, own)).Level(zerolog.DebugLevel).With().Timestamp().Logger()}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of %s:\n%s", name, own)
		}
	})
	for _, f := range change {
		f(&o)
	}
	m := newMailer(b, o, post, quick())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	var once atomic.Bool
	stop = func() {
		if once.Swap(true) {
			return
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("mailer %s: %v", name, err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// tell puts recipients into the configuration.
func tell(t *testing.T, b *bus.Bus, addresses ...string) {
	t.Helper()
	c := events.Contribution{Node: "osaka-1", Time: time.Now()}
	for _, a := range addresses {
		c.Recipients = append(c.Recipients, events.Recipient{Address: a, Edited: time.Now()})
	}
	if err := b.PutContribution(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// commit puts an event into the log of outages.
func commit(t *testing.T, b *bus.Bus, o events.Outage, last uint64) uint64 {
	t.Helper()
	seq, err := b.Propose(t.Context(), o, last)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// eventually polls until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
	}
}

func pending(t *testing.T, b *bus.Bus) uint64 {
	t.Helper()
	n, err := b.PendingNotices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func deliveries(t *testing.T, b *bus.Bus) (all []events.Delivery) {
	t.Helper()
	err := b.Deliveries(t.Context(), time.Time{}, func(d events.Delivery) error { all = append(all, d); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestEventBecomesMail: a committed event is a mail with proof; its end is a mail in the same thread.
func TestEventBecomesMail(t *testing.T) {
	t.Parallel()
	b, in := bustest.New(t, 1).Bus(0), (&inbox{}).serve(t)
	tell(t, b, "ops@example.com")
	start(t, b, "mailer-1", transportTo(t, "smtp://localhost", in.addr), io.Discard)
	opened := time.Now()
	seq := commit(t, b, outageOf(ssh, "r1", events.Opened, opened, opened), 0)
	first := parse(t, in.wait(t, 1)[0].data)
	commit(t, b, outageOf(ssh, "r1", events.Closed, opened, opened.Add(250*time.Second)), seq)
	second := parse(t, in.wait(t, 2)[1].data)

	if got := first.get(t, "Subject"); got != "DOWN ssh on www.example.com (2 of 3 nodes)" {
		t.Errorf("subject %q", got)
	}
	for _, part := range []string{first.text, first.html} {
		for _, want := range []string{"osaka-1", "Connection refused – 接続", "tokyo-1", "timeout", "restart sshd", "2 of 3 nodes", "dmonitor outages"} {
			if !strings.Contains(part, want) {
				t.Errorf("no %q in:\n%s", want, part)
			}
		}
	}
	if got := second.get(t, "Subject"); got != "UP ssh on www.example.com (down 4 min 10 s)" {
		t.Errorf("subject %q", got)
	}
	id := first.get(t, "Message-ID")
	if id == "" || second.get(t, "In-Reply-To") != id || second.get(t, "References") != id {
		t.Errorf("opening is %s; closing replies to %s, refers to %s", id, second.get(t, "In-Reply-To"), second.get(t, "References"))
	}
	eventually(t, "two deliveries are on record and the queue is empty", func() bool {
		all := deliveries(t, b)
		return len(all) == 2 && all[0].Outcome == events.Sent && all[1].Outcome == events.Sent && pending(t, b) == 0
	})
}

// TestStoppedBeforeSending: what one mailer queued and couldn't send, another sends; also after the bus was restarted
// on its data.
func TestStoppedBeforeSending(t *testing.T) {
	t.Parallel()
	c, in := bustest.New(t, 1), (&inbox{}).serve(t)
	tell(t, c.Bus(0), "ops@example.com")
	log := &logBuffer{}
	stop := start(t, c.Bus(0), "mailer-1", transportTo(t, "smtp://localhost", "127.0.0.1:1"), log)
	now := time.Now()
	commit(t, c.Bus(0), outageOf(ssh, "r1", events.Opened, now, now), 0)
	eventually(t, "the first mailer has tried", func() bool { return log.count("not told yet") > 0 })
	stop()
	c.Stop(0)
	c.Start(0)
	if n := pending(t, c.Bus(0)); n != 1 {
		t.Fatalf("%d notices in the queue, want 1", n)
	}
	start(t, c.Bus(0), "mailer-2", transportTo(t, "smtp://localhost", in.addr), io.Discard)
	in.wait(t, 1)
	eventually(t, "the second mailer has recorded it", func() bool {
		all := deliveries(t, c.Bus(0))
		return len(all) == 1 && all[0].By == "mailer-2" && all[0].Attempts > 1 && pending(t, c.Bus(0)) == 0
	})
	if n := len(in.all()); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

// TestStoppedWhileGathering: what waits for others when the mailer is stopped goes back at once, and is sent by another.
func TestStoppedWhileGathering(t *testing.T) {
	t.Parallel()
	b, in, log := bustest.New(t, 1).Bus(0), (&inbox{}).serve(t), &logBuffer{}
	tell(t, b, "ops@example.com")
	stop := start(t, b, "mailer-1", transportTo(t, "smtp://localhost", in.addr), log)
	now := time.Now()
	for _, test := range []string{"ssh", "http"} {
		commit(t, b, outageOf(events.Check{Host: "www.example.com", Test: test}, "r1", events.Opened, now, now), 0)
	}
	in.wait(t, 1)
	eventually(t, "the second is in the queue", func() bool { return log.count("notices queued") == 2 })
	stop()
	start(t, b, "mailer-2", transportTo(t, "smtp://localhost", in.addr), io.Discard)
	in.wait(t, 2)
	eventually(t, "both are on record", func() bool { return len(deliveries(t, b)) == 2 && pending(t, b) == 0 })
	if n := len(in.all()); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}

// TestEventComesAgain: an event that is delivered again makes no second notice, though the first is sent and gone.
func TestEventComesAgain(t *testing.T) {
	t.Parallel()
	b, in := bustest.New(t, 1).Bus(0), (&inbox{}).serve(t)
	tell(t, b, "ops@example.com")
	start(t, b, "mailer-1", transportTo(t, "smtp://localhost", in.addr), io.Discard)
	now := time.Now()
	commit(t, b, outageOf(ssh, "r1", events.Opened, now, now), 0)
	in.wait(t, 1)
	eventually(t, "the queue is empty", func() bool { return pending(t, b) == 0 })
	last, err := b.LastOutage(t.Context(), ssh)
	if err != nil {
		t.Fatal(err)
	}
	other := newMailer(b, Options{Node: "mailer-2", Log: zerolog.Nop()}, transportTo(t, "smtp://localhost", in.addr), quick())
	for range 3 {
		if err := other.fanOut(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	if n := pending(t, b); n != 0 {
		t.Errorf("%d notices in the queue, want none", n)
	}
	if n := len(in.all()); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
}

// TestRetriedAndRefused: a 4xx is tried again until it is sent, once; a 550 is on record as failed, and the others are
// told nevertheless.
func TestRetriedAndRefused(t *testing.T) {
	t.Parallel()
	b := bustest.New(t, 1).Bus(0)
	var later atomic.Int32
	in := (&inbox{onRcpt: func(to string) error {
		switch {
		case to == "gone@example.com":
			return says(550, "no such user")
		case to == "later@example.com" && later.Add(1) <= 3:
			return says(450, "greylisted")
		}
		return nil
	}}).serve(t)
	tell(t, b, "gone@example.com", "later@example.com", "ops@example.com")
	start(t, b, "mailer-1", transportTo(t, "smtp://localhost", in.addr), io.Discard)
	now := time.Now()
	commit(t, b, outageOf(ssh, "r1", events.Opened, now, now), 0)
	in.wait(t, 2)
	got := map[string]events.Delivery{}
	eventually(t, "three deliveries are on record", func() bool {
		for _, d := range deliveries(t, b) {
			got[d.Recipient] = d
		}
		return len(got) == 3 && pending(t, b) == 0
	})
	if d := got["gone@example.com"]; d.Outcome != events.Failed || d.Answer != "RCPT TO: 550 no such user" {
		t.Errorf("gone: %+v", d)
	}
	if d := got["later@example.com"]; d.Outcome != events.Sent || d.Attempts != 4 {
		t.Errorf("later: %+v", d)
	}
	if n := len(in.all()); n != 2 {
		t.Errorf("%d mails, want 2", n)
	}
}

// TestPasswordStaysSecret: neither the log nor the records hold the password, whether it is right or wrong.
func TestPasswordStaysSecret(t *testing.T) {
	t.Parallel()
	b := bustest.New(t, 1).Bus(0)
	in := (&inbox{user: "ops", password: "s3cret"}).serve(t)
	tell(t, b, "ops@example.com")
	log := &logBuffer{}
	stop := start(t, b, "mailer-1", transportTo(t, "smtp://ops:wr0ng@localhost", in.addr), log)
	now := time.Now()
	commit(t, b, outageOf(ssh, "r1", events.Opened, now, now), 0)
	eventually(t, "the wrong password was refused", func() bool { return log.count("AUTH: 535") > 0 })
	stop()
	start(t, b, "mailer-2", transportTo(t, "smtp://ops:s3cret@localhost", in.addr), log)
	in.wait(t, 1)
	eventually(t, "it is on record", func() bool { return len(deliveries(t, b)) == 1 })
	told := log.String() + fmt.Sprint(deliveries(t, b)) + string(in.all()[0].data)
	for _, secret := range []string{"s3cret", "wr0ng"} {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("\x00ops\x00" + secret))} {
			if strings.Contains(told, form) {
				t.Errorf("%q was told", form)
			}
		}
	}
	if log.count("this won't pass by itself") == 0 {
		t.Error("the log doesn't say that the settings are wrong")
	}
}

// TestTroubleBecomesMail: a committed trouble is one mail to each operator; its end is a mail in the same thread.
func TestTroubleBecomesMail(t *testing.T) {
	t.Parallel()
	b, in := bustest.New(t, 1).Bus(0), (&inbox{}).serve(t)
	err := b.PutContribution(t.Context(), events.Contribution{Node: "osaka-1", Time: time.Now(), Recipients: []events.Recipient{
		{Address: "ops@example.com", Operator: true}, {Address: "web@example.com"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	start(t, b, "mailer-1", transportTo(t, "smtp://localhost", in.addr), io.Discard)
	began := time.Now()
	seq, err := b.ProposeTrouble(t.Context(), nodeGone(events.Began, 1, began, began), 0)
	if err != nil {
		t.Fatal(err)
	}
	first := parse(t, in.wait(t, 1)[0].data)
	if _, err := b.ProposeTrouble(t.Context(), nodeGone(events.Ended, 2, began, began.Add(time.Minute)), seq); err != nil {
		t.Fatal(err)
	}
	second := parse(t, in.wait(t, 2)[1].data)
	if a, b := first.get(t, "Subject"), second.get(t, "Subject"); a != "NODE fra is gone (dmonitor)" || b != "NODE fra is back (dmonitor)" {
		t.Errorf("subjects %q and %q", a, b)
	}
	if id := first.get(t, "Message-ID"); second.get(t, "In-Reply-To") != id || first.get(t, "X-Dmonitor-Trouble") != "node fra" {
		t.Errorf("the end replies to %q, the beginning is %q, about %q", second.get(t, "In-Reply-To"), id, first.get(t, "X-Dmonitor-Trouble"))
	}
	eventually(t, "two deliveries are on record", func() bool {
		all := deliveries(t, b)
		return len(all) == 2 && all[0].Trouble == nodeGone(events.Began, 1, began, began).ID && pending(t, b) == 0
	})
	for _, got := range in.all() {
		if got.to[0] != "ops@example.com" {
			t.Errorf("%s is no operator", got.to[0])
		}
	}
}
