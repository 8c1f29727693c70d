package mailer

import (
	"context"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// metric reads one value of a registry; NaN if it isn't there.
func metric(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return math.NaN()
}

// ids lists the Message-IDs of mails.
func ids(t *testing.T, mails []received) (out []string) {
	t.Helper()
	for _, m := range mails {
		out = append(out, parse(t, m.data).get(t, "Message-ID"))
	}
	return out
}

// TestServerFails: whatever a mail server does for a while, through the real queue: the notice is sent in the end, once,
// or twice with one Message-ID where it can't be known; and it is on record.
func TestServerFails(t *testing.T) {
	t.Parallel()
	var tries [8]atomic.Int32
	stranger, _ := identity(t, "mail.example.com")
	// A fault says how the first connection goes; from the second on, or when it is over, all is well.
	for i, c := range []struct {
		name  string
		fault func(t *testing.T, in *inbox, tr *transport)
		mails int    // that arrive
		log   string // the reason
	}{
		{"refuses connections", func(t *testing.T, _ *inbox, tr *transport) {
			onDial(tr, &tries[0], func() (net.Conn, error) { return net.Dial("tcp", "127.0.0.1:1") })
		}, 1, "connect: dial tcp 127.0.0.1:1"},
		{"not now, several times", func(_ *testing.T, in *inbox, _ *transport) {
			in.onRcpt = func(string) error {
				if tries[1].Add(1) <= 3 {
					return says(451, "4.3.0 disk is full")
				}
				return nil
			}
		}, 1, "RCPT TO: 451"},
		{"drops the connection instead of its 250", func(_ *testing.T, in *inbox, _ *transport) { in.dropAfter = 1 }, 2, "end of DATA: "},
		{"stalls", func(t *testing.T, _ *inbox, tr *transport) {
			silent := script(t, func(_ func(string), hear func() string, _ net.Conn) { hear() })
			tr.limits.step = 200 * time.Millisecond
			onDial(tr, &tries[3], func() (net.Conn, error) { return net.Dial("tcp", silent) })
		}, 1, "greeting: read tcp"},
		{"stalls after the content", func(t *testing.T, in *inbox, tr *transport) {
			tr.limits.end = 200 * time.Millisecond
			in.onData = func(nth int) error {
				if nth == 1 {
					<-t.Context().Done()
				}
				return nil
			}
		}, 1, "end of DATA: "},
		{"shows a stranger's certificate", func(t *testing.T, _ *inbox, tr *transport) {
			bad := (&inbox{cert: stranger}).serve(t)
			tr.server.host = "mail.example.com"
			onDial(tr, &tries[5], func() (net.Conn, error) { return net.Dial("tcp", bad.addr) })
		}, 1, "TLS: tls: failed to verify certificate"},
		{"drops the connection at the content", func(t *testing.T, _ *inbox, tr *transport) {
			rude := script(t, func(say func(string), hear func() string, _ net.Conn) {
				say("220 hi")
				for line := hear(); line != ""; line = hear() {
					if line == "DATA" {
						return
					}
					say("250 fine")
				}
			})
			onDial(tr, &tries[6], func() (net.Conn, error) { return net.Dial("tcp", rude) })
		}, 1, "DATA: EOF"},
	} {
		t.Run(fmt.Sprint(i, " ", c.name), func(t *testing.T) {
			t.Parallel()
			b, in := bustest.New(t, 1).Bus(0), (&inbox{}).serve(t)
			tr, registry, log := transportTo(t, "smtp://localhost", in.addr), prometheus.NewRegistry(), &logBuffer{}
			c.fault(t, in, tr)
			tell(t, b, "ops@example.com")
			start(t, b, "mailer-1", tr, log, func(o *Options) { o.Metrics = registry })
			now := time.Now()
			commit(t, b, outageOf(ssh, "r1", events.Opened, now, now), 0)
			eventually(t, "it is on record as sent, and out of the queue", func() bool {
				all := deliveries(t, b)
				return len(all) == 1 && all[0].Outcome == events.Sent && all[0].Attempts > 1 && pending(t, b) == 0
			})
			got := ids(t, in.all())
			if len(got) != c.mails || got[0] != got[len(got)-1] {
				t.Errorf("mails %q, want %d with one id", got, c.mails)
			}
			if log.count(c.log) == 0 {
				t.Errorf("the log doesn't say %q:\n%s", c.log, log)
			}
			if sent, failed := metric(t, registry, "dmonitor_notices_sent_total"), metric(t, registry, "dmonitor_notices_failed_total"); sent != 1 || failed != 0 {
				t.Errorf("counted %g sent, %g failed", sent, failed)
			}
		})
	}
}

// onDial has the first connection of a transport made otherwise.
func onDial(tr *transport, tries *atomic.Int32, first func() (net.Conn, error)) {
	usual := tr.dial
	tr.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if tries.Add(1) == 1 {
			return first()
		}
		return usual(ctx, network, addr)
	}
}

// TestDownForADay: what could not be sent for all of its time is given up and on record, in the log and counted; what is
// younger is sent when the server is back, and nothing is lost. A day is six seconds here.
func TestDownForADay(t *testing.T) {
	t.Parallel()
	var up atomic.Bool
	in := (&inbox{onRcpt: func(string) error {
		if !up.Load() {
			return says(421, "closed for today")
		}
		return nil
	}}).serve(t)
	b, registry, log := bustest.New(t, 1).Bus(0), prometheus.NewRegistry(), &logBuffer{}
	tell(t, b, "ops@example.com")
	day := quick()
	day.giveUp = 6 * time.Second
	m := newMailer(b, Options{Node: "mailer-1", From: "dmonitor@example.com", Log: testLog(log), Metrics: registry},
		transportTo(t, "smtp://localhost", in.addr), day)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = m.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })

	of := func(test string) events.Check { return events.Check{Host: "www.example.com", Test: test} }
	now := time.Now()
	commit(t, b, outageOf(of("ssh"), "r1", events.Opened, now, now), 0)
	eventually(t, "the first is given up", func() bool {
		all := deliveries(t, b)
		return len(all) == 1 && all[0].Outcome == events.Failed && strings.HasPrefix(all[0].Answer, "given up after 0s: RCPT TO: 421 closed for today")
	})
	now = time.Now()
	commit(t, b, outageOf(of("http"), "r1", events.Opened, now, now), 0)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log:\n%s", log)
		}
	})
	eventually(t, "the second was tried", func() bool {
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "www.example.com/http") && strings.Contains(line, "not told yet") {
				return true
			}
		}
		return false
	})
	up.Store(true)
	eventually(t, "the second is sent", func() bool { return len(deliveries(t, b)) == 2 && pending(t, b) == 0 })
	if got := in.all(); len(got) != 1 || !strings.Contains(parse(t, got[0].data).get(t, "Subject"), "http") {
		t.Errorf("%d mails", len(got))
	}
	if failed, sent := metric(t, registry, "dmonitor_notices_failed_total"), metric(t, registry, "dmonitor_notices_sent_total"); failed != 1 || sent != 1 {
		t.Errorf("counted %g failed, %g sent", failed, sent)
	}
	if log.count("can't be told: given up") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

// TestPendingIsCounted: the queue's length is a metric, and not a number while nobody can tell.
func TestPendingIsCounted(t *testing.T) {
	t.Parallel()
	r := prometheus.NewRegistry()
	b := newBench(t, "127.0.0.1:1", func(o *Options) { o.Metrics = r })
	done, stop := context.WithCancel(t.Context())
	stop()
	_ = b.countPending(done)
	if got := metric(t, r, "dmonitor_notices_pending"); got != 7 {
		t.Errorf("%g wait", got)
	}
	b.bus.failRead = errDown
	_ = b.countPending(done)
	if got := metric(t, r, "dmonitor_notices_pending"); !math.IsNaN(got) {
		t.Errorf("%g wait, though nobody knows", got)
	}
}

// TestDecide: what becomes of a notice that was not sent.
func TestDecide(t *testing.T) {
	later, never := &failure{step: stepTo, code: 450, text: "later"}, &failure{step: stepTo, code: 550, text: "no such user"}
	gone := &failure{step: stepConnect, text: "connection refused"}
	for _, c := range []struct {
		name    string
		f       *failure
		attempt int
		age     time.Duration
		want    decision
	}{
		{"soon", later, 1, time.Second, decision{again: 5 * time.Second}},
		{"no answer is no answer", gone, 2, time.Second, decision{again: 10 * time.Second}},
		{"later and later", later, 30, time.Hour, decision{again: 15 * time.Minute}},
		{"the last time at the very end", later, 99, GiveUp - time.Minute, decision{again: time.Minute}},
		{"a day is enough", gone, 99, GiveUp, decision{giveUp: "given up after 24h0m0s: connect: connection refused"}},
		{"no is no", never, 1, 0, decision{giveUp: "RCPT TO: 550 no such user"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := decide(c.f, c.attempt, c.age, defaultTiming); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
