package embed

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/key"
)

// Cluster is the name of the cluster: a server with another one is refused by the members.
const Cluster = "dmonitor"

// Where the server listens if Options is silent: the cluster's port, and NATS's own for clients on this host.
const (
	DefaultListen       = ":2929"
	DefaultClientListen = "127.0.0.1:4222"
)

// Options say how the member runs.
type Options struct {
	Name         string   // of the member: unique in the cluster, and always the same
	Nodes        []string // host:port of all members, this one included; none or one: standalone
	Listen       string   // address for the other members; empty: DefaultListen; not opened when standalone
	ClientListen string   // address for NATS clients; empty: DefaultClientListen; port 0: any free one
	Advertise    string   // host:port under which others are told of this member; empty: as they see it
	Data         string   // folder; made if missing
	MaxPayload   int      // bytes of the largest message
	Insecure     bool     // allow addresses that other hosts can reach without a key
	// Key is asked for the cluster key in force; nil: there is none. It must not come and go while the server runs.
	Key key.Source
	// KeyPath is the file that was looked for and isn't there, if Key is nil; for messages only. Empty: nobody looked.
	KeyPath string
	// Refuses says why a credential is refused although it was good when it was made; nil: none is. See SetRefuses.
	Refuses func(key.Credential) error
	Log     zerolog.Logger
}

// clustered tells whether this member has company.
func (o Options) clustered() bool { return len(o.Nodes) > 1 }

func (o Options) withDefaults() Options {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.ClientListen == "" {
		o.ClientListen = DefaultClientListen
	}
	return o
}

// forCluster is the purpose of the listener for the other members.
const forCluster = "the cluster"

// A listener is an address and the variable that sets it, for messages.
type listener struct {
	addr, variable, purpose string
	host                    string
	port                    int // -1: any free one
}

func newListener(addr, variable, purpose string) (listener, error) {
	l := listener{addr: addr, variable: variable, purpose: purpose}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return l, fmt.Errorf("%s=%q: want host:port, such as 127.0.0.1:2929", variable, addr)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < -1 || n > 65535 {
		return l, fmt.Errorf("%s=%q: the port is no number from 0 to 65535", variable, addr)
	}
	if n == 0 {
		n = -1 // the server takes 0 for "the default" here and for "off" there
	}
	if host == "" {
		host = "0.0.0.0"
	}
	l.host, l.port = host, n
	return l, nil
}

// local tells whether only processes of this host can connect.
func (l listener) local() bool {
	if l.host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(l.host)
	return err == nil && ip.IsLoopback()
}

// ErrNoKey is in the error of Start if it is refused for want of a cluster key.
var ErrNoKey = errors.New("there is no cluster key")

// guard refuses an address that other hosts can reach. What it says to do comes first for who forgot to copy the key to one
// node: a second key would keep that node out of its cluster.
func (l listener) guard(keyPath string) error {
	if l.local() {
		return nil
	}
	try := "to keep to this host"
	if l.purpose == forCluster { // which on loopback can't have members on other hosts
		try = "to try it out on one machine"
	}
	at, to := "", "this one (DMONITOR_KEY_FILE)"
	if keyPath != "" {
		at, to = " at "+keyPath, keyPath
	}
	return fmt.Errorf("%s=%q: %w%s, and anybody who reaches this address could read and write the bus, "+
		"so only loopback addresses are allowed for %s; copy cluster.key from another node to %s; only if no node has one, make it: "+
		"dmonitor keygen; or set %s=%s %s, or DMONITOR_INSECURE=true on a network you trust",
		l.variable, l.addr, ErrNoKey, at, l.purpose, to, l.variable, l.loopback(), try)
}

// loopback is the same port where only this host reaches it.
func (l listener) loopback() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(max(l.port, 0)))
}

// free returns an error if another process listens there. It says which variable to change, which the server's own
// message doesn't.
func (l listener) free() error {
	if l.port == -1 {
		return nil
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(l.host, strconv.Itoa(l.port)))
	if err != nil {
		remedy := ""
		if errors.Is(err, syscall.EADDRINUSE) {
			remedy = "; another process, perhaps another dmonitor, listens there: stop it, or choose another address"
		}
		return fmt.Errorf("listen for %s on %s (%s): %w%s", l.purpose, l.addr, l.variable, err, remedy)
	}
	return ln.Close()
}

// listeners checks both addresses and returns them. The cluster's is not looked at when standalone.
func (o Options) listeners() (client, cluster listener, err error) {
	if client, err = newListener(o.ClientListen, "DMONITOR_CLIENT_LISTEN", "clients"); err != nil {
		return client, cluster, err
	}
	used := []listener{client}
	if o.clustered() {
		if cluster, err = newListener(o.Listen, "DMONITOR_LISTEN", forCluster); err != nil {
			return client, cluster, err
		}
		used = append(used, cluster)
	}
	for _, l := range used {
		if o.keyed() {
			continue
		}
		if o.Insecure {
			if !l.local() {
				o.Log.Warn().Msgf("INSECURE: %s=%s is open to other hosts, without encryption or credentials "+
					"(DMONITOR_INSECURE=true, and no cluster key): whoever reaches it can read and write the bus", l.variable, l.addr)
			}
			continue
		}
		if err := l.guard(o.KeyPath); err != nil {
			return client, cluster, err
		}
	}
	return client, cluster, nil
}

// routes turns the list of members into what the server dials. They are sorted because a reload sorts those that are in use,
// in place, while they are being dialled.
func (o Options) routes() ([]*url.URL, error) {
	var out []*url.URL
	for _, n := range o.Nodes {
		host, port, err := net.SplitHostPort(n)
		if err != nil || host == "" || port == "" || strings.ContainsAny(n, "/@ ") {
			return nil, fmt.Errorf("node %q: want host:port, such as mon1.example.com:2929", n)
		}
		out = append(out, &url.URL{Scheme: "nats-route", Host: n})
	}
	slices.SortFunc(out, func(a, b *url.URL) int { return strings.Compare(a.String(), b.String()) })
	return out, nil
}
