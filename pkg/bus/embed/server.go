package embed

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/rs/zerolog"
)

// Times. A silent link is given up after two pings of a second each: measured, that finds a cut in about 2.5 s, where
// the server's defaults take over 20.
const (
	pingInterval  = time.Second
	maxPings      = 2
	writeDeadline = 2 * time.Second
	startWait     = 10 * time.Second
	startTry      = 50 * time.Millisecond
)

// Limits of what JetStream may keep, far above what the streams' own limits add up to. They are set so that the server
// doesn't take three quarters of the disk and of the memory for a promise.
const (
	maxStore  = 8 << 30
	maxMemory = 256 << 20
)

// Server is a running member.
type Server struct {
	ns         *server.Server
	lock       *flock.Flock
	log        zerolog.Logger
	serverLog  *serverLog
	systemUser string
	systemKey  nkeys.KeyPair
	gate       *gate
	routes     *routeKeys  // nil: alone, or without a cluster key
	clientTLS  *tls.Config // nil: without a cluster key
	old        atomic.Pointer[Old]
	formed     atomic.Bool
	failed     chan error

	o Options // as it was started with

	mu    sync.Mutex
	nodes []string        // the members, as they are known now
	conf  *server.Options // what runs
}

// Start starts the member and returns when it accepts connections. It waits for no other member. The caller stops it
// with Stop, also after a failure (Failed).
func Start(ctx context.Context, o Options) (*Server, error) {
	o = o.withDefaults()
	client, cluster, err := o.listeners()
	if err != nil {
		return nil, err
	}
	conf, err := o.config(client, cluster)
	if err != nil {
		return nil, err
	}
	lock, err := lockData(o.Data)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, nodes: o.Nodes, lock: lock, log: o.Log, failed: make(chan error, 1)}
	if err := s.start(ctx, conf, client, cluster); err != nil {
		s.closeOld()
		return nil, errors.Join(err, lock.Unlock())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, conf *server.Options, client, cluster listener) error {
	if err := client.free(); err != nil {
		return err
	}
	if err := s.secure(ctx, conf, cluster); err != nil {
		return err
	}
	if s.o.clustered() {
		if err := cluster.free(); err != nil {
			return err
		}
		if err := s.nameIsFree(ctx); err != nil {
			return err
		}
		s.o.warnStranger(ctx, cluster)
	}
	dir, history, err := s.o.store()
	if err != nil {
		return err
	}
	if history != "" {
		old, err := s.o.openOld(ctx, history)
		if err != nil {
			return fmt.Errorf("%w; to start without it, move that folder away", err)
		}
		s.old.Store(old)
	}
	conf.StoreDir = dir
	if err := s.users(conf); err != nil {
		return err
	}
	s.conf = conf.Clone() // the server changes what it is given
	ns, err := server.NewServer(conf)
	if err != nil {
		return fmt.Errorf("set up the embedded bus: %w", err)
	}
	s.ns, s.serverLog = ns, newServerLog(s.log, s.fail, s.nameTaken)
	s.gate.ns = ns
	ns.SetLoggerV2(s.serverLog, false, false, false)
	ns.Start()
	if err := s.listening(ctx); err != nil {
		ns.Shutdown()
		ns.WaitForShutdown()
		return fmt.Errorf("start the embedded bus: %w", err)
	}
	return nil
}

// listening waits until the server accepts connections, or says why it can't.
func (s *Server) listening(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, startWait)
	defer stop()
	for !s.ns.ReadyForConnections(startTry) {
		select {
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("not listening after %v: %w", startWait, ctx.Err())
		default:
		}
	}
	select {
	case err := <-s.failed: // it listens, but JetStream could not be started
		return err
	default:
		return nil
	}
}

// config writes the server's options.
func (o Options) config(client, cluster listener) (*server.Options, error) {
	conf := &server.Options{
		ServerName: o.Name,
		Host:       client.host, Port: client.port,
		NoSigs: true, DisableJetStreamBanner: true,
		MaxPayload: int32(o.MaxPayload),
		JetStream:  true, SyncAlways: true,
		JetStreamMaxStore: maxStore, JetStreamMaxMemory: maxMemory,
		PingInterval: pingInterval, MaxPingsOut: maxPings, WriteDeadline: writeDeadline,
	}
	if !o.clustered() {
		return conf, nil
	}
	// A clustered server must listen for clients: with DontListen it never opens the port of the cluster.
	routes, err := o.routes()
	if err != nil {
		return nil, err
	}
	conf.Routes = routes
	conf.Cluster = server.ClusterOpts{
		Name: Cluster, Host: cluster.host, Port: cluster.port,
		Advertise: o.Advertise, NoAdvertise: true, // clients stay with the member they know
		PingInterval: pingInterval, MaxPingsOut: maxPings,
	}
	return conf, nil
}

// Stop ends the server politely: it hands over what it leads, which takes well under a second. The data folder is
// free again when Stop returns nil.
func (s *Server) Stop(ctx context.Context) error {
	s.closeOld()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ns.Shutdown()
		s.ns.WaitForShutdown()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("stop the embedded bus: %w", ctx.Err()) // the lock stays: the server may still write
	}
	if err := s.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock the data folder: %w", err)
	}
	return nil
}

// Failed delivers one error when the server can't go on.
func (s *Server) Failed() <-chan error { return s.failed }

// Fail has Failed deliver an error, if there is none yet.
func (s *Server) Fail(err error) { s.fail(err) }

func (s *Server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// Formed tells the server that its cluster works, so that a later start of another member with the same name is that
// one's mistake.
func (s *Server) Formed() { s.formed.Store(true) }

func (s *Server) nameTaken(line string) {
	err := fmt.Errorf("two members of the bus are called %q; every node needs its own name (DMONITOR_NODE): %s", s.o.Name, line)
	if s.formed.Load() {
		s.log.Error().Err(err).Msg("the other one was refused")
		return
	}
	s.fail(err)
}

// InProcessConn connects to the server without a socket. The NATS client calls it.
func (s *Server) InProcessConn() (net.Conn, error) { return s.ns.InProcessConn() }

// ClientURL is where NATS clients connect.
func (s *Server) ClientURL() string { return s.ns.ClientURL() }

// ClusterAddr is where the other members connect, "" when standalone.
func (s *Server) ClusterAddr() string {
	if a := s.ns.ClusterAddr(); a != nil {
		return net.JoinHostPort(a.IP.String(), strconv.Itoa(a.Port))
	}
	return ""
}

// Clustered tells whether the server is a member of a cluster.
func (s *Server) Clustered() bool { return s.o.clustered() }

// Current tells whether JetStream runs and this member has caught up with the cluster's.
func (s *Server) Current() bool { return s.ns.JetStreamEnabled() && s.ns.JetStreamIsCurrent() }

// Here lists the members that are connected to this one, by name, sorted.
func (s *Server) Here() []string {
	z, err := s.ns.Routez(nil)
	if err != nil {
		return nil
	}
	var names []string
	for _, r := range z.Routes {
		names = append(names, r.RemoteName)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Away lists the addresses of members that don't answer, in the order of Options.Nodes, with a word on those whose name
// nobody knows and those that have another cluster key. It takes up to a second.
func (s *Server) Away(ctx context.Context) []string {
	var out []string
	for _, p := range probe(ctx, s.Nodes(), s.routeTLS()) {
		if p.err != nil {
			out = append(out, p.addr+reason(p.err))
		}
	}
	return out
}
