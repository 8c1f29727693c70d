package bus

import (
	"context"
	"errors"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

var errDraft = errors.New("not written yet")

type Options struct {
	URL, Creds   string
	Node         string
	Nodes        []string
	Listen       string
	ClientListen string
	Data         string
	Insecure     bool
	Log          zerolog.Logger
}

type Bus struct{}

func Open(ctx context.Context, o Options) (*Bus, error) { return nil, errDraft }
func (b *Bus) Ready(ctx context.Context) error          { return errDraft }
func (b *Bus) Close(ctx context.Context) error          { return errDraft }
func (b *Bus) Failed() <-chan error                     { return nil }
func (b *Bus) Conn() *nats.Conn                         { return nil }
func (b *Bus) JetStream() jetstream.JetStream           { return nil }
func (b *Bus) ClientURL() string                        { return "" }
func (b *Bus) OnReconnect(func())                       {}
func (b *Bus) Publish(m events.Message) error           { return errDraft }
func (b *Bus) Flush(ctx context.Context) error          { return errDraft }

type Subscription struct{}

func (s *Subscription) Stop()       {}
func (s *Subscription) Bad() uint64 { return 0 }

func Subscribe[T any, P interface {
	*T
	events.Message
}](b *Bus, subject string, handle func(T)) (*Subscription, error) {
	return nil, errDraft
}

type Committed struct {
	events.Outage
	Seq    uint64
	Stored time.Time
}

var (
	ErrConflict = errors.New("another event was committed")
	ErrNotFound = errors.New("not found")
)

func (b *Bus) Propose(ctx context.Context, o events.Outage, last uint64) (uint64, error) {
	return 0, errDraft
}
func (b *Bus) LastOutage(ctx context.Context, c events.Check) (Committed, error) {
	return Committed{}, errDraft
}
func (b *Bus) LastOutages(ctx context.Context) (map[events.Check]Committed, error) {
	return nil, errDraft
}
func (b *Bus) Outages(ctx context.Context, since time.Time, handle func(Committed) error) error {
	return errDraft
}
func (b *Bus) SubscribeOutages(handle func(Committed)) (*Subscription, error) { return nil, errDraft }

type Arrived struct {
	events.Result
	Time time.Time
}

func (b *Bus) LastResults(ctx context.Context) ([]Arrived, error)                   { return nil, errDraft }
func (b *Bus) PutContribution(ctx context.Context, c events.Contribution) error     { return errDraft }
func (b *Bus) Contributions(ctx context.Context) ([]events.Contribution, error)     { return nil, errDraft }
func (b *Bus) FollowCatalog(ctx context.Context, handle func(events.Catalog)) error { return errDraft }

func (b *Bus) HoldLease(ctx context.Context, name, holder string, ttl time.Duration, lead func(ctx context.Context, fence uint64) error) error {
	return errDraft
}
func (b *Bus) LeaseHolder(ctx context.Context, name string) (string, error) { return "", errDraft }

func (b *Bus) PutNotice(ctx context.Context, n events.Notice) error { return errDraft }
func (b *Bus) ConsumeOutages(ctx context.Context, handle func(context.Context, Committed) error) error {
	return errDraft
}

type Task struct {
	events.Notice
	Attempt int
	Queued  time.Time
}

func (t *Task) Done(ctx context.Context) error  { return errDraft }
func (t *Task) Retry(delay time.Duration) error { return errDraft }
func (t *Task) Working() error                  { return errDraft }
func (b *Bus) ConsumeNotices(ctx context.Context, parallel int, handle func(context.Context, *Task)) error {
	return errDraft
}
func (b *Bus) PutDelivery(ctx context.Context, d events.Delivery) error { return errDraft }
func (b *Bus) Deliveries(ctx context.Context, since time.Time, handle func(events.Delivery) error) error {
	return errDraft
}
func (b *Bus) PendingNotices(ctx context.Context) (uint64, error) { return 0, errDraft }
