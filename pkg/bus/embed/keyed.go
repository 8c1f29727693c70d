package embed

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/dmonitor/dmonitor/pkg/key"
)

// How long a handshake may take, in seconds; and how long after a change of keys a route may turn up that shook hands
// before: the server gives one up that doesn't introduce itself within three pings.
const (
	tlsTimeout = 5
	lateRoutes = 10 * time.Second
)

// mostSeen is how many certificates of other members are remembered, one for each day and start of each. The connection
// of one that was forgotten is made again when keys change; nothing worse.
const mostSeen = 1024

// keyed tells whether this member has a cluster key.
func (o Options) keyed() bool { return o.Key != nil }

// routeKeys is the members' side of the cluster key: the TLS of the routes, and a memory of whose certificate was shown,
// by which those routes are found again whose key is no longer accepted.
type routeKeys struct {
	source key.Source
	config *tls.Config

	mu   sync.Mutex
	seen map[string]*x509.Certificate // by what the server calls a pin: the hash of the public key
}

func newRouteKeys(source key.Source, node string) *routeKeys {
	r := &routeKeys{source: source, seen: map[string]*x509.Certificate{}}
	r.config = key.RouteTLS(source, node, nil)
	forClient := r.config.GetConfigForClient
	r.config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		c, err := forClient(hello)
		if c != nil {
			c.VerifyConnection = r.remember(c.VerifyConnection)
		}
		return c, err
	}
	r.config.VerifyConnection = r.remember(r.config.VerifyConnection)
	return r
}

// remember notes the certificate of whoever passes verify.
func (r *routeKeys) remember(verify func(tls.ConnectionState) error) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		if err := verify(cs); err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.seen) >= mostSeen {
			for pin := range r.seen { // any
				delete(r.seen, pin)
				break
			}
		}
		r.seen[pin(cs.PeerCertificates[0])] = cs.PeerCertificates[0]
		return nil
	}
}

// pin is how the server calls a certificate in its list of those that are allowed.
func pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// sort returns the certificates that a key of the ring in force vouches for, and how many there are of others, which it
// forgets.
func (r *routeKeys) sort() (good server.PinnedCertSet, bad int) {
	authorities := r.source().RouteCAs()
	good = server.PinnedCertSet{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for pin, cert := range r.seen {
		if slices.ContainsFunc(authorities, func(ca *x509.Certificate) bool { return cert.CheckSignatureFrom(ca) == nil }) {
			good[pin] = struct{}{}
		} else {
			delete(r.seen, pin)
			bad++
		}
	}
	return good, bad
}

// KeyChanged tells the server that another ring is in force: what came in by a key that is no longer accepted is
// closed, in both directions. New connections are held against the new ring anyway.
func (s *Server) KeyChanged() {
	if s.routes == nil && s.gate.source == nil {
		return
	}
	s.gate.sweep()
	s.closeRoutes()
	time.AfterFunc(lateRoutes, s.closeRoutes)
}

// closeRoutes closes the routes to those whose certificate no accepted key vouches for. The server can be told which
// certificates are allowed, and closes the others then, whoever has dialled; right after that all are allowed again, since
// a member that starts anew comes with a new one.
func (s *Server) closeRoutes() {
	if s.routes == nil || !s.ns.Running() {
		return
	}
	good, bad := s.routes.sort()
	if bad == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	conf := s.conf.Clone()
	conf.Cluster.TLSPinnedCerts = good
	err := s.reload(conf)
	if rerr := s.reload(s.conf.Clone()); err == nil {
		err = rerr
	}
	if err != nil {
		s.log.Error().Err(err).Msg("can't close the connections of members whose key is no longer accepted; restart dmonitor here")
	}
}

// reload gives the running server other options. The caller holds the lock.
func (s *Server) reload(conf *server.Options) error {
	if s.routes != nil { // the server would take a clone for another one
		conf.Cluster.TLSConfig = s.routes.config
	}
	conf.TLSConfig = s.clientTLS
	if err := s.ns.ReloadOptions(conf); err != nil {
		return err
	}
	s.ns.SetLoggerV2(s.serverLog, false, false, false) // a reload may have put the server's own in its place
	return nil
}

// SetRefuses gives the server another rule on whose credential is refused although it was good when it was made. Those
// of them who are connected are disconnected.
func (s *Server) SetRefuses(refuses func(key.Credential) error) { s.gate.setRefuses(refuses) }

// secure gives the server what follows from the cluster key.
func (s *Server) secure(ctx context.Context, conf *server.Options, cluster listener) error {
	if !s.o.keyed() {
		return nil
	}
	if s.o.Key() == nil {
		return fmt.Errorf("use the cluster key: none is in force")
	}
	s.clientTLS = key.ClientPortTLS(s.o.Key, s.o.Name, s.o.names(ctx, cluster))
	conf.TLSConfig, conf.TLSTimeout = s.clientTLS, tlsTimeout
	if s.o.clustered() {
		s.routes = newRouteKeys(s.o.Key, s.o.Name)
		conf.Cluster.TLSConfig, conf.Cluster.TLSTimeout = s.routes.config, tlsTimeout
	}
	return nil
}

// names are those under which clients may know this member: its own, the host's, its addresses, and its entries in the
// list of members.
func (o Options) names(ctx context.Context, cluster listener) []string {
	out := []string{o.Name}
	if host, err := os.Hostname(); err == nil {
		out = append(out, host)
	}
	here := interfaceAddrs()
	for _, ip := range here {
		out = append(out, ip.WithZone("").String())
	}
	for _, addr := range []string{o.Listen, o.ClientListen, o.Advertise} {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			out = append(out, host)
		}
	}
	ctx, stop := context.WithTimeout(ctx, selfWait)
	defer stop()
	if o.clustered() {
		for _, n := range o.Nodes {
			if host, _, err := net.SplitHostPort(n); err == nil && cluster.at(ctx, n, here) {
				out = append(out, host)
			}
		}
	}
	return slices.DeleteFunc(out, func(name string) bool { return !plain(name) })
}

// plain tells whether a name can stand in a certificate.
func plain(name string) bool {
	if ip := net.ParseIP(name); ip != nil {
		return !ip.IsUnspecified()
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return name != ""
}
