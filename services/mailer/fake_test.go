package mailer

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// fakeBus is a bus that fails on demand.
type fakeBus struct {
	mu         sync.Mutex
	put        []string // recipients, in order
	deliveries []events.Delivery
	last       bus.Committed
	failPut    func(recipient string) error
	failRecord error
	failFollow error
	failLast   error
	catalog    events.Catalog
	failRead   error
}

func (b *fakeBus) FollowCatalog(ctx context.Context, _ func(events.Catalog)) error {
	if b.failFollow != nil {
		return b.failFollow
	}
	<-ctx.Done()
	return ctx.Err()
}

func (b *fakeBus) Catalog(context.Context) (events.Catalog, error) { return b.catalog, b.failRead }

func (b *fakeBus) ConsumeOutages(ctx context.Context, _ func(context.Context, bus.Committed) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func (b *fakeBus) ConsumeNotices(ctx context.Context, _ int, _ func(context.Context, *bus.Task)) error {
	<-ctx.Done()
	return ctx.Err()
}

func (b *fakeBus) LastOutage(context.Context, events.Check) (bus.Committed, error) {
	return b.last, b.failLast
}

func (b *fakeBus) PutNotice(_ context.Context, n events.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := events.Encode(&n); err != nil {
		return err
	}
	if b.failPut != nil {
		if err := b.failPut(n.Recipient); err != nil {
			return err
		}
	}
	b.put = append(b.put, n.Recipient)
	return nil
}

func (b *fakeBus) PutDelivery(_ context.Context, d events.Delivery) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := events.Encode(&d); err != nil {
		return err
	}
	if b.failRecord != nil {
		return b.failRecord
	}
	b.deliveries = append(b.deliveries, d)
	return nil
}

// fakeTask writes down what is done with a notice.
type fakeTask struct {
	mu       sync.Mutex
	did      []string // "done", "retry 5s"
	failDone error
}

func (t *fakeTask) note(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.did = append(t.did, s)
}

func (t *fakeTask) Done(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if t.failDone != nil {
		return t.failDone
	}
	t.note("done")
	return nil
}

func (t *fakeTask) Retry(d time.Duration) error { t.note("retry " + d.String()); return nil }

func (t *fakeTask) want(tb testing.TB, did ...string) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Equal(t.did, did) {
		tb.Errorf("the notice was %q, want %q", t.did, did)
	}
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// count tells how often a text is in the log.
func (l *logBuffer) count(s string) int { return strings.Count(l.String(), s) }

// bench is a mailer between a fake bus and a real mail server.
type bench struct {
	*Mailer
	bus *fakeBus
	log *logBuffer
}

func newBench(t testing.TB, smtpAddr string) *bench {
	t.Helper()
	b := &bench{bus: &fakeBus{failLast: bus.ErrNotFound}, log: &logBuffer{}}
	o := Options{Node: "mailer-1", From: "dmonitor@example.com", Log: zerolog.New(b.log)}
	b.Mailer = newMailer(b.bus, o, transportTo(t, "smtp://localhost", smtpAddr), defaultTiming)
	return b
}

var errDown = errors.New("no majority")

// outageOf makes a committed event of an outage that a round opened at a moment.
func outageOf(c events.Check, round string, e events.Event, opened, at time.Time) events.Outage {
	id := events.OutageID(c, round)
	vote := func(node string, s events.Status, out string) events.NodeVote {
		return events.NodeVote{Node: node, Site: node, Vote: s.Vote(), Status: s, Output: out, Time: at, Elapsed: events.Millis(12 * time.Millisecond)}
	}
	o := events.Outage{
		ID: events.EventID(id, e), Outage: id, Event: e, Check: c, Time: at, Opened: opened, Agree: 2, Able: 3,
		Votes: []events.NodeVote{
			vote("osaka-1", events.Fail, "connect to 192.0.2.1 port 22: Connection refused – 接続"),
			vote("paris-1", events.OK, "SSH OK"), vote("tokyo-1", events.Timeout, "no answer within 10 s"),
		},
		Round: round, Reason: "2 of 3 nodes say down in one round", By: "osaka-1", Note: "restart sshd",
	}
	if e == events.Closed {
		o.Votes = []events.NodeVote{vote("osaka-1", events.OK, "SSH OK"), vote("tokyo-1", events.OK, "SSH OK")}
	}
	return o
}

var ssh = events.Check{Host: "www.example.com", Test: "ssh"}

func noticeFor(o events.Outage, to string) events.Notice {
	return events.Notice{ID: events.NoticeID(o.Outage, o.Event, to), Recipient: to, Created: o.Time, Outage: o}
}

// freshNotice is a notice of an outage that was opened now.
func freshNotice(to string) events.Notice {
	now := time.Now()
	return noticeFor(outageOf(ssh, "r1", events.Opened, now, now), to)
}
