package bus_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// fixed is a source that never changes.
func fixed(r *key.Ring) key.Source { return func() *key.Ring { return r } }

// lone opens a member of a cluster whose other member is at the given address, if that is there at all.
func lone(t *testing.T, name, other string, source key.Source, log io.Writer) *bus.Bus {
	t.Helper()
	b, err := bus.Open(within(t), bus.Options{
		Node: name, Nodes: []string{"127.0.0.1:1", other}, Listen: "127.0.0.1:0", ClientListen: "127.0.0.1:0",
		Data: t.TempDir(), Key: source, Log: zerolog.New(log).Level(zerolog.InfoLevel),
	})
	must(t, err)
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), bustest.Patience)
		defer stop()
		must(t, b.Close(ctx))
	})
	return b
}

// Who doesn't hold the cluster key reads no byte of what members say to each other.
func TestStrangersReadNothing(t *testing.T) {
	ours, theirs := bustest.NewRing(t), bustest.NewRing(t)
	member := lone(t, "n0", "127.0.0.1:2", fixed(ours), io.Discard)
	for name, hello := range map[string]func(net.Conn) net.Conn{
		"in clear":       func(c net.Conn) net.Conn { return c },
		"a NATS member":  func(c net.Conn) net.Conn { _, _ = io.WriteString(c, "CONNECT {\"name\":\"x\"}\r\nPING\r\n"); return c },
		"no certificate": func(c net.Conn) net.Conn { return tls.Client(c, &tls.Config{InsecureSkipVerify: true}) },
		"another key's certificate": func(c net.Conn) net.Conn {
			conf := key.RouteTLS(fixed(theirs), "n1", nil)
			conf.VerifyConnection = nil // it takes anybody
			return tls.Client(c, conf)
		},
		"the right certificate by TLS 1.2": func(c net.Conn) net.Conn {
			conf := key.RouteTLS(fixed(ours), "n1", nil)
			conf.MinVersion, conf.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
			return tls.Client(c, conf)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := net.Dial("tcp", member.ClusterAddr())
			must(t, err)
			t.Cleanup(func() { raw.Close() })
			must(t, raw.SetDeadline(time.Now().Add(bustest.Patience)))
			conn := hello(raw)
			got, err := io.ReadAll(conn)
			if _, clear := conn.(*net.TCPConn); clear && bytes.HasPrefix(got, []byte{21}) { // an alert of TLS
				got = nil
			}
			if timeout := net.Error(nil); len(got) > 0 || errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("read %q, %v; want nothing, and the end", got, err)
			}
		})
	}
	t.Run("the right one", func(t *testing.T) { // else the others prove nothing
		conn, err := tls.Dial("tcp", member.ClusterAddr(), key.RouteTLS(fixed(ours), "n1", nil))
		must(t, err)
		defer conn.Close()
		must(t, conn.SetDeadline(time.Now().Add(bustest.Patience)))
		got := make([]byte, 5)
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != "INFO " {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// Nodes whose keys don't fit say so on both sides, once, and what to do.
func TestKeysThatDontFit(t *testing.T) {
	one, other := bustest.NewRing(t), bustest.NewRing(t)
	const say = "no connection to the node at 127.0.0.1"
	for name, c := range map[string]struct {
		here, there key.Source
		why         []string // any of them, there
	}{
		"another key":  {fixed(one), fixed(other), []string{"it has another cluster key than this node", "it doesn't accept this node's cluster key"}},
		"no key there": {fixed(one), nil, []string{"it has no cluster key, and this node has one"}},
		"no key here":  {nil, fixed(one), []string{"it has a cluster key, and this node has none"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var there, here lockedBuffer
			first := lone(t, "n0", "127.0.0.1:2", c.there, &there)
			second := lone(t, "n1", first.ClusterAddr(), c.here, &here)
			eventually(t, "the dialling side says why", func() bool {
				return slices.ContainsFunc(c.why, func(why string) bool { return strings.Contains(here.String(), why) })
			})
			eventually(t, "the other side says so too", func() bool { return strings.Contains(there.String(), say) })
			eventually(t, "who waits says so", func() bool {
				got := second.WaitsFor(within(t))
				return slices.ContainsFunc(c.why, func(why string) bool { return strings.Contains(got, why) })
			})
			for side, log := range map[string]string{"here": here.String(), "there": there.String()} {
				if n := strings.Count(log, say); n != 1 || !strings.Contains(log, "DMONITOR_KEY_FILE") {
					t.Errorf("%s: said %d times:\n%s", side, n, log)
				}
				if strings.Contains(log, "bus: ") {
					t.Errorf("%s: the server's own words:\n%s", side, log)
				}
			}
			if len(second.Members())+len(first.Members()) > 0 {
				t.Errorf("they are connected: %q, %q", second.Members(), first.Members())
			}
		})
	}
}

// changing is a source that changes.
type changing struct{ ring atomic.Pointer[key.Ring] }

func (c *changing) set(r *key.Ring) { c.ring.Store(r) }

// A key is changed on three members without a stop: add, swap, remove. After each step all routes are there, and an event
// reaches everybody. Routes that came in by the removed key don't stay, whoever dialled; nor do clients.
func TestKeyChange(t *testing.T) {
	old, young := key.New(), key.New()
	var sources [3]changing
	for i := range sources {
		sources[i].set(bustest.NewRing(t, old))
	}
	c := bustest.Keyed(t, sources[0].ring.Load, sources[1].ring.Load, sources[2].ring.Load)
	var log lockedBuffer
	stale := lone(t, "n9", c.Bus(0).ClusterAddr(), fixed(bustest.NewRing(t, old)), &log) // the others dial it too
	eventually(t, "a node with the old key is in", func() bool { return len(stale.Members()) == 3 })
	oldCreds := mint(t, bustest.NewRing(t, old), events.CredentialReader, "grafana")
	reader := connectCreds(t, c.Bus(1), oldCreds)
	step := func(what string, keys ...string) {
		t.Helper()
		for i := range sources {
			sources[i].set(bustest.NewRing(t, keys...))
			c.Bus(i).KeyChanged()
			eventually(t, what+": all are connected to all", func() bool {
				for j := range sources {
					for k := range sources {
						if j != k && !slices.Contains(c.Bus(j).Members(), c.Name(k)) {
							return false
						}
					}
				}
				return true
			})
		}
		propose(t, c.Bus(1), opened(check(what+".example.com"), "n1"), 0)
	}
	step("add", old, young)
	step("swap", young, old)
	if !reader.IsConnected() || reader.Stats().Reconnects > 0 {
		t.Error("a client was disconnected while its key was accepted")
	}
	step("remove", young)
	eventually(t, "who came in by the old key is gone", func() bool { return !reader.IsConnected() })
	if nc, err := nats.Connect(c.Bus(0).ClientURL(), credsOptions(oldCreds)...); err == nil {
		nc.Close()
		t.Error("a credential of the old key is accepted")
	}
	connectCreds(t, c.Bus(2), mint(t, sources[0].ring.Load(), events.CredentialReader, "grafana"))

	eventually(t, "the node with the old key is out", func() bool {
		for i := range sources {
			if slices.Contains(c.Bus(i).Members(), "n9") {
				return false
			}
		}
		return len(stale.Members()) == 0
	})
	eventually(t, "it hears why it isn't let in again", func() bool {
		return strings.Contains(log.String(), "it has another cluster key than this node")
	})
	if got := stale.Members(); len(got) > 0 {
		t.Errorf("a node with the old key is connected to %q", got)
	}
}

// Whose credentials have expired is named in the log, so that somebody knows whom to give others.
func TestWhoHasExpiredIsNamed(t *testing.T) {
	t.Parallel()
	ring := bustest.NewRing(t)
	var log lockedBuffer
	member := lone(t, "n0", "127.0.0.1:2", fixed(ring), &log)
	file, _, err := ring.Mint(events.CredentialProber, "tokyo-1", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	must(t, err)
	creds, err := key.ParseCreds("test", file)
	must(t, err)
	if nc, err := nats.Connect(member.ClientURL(), credsOptions(creds)...); err == nil {
		nc.Close()
		t.Error("let in with what has expired")
	}
	eventually(t, "the log names who was refused", func() bool { return strings.Contains(log.String(), "refused prober tokyo-1 at 127.0.0.1:") })
}

func mint(t *testing.T, r *key.Ring, kind events.CredentialKind, name string) *key.Creds {
	t.Helper()
	file, _, err := r.Mint(kind, name, time.Now(), time.Time{})
	must(t, err)
	creds, err := key.ParseCreds("test", file)
	must(t, err)
	return creds
}

// credsOptions connects as any client in any language would.
func credsOptions(c *key.Creds) []nats.Option {
	return []nats.Option{
		nats.UserJWT(c.JWT, c.Sign), nats.Secure(c.TLS()), nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond),
		nats.IgnoreAuthErrorAbort(), nats.CustomInboxPrefix(events.InboxPrefix(c.Kind, c.Name)),
	}
}

func connectCreds(t *testing.T, b *bus.Bus, c *key.Creds, more ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(b.ClientURL(), append(credsOptions(c), more...)...)
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}
