package mailer

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// TestSettle: what becomes of a notice after one attempt, by the server's answer and the notice's age.
func TestSettle(t *testing.T) {
	t.Parallel()
	answers := map[string]error{
		"ops@example.com":     nil,
		"gone@example.com":    says(550, "no such user"),
		"later@example.com":   says(450, "greylisted"),
		"foreign@example.com": &failureAnswer{554, "5.7.1 relay access denied"},
	}
	in := (&inbox{onRcpt: func(to string) error { return unwrapAnswer(answers[to]) }}).serve(t)
	for _, c := range []struct {
		name    string
		to      string
		attempt int
		age     time.Duration
		did     string
		outcome events.Outcome // empty: nothing is recorded
		answer  string
		logs    string
	}{
		{"taken", "ops@example.com", 1, 0, "done", events.Sent, "250 ", "told ops@example.com"},
		{"taken, though old", "ops@example.com", 7, 30 * time.Hour, "done", events.Sent, "250 ", "told ops@example.com"},
		{"refused", "gone@example.com", 1, 0, "done", events.Failed, "RCPT TO: 550 no such user", `"level":"error"`},
		{"not now", "later@example.com", 1, 0, "retry 5s", "", "", `"level":"warn"`},
		{"not now, the third time", "later@example.com", 3, time.Minute, "retry 20s", "", "", "not told yet"},
		{"not now, the 40th time", "later@example.com", 40, time.Hour, "retry 15m0s", "", "", "not told yet"},
		{"not now, for a day", "later@example.com", 99, 24 * time.Hour, "done", events.Failed, "given up after 24h0m0s: RCPT TO: 450 greylisted", "can't be told"},
		{"wrong settings", "foreign@example.com", 1, 0, "retry 5s", "", "", "this won't pass by itself"},
		{"wrong settings, for a day", "foreign@example.com", 99, 25 * time.Hour, "done", events.Failed, "given up after 25h0m0s: RCPT TO: 554 5.7.1", "can't be told"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, task := newBench(t, in.addr), &fakeTask{}
			n := freshNotice(c.to)
			b.send(t.Context(), n, c.attempt, time.Now().Add(-c.age), task)
			task.want(t, c.did)
			if c.outcome == "" && len(b.bus.deliveries) > 0 {
				t.Fatalf("recorded %+v", b.bus.deliveries)
			}
			if c.outcome != "" {
				if len(b.bus.deliveries) != 1 {
					t.Fatalf("%d records", len(b.bus.deliveries))
				}
				d := b.bus.deliveries[0]
				if d.Outcome != c.outcome || !strings.HasPrefix(d.Answer, c.answer) || d.Attempts != c.attempt || d.By != "mailer-1" ||
					d.Notice != n.ID || d.Recipient != c.to || d.Check != ssh || d.Outage != n.Outage.Outage {
					t.Errorf("recorded %+v", d)
				}
			}
			if b.log.count(c.logs) == 0 {
				t.Errorf("no %q in the log:\n%s", c.logs, b.log)
			}
		})
	}
}

// TestLastAttemptIsAtTheEnd: the last delay is cut so that the last attempt is made when the day is over.
func TestLastAttemptIsAtTheEnd(t *testing.T) {
	t.Parallel()
	in := (&inbox{onRcpt: func(string) error { return says(450, "later") }}).serve(t)
	b, task := newBench(t, in.addr), &fakeTask{}
	b.send(t.Context(), freshNotice("ops@example.com"), 99, time.Now().Add(-GiveUp+5*time.Minute), task)
	delay, err := time.ParseDuration(strings.TrimPrefix(strings.Join(task.did, ""), "retry "))
	if err != nil || delay > 5*time.Minute || delay < 4*time.Minute {
		t.Errorf("the notice was %q; want a retry within 5 minutes", task.did)
	}
}

// TestRecordOfFailureFails: a failure that can't be recorded keeps its notice in the queue.
func TestRecordOfFailureFails(t *testing.T) {
	t.Parallel()
	in := (&inbox{onRcpt: func(string) error { return says(550, "no such user") }}).serve(t)
	b, task := newBench(t, in.addr), &fakeTask{}
	b.bus.failRecord = errDown
	b.send(t.Context(), freshNotice("gone@example.com"), 1, time.Now(), task)
	task.want(t, "retry 5s")
	b.bus.failRecord = nil
	b.send(t.Context(), freshNotice("gone@example.com"), 2, time.Now(), task)
	task.want(t, "retry 5s", "done")
}

// TestRecordOfSuccessFails: a mail that is out is not sent again for want of a record.
func TestRecordOfSuccessFails(t *testing.T) {
	t.Parallel()
	in := (&inbox{}).serve(t)
	b, task := newBench(t, in.addr), &fakeTask{}
	b.bus.failRecord = errDown
	b.send(t.Context(), freshNotice("ops@example.com"), 1, time.Now(), task)
	task.want(t, "done")
}

// TestAcknowledgementLost: a notice that comes back though its mail is out is acknowledged and not sent again.
func TestAcknowledgementLost(t *testing.T) {
	t.Parallel()
	in := (&inbox{}).serve(t)
	b, task, n := newBench(t, in.addr), &fakeTask{failDone: errDown}, freshNotice("ops@example.com")
	b.send(t.Context(), n, 1, time.Now(), task)
	task.want(t)
	task.failDone = nil
	b.send(t.Context(), n, 2, time.Now(), task)
	task.want(t, "done")
	if got := in.wait(t, 1); len(got) != 1 {
		t.Errorf("%d mails, want 1", len(got))
	}
	if len(b.bus.deliveries) != 1 || b.bus.deliveries[0].Outcome != events.Sent {
		t.Errorf("recorded %+v", b.bus.deliveries)
	}
}

// TestLateLetter: a retried notice says how late it is and why, and whether the check is up again.
func TestLateLetter(t *testing.T) {
	t.Parallel()
	in := (&inbox{onRcpt: func() func(string) error {
		first := true
		return func(string) error {
			if first {
				first = false
				return says(451, "4.3.0 disk is full")
			}
			return nil
		}
	}()}).serve(t)
	b, task := newBench(t, in.addr), &fakeTask{}
	opened := time.Now().Add(-2 * time.Hour)
	n := noticeFor(outageOf(ssh, "r1", events.Opened, opened, opened), "ops@example.com")
	b.bus.last, b.bus.failLast = bus.Committed{Outage: outageOf(ssh, "r1", events.Closed, opened, opened.Add(time.Hour))}, nil
	b.send(t.Context(), n, 1, time.Now(), task)
	b.send(t.Context(), n, 2, time.Now(), task)
	task.want(t, "retry 5s", "done")
	p := parse(t, in.wait(t, 1)[0].data)
	if got := p.get(t, "Subject"); got != "WAS DOWN ssh on www.example.com (up again)" {
		t.Errorf("subject %q", got)
	}
	text := strings.Join(strings.Fields(p.text), " ")
	for _, want := range []string{"2 h later", "this is attempt 2; the one before failed: RCPT TO: 451 4.3.0 disk is full.", "UP again since"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, p.text)
		}
	}
}

// TestAnotherOutageSince: a later outage of the check is not the end of this one's story.
func TestAnotherOutageSince(t *testing.T) {
	t.Parallel()
	in := (&inbox{}).serve(t)
	b, now := newBench(t, in.addr), time.Now()
	b.bus.last, b.bus.failLast = bus.Committed{Outage: outageOf(ssh, "r2", events.Closed, now, now)}, nil
	b.send(t.Context(), freshNotice("ops@example.com"), 2, now, &fakeTask{})
	if got := parse(t, in.wait(t, 1)[0].data).get(t, "Subject"); got != "DOWN ssh on www.example.com (2 of 3 nodes)" {
		t.Errorf("subject %q", got)
	}
}

// TestStopping: a mailer that is told to stop begins no mail, and lets one that is under way end.
func TestStopping(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	in := (&inbox{onData: func(int) error { cancel(); return nil }}).serve(t)
	b, first, second := newBench(t, in.addr), &fakeTask{}, &fakeTask{}
	b.timing.grace = patience
	b.send(ctx, freshNotice("first@example.com"), 1, time.Now(), first)
	b.send(ctx, freshNotice("second@example.com"), 1, time.Now(), second)
	first.want(t, "done")
	second.want(t, "retry 0s")
	if got := in.wait(t, 1); len(got) != 1 || got[0].to[0] != "first@example.com" {
		t.Errorf("got %d mails", len(got))
	}
}

// TestStoppingIsBounded: a mail server that hangs doesn't hold up the end for longer than the grace.
func TestStoppingIsBounded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	addr := script(t, func(say func(string), hear func() string, _ net.Conn) {
		say("220 hi")
		hear()
		cancel()
		hear()
	})
	b, task := newBench(t, addr), &fakeTask{}
	b.timing.grace = time.Millisecond
	b.send(ctx, freshNotice("ops@example.com"), 1, time.Now(), task)
	task.want(t, "retry 5s")
	if b.log.count("EHLO: broken off, as the mailer stops") != 1 {
		t.Errorf("the log doesn't say why:\n%s", b.log)
	}
}

// TestAttemptIsBounded: a server that stays just alive enough doesn't hold a notice for ever.
func TestAttemptIsBounded(t *testing.T) {
	t.Parallel()
	b, task := newBench(t, script(t, func(_ func(string), hear func() string, _ net.Conn) { hear() })), &fakeTask{}
	b.timing.attempt = time.Millisecond
	b.send(t.Context(), freshNotice("ops@example.com"), 1, time.Now(), task)
	task.want(t, "retry 5s")
	if b.log.count("broken off after 1ms")+b.log.count("i/o timeout") != 1 { // The dialler may notice first.
		t.Errorf("the log doesn't say why:\n%s", b.log)
	}
}

// TestDelay: 5 s, doubling to 15 min, for any number of attempts.
func TestDelay(t *testing.T) {
	for attempt, want := range map[int]time.Duration{
		0: 5 * time.Second, 1: 5 * time.Second, 2: 10 * time.Second, 5: 80 * time.Second, 8: 640 * time.Second,
		9: 15 * time.Minute, 10_000: 15 * time.Minute,
	} {
		if got := defaultTiming.delay(attempt); got != want {
			t.Errorf("attempt %d: %v, want %v", attempt, got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a\r\nb\tc", "a b c"},
		{"a\xffb", "a\ufffdb"},
		{strings.Repeat("é", 20), "éééééé…"},
	} {
		if got := brief(c.in, 16); got != c.want {
			t.Errorf("brief(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestMemoIsBounded(t *testing.T) {
	var m memo
	for i := range 2*maxMemo + 5 {
		m.put(time.Duration(i).String(), "x")
	}
	if len(m.texts) > maxMemo {
		t.Errorf("holds %d texts", len(m.texts))
	}
	m.put("a", "why")
	if got, ok := m.get("a"); !ok || got != "why" {
		t.Errorf("got %q, %v", got, ok)
	}
	m.forget("a")
	if _, ok := m.get("a"); ok {
		t.Error("not forgotten")
	}
}
