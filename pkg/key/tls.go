package key

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// RouteTLS is for port 2929, in both directions: mutual TLS 1.3 in which both ends show a certificate under the routes'
// authority of an accepted key. Host names and clocks play no part. The ring is asked for at each handshake, and nothing is
// resumed, so a removed key lets nobody in any more; connections that are there stay, and it is for the caller to close them:
// verified (may be nil) is told of each, with the fingerprint of the key that vouched for the peer. The connection is that
// underneath TLS, and nil for those that were dialled: crypto/tls doesn't say there which one it is.
//
// node is the name that the certificates of this end carry, see PeerNode.
func RouteTLS(s Source, node string, verified func(conn net.Conn, keyID string)) *tls.Config {
	own := &shown{node: node, of: func(k *derived) authority { return k.routes }}
	check := func(conn net.Conn, use x509.ExtKeyUsage) func(tls.ConnectionState) error {
		return func(cs tls.ConnectionState) error {
			id, err := vouched(s(), cs.PeerCertificates, own.of, use)
			if err == nil && verified != nil {
				verified(conn, id)
			}
			return err
		}
	}
	get := func() (*tls.Certificate, error) { return own.certificate(s(), time.Now()) }
	server := func(conn net.Conn) *tls.Config {
		return &tls.Config{
			MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
			GetCertificate:   func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return get() },
			ClientAuth:       tls.RequireAnyClientCert, // VerifyConnection does the verifying
			VerifyConnection: check(conn, x509.ExtKeyUsageClientAuth),
		}
	}
	both := server(nil)
	both.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) { return server(hello.Conn), nil }
	both.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return get() }
	// Only the dialling end gets here: the other one has a configuration of its own for each client.
	both.VerifyConnection = check(nil, x509.ExtKeyUsageServerAuth)
	both.InsecureSkipVerify = true //nolint:gosec // VerifyConnection verifies the chain; names prove nothing here
	return both
}

// PeerNode is the name of the node that a certificate belongs to, at the other end of a connection whose handshake was
// made with RouteTLS.
func PeerNode(cs tls.ConnectionState) (string, error) {
	if !cs.HandshakeComplete || len(cs.PeerCertificates) == 0 {
		return "", errors.New("the peer has shown no certificate")
	}
	node := cs.PeerCertificates[0].Subject.CommonName
	if err := events.ValidateNode(node); err != nil {
		return "", fmt.Errorf("the peer's certificate: %w", err)
	}
	return node, nil
}

// ClientPortTLS is the server's side of the clients' port: TLS 1.3 with a certificate under the clients' authority of the key
// in use. While there are several accepted keys, a client that knows the authority of any of them can follow it. names are
// those under which foreign clients may know this node, host names or addresses; "dmonitor" and "localhost" are always
// among them.
func ClientPortTLS(s Source, node string, names []string) *tls.Config {
	all := slices.Concat([]string{"dmonitor", "localhost", "127.0.0.1", "::1"}, names)
	slices.Sort(all)
	own := &shown{node: node, names: slices.Compact(all), of: func(k *derived) authority { return k.clients }}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own.certificate(s(), time.Now()) },
	}
}

// DialTLS is for a client that holds the key: it trusts a clients' port whose certificate is of an accepted key, whatever
// its name.
func (r *Ring) DialTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, err := vouched(r, cs.PeerCertificates, func(k *derived) authority { return k.clients }, x509.ExtKeyUsageServerAuth)
			return err
		},
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies the chain; names prove nothing here
	}
}

// ErrOtherKey is wrapped by the error of a handshake with somebody whose certificate is of no accepted key.
var ErrOtherKey = errors.New("the other side's certificate is of no cluster key that is accepted here")

// vouched returns the fingerprint of the key whose authority signed the peer's certificate. Time plays no part: who could
// use an old certificate has had the key itself.
func vouched(r *Ring, peer []*x509.Certificate, of func(*derived) authority, use x509.ExtKeyUsage) (string, error) {
	if r == nil {
		return "", errNoKey
	}
	if len(peer) == 0 {
		return "", errors.New("the other side shows no certificate")
	}
	leaf := peer[0]
	for _, k := range r.keys {
		if leaf.CheckSignatureFrom(of(k).cert) != nil {
			continue
		}
		if leaf.IsCA || len(leaf.UnhandledCriticalExtensions) > 0 || !slices.Contains(leaf.ExtKeyUsage, use) {
			return "", errors.New("the other side's certificate is not meant for this")
		}
		return k.id, nil
	}
	return "", ErrOtherKey
}

// shown is the certificate that this process shows for one purpose. It has a fresh key, and is made again when it is a day
// old, or when another key is in use.
type shown struct {
	node  string
	names []string
	of    func(*derived) authority

	mu   sync.Mutex
	ring *Ring
	made time.Time
	cert *tls.Certificate
}

func (c *shown) certificate(r *Ring, now time.Time) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A clock that was put back makes it stale too.
	if age := now.Sub(c.made); c.cert != nil && c.ring == r && age >= 0 && age < leafRenew {
		return c.cert, nil
	}
	first, err := r.inUse()
	if err != nil {
		return nil, err
	}
	cert, err := c.issue(first, r.keys[1:], now)
	if err != nil {
		return nil, err
	}
	c.ring, c.made, c.cert = r, now, cert
	return cert, nil
}

func (c *shown) issue(first *derived, others []*derived, now time.Time) (*tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	leaf, err := c.of(first).leaf(c.node, c.names, public, now)
	if err != nil {
		return nil, err
	}
	out := &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: private, Leaf: leaf}
	if len(c.names) == 0 {
		return out, nil // Members trust certificates right under an authority only.
	}
	for _, k := range others {
		cross, err := c.of(k).cross(c.of(first), now)
		if err != nil {
			return nil, err
		}
		out.Certificate = append(out.Certificate, cross.Raw)
	}
	return out, nil
}
