package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus/embed"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// Options say how this process takes part in the bus.
type Options struct {
	// URL is where to connect, a comma-separated list (DMONITOR_BUS_URL). Empty: embed a member.
	URL string
	// Creds is a credentials file (DMONITOR_BUS_CREDS), used with URL. With the member's certificate authority in it the
	// connection is TLS, and a member that can't prove itself by that is refused.
	Creds string
	// Key is asked for the cluster key in force at each handshake; nil: there is none. A member lets in only those who have
	// that key or a credential made with it. With URL and without Creds the process makes itself a credential, of the kind
	// Kind. What it returns may change, but not from nothing to something while the bus is open; see KeyChanged.
	Key key.Source
	// KeyPath is the file that a key was looked for in, if there is none; for messages only.
	KeyPath string
	// Kind is what this process may do, if it makes itself a credential; empty: everything (events.CredentialNode).
	Kind events.CredentialKind
	// Plain has a process with URL use no stream and no bucket: it makes no JetStream call, and is ready when it is
	// connected. It may then live with a credential that allows none, such as a prober's.
	Plain bool
	// Node is this process's name on the bus, as events.ValidateNode wants it. Two members never share one.
	Node string
	// Site and Version are what this member says of itself when somebody asks who is there; they decide nothing.
	Site, Version string
	// Nodes are the addresses of all members, host:port, this one included. None or one: standalone.
	Nodes []string
	// Listen is the address for the other members (DMONITOR_LISTEN); empty: ":2929". Not opened when standalone.
	Listen string
	// ClientListen is the address for NATS clients (DMONITOR_CLIENT_LISTEN); empty: "127.0.0.1:4222"; port 0: any.
	ClientListen string
	// Advertise is the address under which members tell each other of this one; empty: as they see it. It matters
	// only where a member's own address is not the one the others have in Nodes.
	Advertise string
	// Data is the data folder (DMONITOR_DATA), made if missing. One process at a time.
	Data string
	// Insecure allows Listen and ClientListen to be reachable from other hosts without a key (DMONITOR_INSECURE).
	Insecure bool
	// Log is where the bus tells of its troubles.
	Log zerolog.Logger
}

// ErrNoKey is in the error of Open if it is refused for want of a cluster key: a matter of settings.
var ErrNoKey = embed.ErrNoKey

// embeds tells whether this process is a member.
func (o Options) embeds() bool { return o.URL == "" }

// Connection settings: a server that doesn't answer two pings of a second each is given up (package embed does the same
// between members), and the next one is tried at once.
const (
	connectWait   = 2 * time.Second
	pingInterval  = time.Second
	maxPings      = 2
	reconnectWait = 250 * time.Millisecond
	callWait      = 5 * time.Second // the longest that one write or read takes if the caller sets no shorter limit
	spareBytes    = 64 << 10        // headers on top of the largest message
)

// Bus is this process's place on the bus. Its methods may be called from any goroutine.
type Bus struct {
	o   Options
	log zerolog.Logger
	srv *embed.Server // nil: connected only
	nc  *nats.Conn
	js  jetstream.JetStream

	kind events.CredentialKind // what this process shows to a member; empty: nothing

	closing  context.Context // ends when Close begins
	begin    context.CancelFunc
	tasks    sync.WaitGroup // what runs until closing
	closed   chan struct{}  // the connection is closed for good
	never    chan error     // Failed of a process that embeds nothing
	slow     slowLog
	distrust distrust
	passed   sync.Map // slowLog by kind of stored message, see passOver
	tending  sync.Once
	settled  atomic.Bool // the streams of this cluster are made, by whoever it was; see settle

	mu        sync.Mutex
	reconnect map[int]func()
	nextID    int
	past      *past    // what this node kept while it was alone, until it is known what becomes of it
	history   *history // the same in a word
	listed    listed

	memory memory // what the nodes contributed last
}

// Open starts the member, or connects. It does not wait for other members, nor, with URL, for the bus to be there: that
// is Ready's part. The context bounds the opening only.
func Open(ctx context.Context, o Options) (*Bus, error) {
	if err := events.ValidateNode(o.Node); err != nil {
		return nil, fmt.Errorf("open the bus (DMONITOR_NODE): %w", err)
	}
	if o.Plain && o.embeds() {
		return nil, errors.New("open the bus: plain, and without an address to connect to (DMONITOR_BUS_URL): a member keeps the streams")
	}
	b := &Bus{o: o, log: o.Log, closed: make(chan struct{}), never: make(chan error), reconnect: map[int]func(){}}
	b.closing, b.begin = context.WithCancel(context.Background())
	opts := b.connOptions()
	if o.embeds() {
		b.memory.folder = o.Data
		srv, err := embed.Start(ctx, embed.Options{
			Name: o.Node, Nodes: o.Nodes, Listen: o.Listen, ClientListen: o.ClientListen, Advertise: o.Advertise,
			Data: o.Data, MaxPayload: events.MaxMessage + spareBytes, Insecure: o.Insecure, Key: o.Key, KeyPath: o.KeyPath, Refuses: b.remembersRevoked(),
			Log: o.Log,
		})
		if err != nil {
			return nil, err
		}
		b.srv = srv
		opts = append(opts, nats.InProcessServer(srv)) // stays with its own server, whatever happens
	} else {
		kind, proof, err := o.prove(b.refused)
		if err != nil {
			return nil, err
		}
		b.kind = kind
		opts = append(opts, proof...)
	}
	err := b.connect(opts)
	if err == nil && b.srv != nil {
		err = b.join(ctx)
	}
	if err != nil {
		if b.nc != nil {
			b.nc.Close()
		}
		if b.srv != nil {
			err = errors.Join(err, b.srv.Stop(ctx))
		}
		return nil, err
	}
	return b, nil
}

// join begins what only members do.
func (b *Bus) join(ctx context.Context) error {
	if err := b.openPast(ctx); err != nil {
		return err
	}
	if err := errors.Join(b.answerMembers(), b.answerForget()); err != nil {
		b.closePast()
		return fmt.Errorf("answer the other members: %w", err)
	}
	b.background(b.followRevoked)
	if !b.srv.Clustered() {
		return nil
	}
	b.background(b.watchMembers)
	b.background(b.keepMembers)
	return nil
}

func (b *Bus) connect(opts []nats.Option) error {
	nc, err := nats.Connect(b.o.URL, opts...)
	if err != nil {
		return fmt.Errorf("connect to the bus (DMONITOR_BUS_URL): %w", err)
	}
	js, err := jetstream.NewWithAPIPrefix(nc, strings.TrimSuffix(b.api(), "."), jetstream.WithDefaultTimeout(callWait))
	if err != nil {
		nc.Close()
		return fmt.Errorf("use the bus: %w", err)
	}
	b.nc, b.js = nc, js
	b.distrust.conn.Store(nc)
	return nil
}

func (b *Bus) connOptions() []nats.Option {
	return []nats.Option{
		nats.Name(b.o.Node),
		nats.Timeout(connectWait), nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(maxPings),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.CustomReconnectDelay(b.delay),
		nats.IgnoreAuthErrorAbort(),    // credentials may be put right while we wait
		nats.IgnoreDiscoveredServers(), // the list we were given is the list
		nats.ReconnectBufSize(-1),      // what is late is useless: fail instead of sending it later
		nats.ConnectHandler(func(*nats.Conn) { b.connected("connected to the bus", b.distrust.failed.Load()) }),
		nats.ReconnectHandler(func(*nats.Conn) { b.connected("connected to the bus again", true) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { b.failedToConnect(err) }),
		nats.DisconnectErrHandler(b.disconnected),
		nats.ErrorHandler(b.asyncError),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
	}
}

// connected takes note of a connection. It is news to people if it comes after trouble of which they were told: a
// client's, since a member's connection to itself is no matter of theirs.
func (b *Bus) connected(what string, afterTrouble bool) {
	b.distrust.over()
	if afterTrouble && b.srv == nil {
		b.log.Info().Msg(what)
	}
	b.reconnected(what)
}

// reconnected has everybody know that something may have been missed.
func (b *Bus) reconnected(what string) {
	b.log.Debug().Msg(what)
	b.mu.Lock()
	fs := maps.Clone(b.reconnect)
	b.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(fs)) {
		fs[id]()
	}
}

func (b *Bus) disconnected(_ *nats.Conn, err error) {
	if b.closing.Err() == nil {
		b.log.Warn().Err(err).Msg("lost the connection to the bus; trying again")
	}
}

// asyncError logs what happens to no call in particular: a subscriber that doesn't keep up, mostly.
func (b *Bus) asyncError(_ *nats.Conn, sub *nats.Subscription, err error) {
	if b.closing.Err() == nil && trustError(err) {
		b.refused(err)
		return
	}
	if b.closing.Err() != nil || !b.slow.due(time.Now()) {
		return
	}
	if sub == nil {
		b.log.Warn().Err(err).Msg("trouble on the bus")
		return
	}
	dropped, _ := sub.Dropped()
	b.log.Warn().Err(err).Int("dropped", dropped).Msgf("trouble on the bus with messages of %s", sub.Subject)
}

// Conn is the connection, for what this package has no words for.
func (b *Bus) Conn() *nats.Conn { return b.nc }

// JetStream is the connection's JetStream, for what this package has no words for.
func (b *Bus) JetStream() jetstream.JetStream { return b.js }

// ClientURL is where NATS clients connect to the embedded member; "" if there is none.
func (b *Bus) ClientURL() string {
	if b.srv == nil {
		return ""
	}
	return b.srv.ClientURL()
}

// ClusterAddr is where other members connect to the embedded one; "" if there is none or it is standalone.
func (b *Bus) ClusterAddr() string {
	if b.srv == nil {
		return ""
	}
	return b.srv.ClusterAddr()
}

// Failed delivers an error when the embedded member can't go on, such as when another member has its name. The process
// should stop then, and say why. For a process that embeds nothing it never delivers.
func (b *Bus) Failed() <-chan error {
	if b.srv == nil {
		return b.never
	}
	return b.srv.Failed()
}

// OnReconnect has f called whenever something may have been missed: when the connection was lost and is there again
// (also when it is there for the first time, if it wasn't at Open), and in a member of a cluster when another member is
// there (again), and once more ten seconds later, when the copies of the logs have caught up. f must not block: it
// holds up other notifications. It may be called from two goroutines at once.
func (b *Bus) OnReconnect(f func()) { b.onReconnect(f) }

// onReconnect is OnReconnect for those who stop some day.
func (b *Bus) onReconnect(f func()) (forget func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.nextID
	b.nextID++
	b.reconnect[id] = f
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.reconnect, id)
	}
}

// background runs f, which ends when closing does. After Close has begun it does nothing.
func (b *Bus) background(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing.Err() == nil {
		b.tasks.Go(f)
	}
}

// Close leaves the bus: what was published is flushed, the connection is closed, and an embedded member hands over
// what it leads and stops. Stop the services and release leases before. The context bounds it.
func (b *Bus) Close(ctx context.Context) error {
	b.mu.Lock()
	b.begin()
	b.mu.Unlock()
	b.tasks.Wait()
	b.closePast()
	if b.nc.IsConnected() {
		flush, stop := context.WithTimeout(ctx, connectWait)
		_ = b.nc.FlushWithContext(flush) // nobody waits for what is lost here
		stop()
	}
	b.nc.Close()
	select {
	case <-b.closed:
	case <-ctx.Done():
	}
	if b.srv == nil {
		return nil
	}
	return b.srv.Stop(ctx)
}
