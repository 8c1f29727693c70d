package embed

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/dmonitor/dmonitor/pkg/key"
)

// probeWait is how long a member gets to say its name: a few round trips to the other side of the world. Without a key,
// what has said nothing after greetWait is asked whether it has one.
const (
	probeWait = time.Second
	greetWait = 600 * time.Millisecond
)

// A peer is what answered on a member's address.
type peer struct {
	addr string
	name string // empty: it didn't say
	err  error
}

// What is wrong between members when it is the cluster key.
var (
	errNoKeyThere = errors.New("it has no cluster key, and this node has one")
	errNoKeyHere  = errors.New("it has a cluster key, and this node has none")
	errOtherKey   = errors.New("it has another cluster key than this node")
	errNotTaken   = errors.New("it doesn't accept this node's cluster key")
)

// probe asks all members' addresses at once, with the TLS of the routes if there is a cluster key. A member says its name
// before anything else, so nothing is sent.
func probe(ctx context.Context, addrs []string, routes *tls.Config) []peer {
	ctx, stop := context.WithTimeout(ctx, probeWait)
	defer stop()
	out := make([]peer, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() {
			out[i].addr = addr
			if routes == nil {
				out[i].name, out[i].err = probePlain(ctx, addr)
			} else {
				out[i].name, out[i].err = probeTLS(ctx, addr, routes)
			}
		})
	}
	wg.Wait()
	return out
}

// dial connects for as long as the context lasts.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
	return conn, nil
}

func probePlain(ctx context.Context, addr string) (string, error) {
	greet, stop := context.WithTimeout(ctx, greetWait)
	defer stop()
	conn, err := dial(greet, addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	name, err := readName(conn)
	if err != nil && hasKey(ctx, addr) {
		return "", errNoKeyHere
	}
	return name, err
}

// readName reads a member's first line.
func readName(conn net.Conn) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(conn, 64<<10)).ReadString('\n')
	if err != nil {
		return "", err
	}
	var info struct {
		Name string `json:"server_name"`
	}
	if body, ok := strings.CutPrefix(line, "INFO "); ok {
		err = json.Unmarshal([]byte(body), &info)
	}
	return info.Name, err
}

// hasKey tells whether what listens there begins with a handshake, as a member with a key does. It proves nothing.
func hasKey(ctx context.Context, addr string) bool {
	conn, err := dial(ctx, addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	c := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}) //nolint:gosec // nothing is said
	return c.HandshakeContext(ctx) == nil
}

// probeTLS shakes hands, which tells the name, and waits for the first line, which tells that the other side is content
// with this one's certificate.
func probeTLS(ctx context.Context, addr string, routes *tls.Config) (string, error) {
	conn, err := dial(ctx, addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	c := tls.Client(conn, routes.Clone())
	if err := c.HandshakeContext(ctx); err != nil {
		return "", handshakeError(err)
	}
	name, err := key.PeerNode(c.ConnectionState())
	if err != nil {
		return "", err
	}
	if _, err := readName(c); err != nil {
		return "", handshakeError(err)
	}
	return name, nil
}

// handshakeError says what an error means for the cluster key, if it means something.
func handshakeError(err error) error {
	var plain tls.RecordHeaderError
	var alert tls.AlertError
	var remote *net.OpError
	switch {
	case errors.Is(err, key.ErrOtherKey):
		return errOtherKey
	case errors.As(err, &plain):
		return errNoKeyThere
	case errors.As(err, &alert), errors.As(err, &remote) && remote.Op == "remote error":
		return errNotTaken
	default:
		return err
	}
}

// keyTrouble says in words what is wrong with the cluster key here or there; "" if it isn't that.
func keyTrouble(err error) string {
	for _, e := range []error{errNoKeyThere, errNoKeyHere, errOtherKey, errNotTaken} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	return ""
}

// nameIsFree returns an error if a running member already has this one's name. It is called before the server starts,
// so whoever answers is another one.
func (s *Server) nameIsFree(ctx context.Context) error {
	for _, p := range probe(ctx, s.o.Nodes, s.routeTLS()) {
		if p.name == s.o.Name {
			return errTaken(s.o.Name, p.addr)
		}
	}
	return nil
}

// routeTLS is the TLS between members; nil if there is none.
func (s *Server) routeTLS() *tls.Config {
	if s.routes == nil {
		return nil
	}
	return s.routes.config
}

// reason tells a name that doesn't exist, which is a mistake in the list, and a cluster key that is not ours, from a host
// that is off.
func reason(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return " (no such host in DNS)"
	}
	if why := keyTrouble(err); why != "" {
		return " (" + why + ")"
	}
	return ""
}

func errTaken(name, where string) error {
	return fmt.Errorf("join the bus as %q: the member at %s has this name already; every node needs its own (DMONITOR_NODE)", name, where)
}
