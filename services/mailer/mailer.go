package mailer

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// GiveUp is how long a notice is tried, counted from when it was queued (design: 24 h).
const GiveUp = 24 * time.Hour

// DefaultSMTPURL is the mail server of a mailer that is told none.
const DefaultSMTPURL = "smtp://localhost:25"

// parallel is how many notices one mailer sends at once. More would not be polite to one mail server.
const parallel = 4

// Options set up a mailer.
type Options struct {
	Bus  *bus.Bus
	Node string // this mailer's name in the records of deliveries
	// SMTPURL is the mail server; empty: DefaultSMTPURL.
	//
	//	smtp://host[:25]     STARTTLS if the server offers it
	//	smtps://host[:465]   TLS from the first byte
	//	user:password@       before the host: log in. Then TLS is a must, but for this host's own server
	//	?tls=required        smtp: refuse a server without STARTTLS;  ?tls=off  don't try
	//	?verify=no           take any certificate
	//
	// Special characters in user and password are percent-encoded. The certificate must be valid for the host, unless the
	// host is a loopback address: there is nobody in between, and the mail servers of many systems come with a certificate
	// that nobody has signed.
	SMTPURL string
	// PasswordFile holds the password, if the URL doesn't: its first line. It is read again for each connection.
	PasswordFile string
	// From is the sender, as "ops@example.com" or "dmonitor <ops@example.com>"; empty: dmonitor@ the host's name.
	From string
	// Data is the folder for what is remembered of who was told without a majority; empty: it is kept in memory only.
	Data string
	// Metrics is where the mailer registers what it counts; nil: nowhere.
	Metrics prometheus.Registerer
	Log     zerolog.Logger
}

// queue is what a mailer needs of the bus.
type queue interface {
	FollowCatalog(ctx context.Context, handle func(events.Catalog)) error
	Catalog(ctx context.Context) (events.Catalog, error) // as of now, whatever FollowCatalog has said
	ConsumeOutages(ctx context.Context, handle func(context.Context, bus.Committed) error) error
	ConsumeTroubles(ctx context.Context, handle func(context.Context, bus.CommittedTrouble) error) error
	LastOutage(ctx context.Context, c events.Check) (bus.Committed, error)
	LastOutages(ctx context.Context) (map[events.Check]bus.Committed, error)
	LastTroubles(ctx context.Context) (map[events.TroubleKey]bus.CommittedTrouble, error)
	OutagesOf(ctx context.Context, c events.Check, since time.Time, handle func(bus.Committed) error) error
	TroublesOf(ctx context.Context, k events.TroubleKey, since time.Time, handle func(bus.CommittedTrouble) error) error
	Hear(bus.Hearing) (stop func(), err error)
	Publish(events.Message) error
	PutNotice(ctx context.Context, n events.Notice) error
	ConsumeNotices(ctx context.Context, parallel int, handle func(context.Context, *bus.Task)) error
	PendingNotices(ctx context.Context) (uint64, error)
	PutDelivery(ctx context.Context, d events.Delivery) error
}

// timing holds every duration of the mailer, so that tests need not wait for them.
type timing struct {
	first, longest time.Duration // delay before the second attempt, doubling up to longest
	giveUp         time.Duration
	attempt        time.Duration // for one attempt: less than the ten minutes for which the bus keeps a task in one hand
	call           time.Duration // for one call on the bus: it may have to live through an election
	courtesy       time.Duration // for one whose answer only makes a mail better
	grace          time.Duration // for a mail that is under way when the mailer is stopped
	tick           time.Duration // how often it is looked whether somebody has to be told without a majority
	stale          time.Duration // before an event older than this is fanned out, it is asked who was told of it already
	ask            time.Duration // how long answers to that are waited for
	renew          time.Duration // how often others hear that telling goes on: a few times within told.ClaimFor
	stuck          time.Duration // what can't be queued for so long is told without a majority
}

var defaultTiming = timing{
	first: 5 * time.Second, longest: 15 * time.Minute, giveUp: GiveUp,
	attempt: 8 * time.Minute, call: 30 * time.Second, courtesy: 2 * time.Second, grace: 10 * time.Second,
	tick: 500 * time.Millisecond, stale: 20 * time.Second, ask: time.Second,
	renew: 10 * time.Second, stuck: events.UncommittedAfter,
}

// Mailer is one mailer. Make it by New.
type Mailer struct {
	bus    queue
	node   string
	from   string
	post   *transport
	timing timing
	log    zerolog.Logger

	trouble memo // notice id: why the last attempt failed
	taken   memo // notice id: the 250 of a mail whose notice is still in the queue

	minority *minority
	metrics  metrics
}

// New makes a mailer. Errors name the setting that is wrong, and the remedy.
func New(o Options) (*Mailer, error) {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	if o.From == "" {
		o.From = "dmonitor@" + host
	}
	if o.SMTPURL == "" {
		o.SMTPURL = DefaultSMTPURL
	}
	_, fromErr := mail.ParseAddress(o.From)
	if fromErr != nil {
		fromErr = fmt.Errorf("DMONITOR_MAIL_FROM %q: want an address such as dmonitor@example.com: %w", o.From, fromErr)
	}
	srv, urlErr := parseServer(o.SMTPURL, o.PasswordFile)
	if err := errors.Join(urlErr, fromErr); err != nil {
		return nil, err
	}
	if o.Bus == nil {
		return nil, errors.New("a mailer needs a bus")
	}
	return newMailer(o.Bus, o, newTransport(srv, host), defaultTiming), nil
}

func newMailer(b queue, o Options, post *transport, t timing) *Mailer {
	m := &Mailer{bus: b, node: o.Node, from: o.From, post: post, timing: t, log: o.Log, metrics: newMetrics(o.Metrics)}
	m.minority = newMinority(m, o.Data)
	return m
}

// Run fans out and sends until ctx ends; then it returns nil. A mail that is under way is given a few seconds to end.
// An error means that the bus can't be used.
func (m *Mailer) Run(ctx context.Context) error {
	defer m.post.close()
	m.log.Info().Msgf("sending mail from %s through %s", m.from, m.post.server.String())
	group, ctx := errgroup.WithContext(ctx)
	part := func(what string, run func() error) {
		group.Go(func() error {
			if err := run(); err != nil && ctx.Err() == nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		})
	}
	say := m.sayWhetherAnybodyIsTold()
	part("follow the configuration", func() error {
		return m.bus.FollowCatalog(ctx, func(c events.Catalog) {
			m.minority.catalog.Store(&c)
			m.log.Debug().Msgf("%d recipients known", len(c.Recipients))
			say(c)
		})
	})
	part("listen", func() error { return m.minority.run(ctx) })
	part("read outages", func() error { return m.bus.ConsumeOutages(ctx, m.fanOut) })
	part("read troubles", func() error { return m.bus.ConsumeTroubles(ctx, m.fanOutTrouble) })
	part("count notices", func() error { return m.countPending(ctx) })
	part("send notices", func() error { return m.sendQueued(ctx) })
	return group.Wait()
}
