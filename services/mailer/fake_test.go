package mailer

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/mailer/told"
)

// fakeBus is a bus that fails on demand.
type fakeBus struct {
	mu         sync.Mutex
	put        []string // recipients, in order
	deliveries []events.Delivery
	last       bus.Committed
	troubles   map[events.TroubleKey]bus.CommittedTrouble
	failPut    func(recipient string) error
	failRecord error
	failFollow error
	failLast   error
	catalog    events.Catalog
	failRead   error
	electing   int // so many reads of the catalog fail first

	history     []bus.Committed
	failHistory error
	hearing     bus.Hearing
	published   []events.Message
}

func (b *fakeBus) FollowCatalog(ctx context.Context, _ func(events.Catalog)) error {
	if b.failFollow != nil {
		return b.failFollow
	}
	<-ctx.Done()
	return ctx.Err()
}

func (b *fakeBus) Catalog(context.Context) (events.Catalog, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.electing > 0 {
		b.electing--
		return events.Catalog{}, errDown
	}
	return b.catalog, b.failRead
}

func (b *fakeBus) ConsumeOutages(ctx context.Context, _ func(context.Context, bus.Committed) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func (b *fakeBus) ConsumeTroubles(ctx context.Context, _ func(context.Context, bus.CommittedTrouble) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func (b *fakeBus) OutagesOf(_ context.Context, _ events.Check, _ time.Time, handle func(bus.Committed) error) error {
	for _, c := range b.history {
		if err := handle(c); err != nil {
			return err
		}
	}
	return b.failHistory
}

func (b *fakeBus) TroublesOf(context.Context, events.TroubleKey, time.Time, func(bus.CommittedTrouble) error) error {
	return b.failHistory
}

func (b *fakeBus) Hear(h bus.Hearing) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hearing = h
	return func() {}, nil
}

// Publish writes down what is published, and lets this mailer hear it, as the bus does.
func (b *fakeBus) Publish(m events.Message) error {
	if _, err := events.Encode(m); err != nil {
		return err
	}
	b.mu.Lock()
	h := b.hearing
	b.published = append(b.published, m)
	b.mu.Unlock()
	if t, ok := m.(*events.Told); ok && h.Told != nil {
		h.Told(*t)
	}
	return nil
}

func (b *fakeBus) LastOutages(context.Context) (map[events.Check]bus.Committed, error) {
	return map[events.Check]bus.Committed{b.last.Check: b.last}, b.failLast
}

func (b *fakeBus) PendingNotices(context.Context) (uint64, error) { return 7, b.failRead }

func (b *fakeBus) LastTroubles(context.Context) (map[events.TroubleKey]bus.CommittedTrouble, error) {
	return b.troubles, b.failLast
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
	lost     atomic.Bool
}

func (t *fakeTask) Held() bool { return !t.lost.Load() }

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

func testLog(b *logBuffer) zerolog.Logger { return zerolog.New(b).With().Timestamp().Logger() }

// bench is a mailer between a fake bus and a real mail server.
type bench struct {
	*Mailer
	bus *fakeBus
	log *logBuffer
}

func newBench(t testing.TB, smtpAddr string, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{bus: &fakeBus{failLast: bus.ErrNotFound}, log: &logBuffer{}}
	o := Options{Node: "mailer-1", From: "dmonitor@example.com", Log: zerolog.New(b.log)}
	for _, f := range change {
		f(&o)
	}
	b.Mailer = newMailer(b.bus, o, transportTo(t, "smtp://localhost", smtpAddr), defaultTiming)
	return b
}

type toldBook = told.Book

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

// send makes one attempt to send one notice.
func (m *Mailer) send(ctx context.Context, n events.Notice, attempt int, queued time.Time, t task) {
	m.sendAll(ctx, []parcel{{Notice: n, attempt: attempt, queued: queued, taken: time.Now(), task: t}})
}
