// Package bustest runs whole buses inside a test: real members, opened as production opens them, on free ports of the
// loopback interface, with links that can be cut.
//
// A cluster of three takes 0.2 to 9 s to form: share one among the subtests of a package. Every wait in here has a
// deadline of a minute, after which the test fails.
package bustest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// Patience is how long anything in a test bus may take: many times what was measured, because machines are busy.
const Patience = time.Minute

// Cluster is a bus of some members, numbered from 0. Its methods fail the test when they can't do what they should.
type Cluster struct {
	t       testing.TB
	members []*member
	links   map[pair]*link
	log     *logBuffer
	end     chan struct{}
}

type member struct {
	opts  bus.Options
	bus   *bus.Bus
	dials []*proxy // what this member dials, by the number of the other
}

// pair names a link; the smaller number first.
type pair struct{ a, b int }

func between(i, j int) pair { return pair{min(i, j), max(i, j)} }

// New starts n members and waits until the bus is ready on each. One member is standalone. All is stopped when the test
// ends; a test that failed gets the members' log.
func New(t testing.TB, n int) *Cluster {
	t.Helper()
	folders := make([]string, n)
	for i := range folders {
		folders[i] = t.TempDir()
	}
	return On(t, folders...)
}

// On is New with one member on each of the given data folders, which may hold what they kept before.
func On(t testing.TB, folders ...string) *Cluster {
	t.Helper()
	return start(t, folders, nil)
}

// Keyed is New with members that ask these for the cluster key, one for each.
func Keyed(t testing.TB, sources ...key.Source) *Cluster {
	t.Helper()
	folders := make([]string, len(sources))
	for i := range folders {
		folders[i] = t.TempDir()
	}
	return start(t, folders, sources)
}

// envKey has all buses run with a cluster key, if it is set: every test has to pass with one as without.
const envKey = "DMONITOR_TEST_KEYED"

func start(t testing.TB, folders []string, sources []key.Source) *Cluster {
	t.Helper()
	n := len(folders)
	if sources == nil && os.Getenv(envKey) != "" {
		ring := NewRing(t)
		for range n {
			sources = append(sources, func() *key.Ring { return ring })
		}
	}
	c := &Cluster{t: t, links: map[pair]*link{}, log: &logBuffer{}, end: make(chan struct{})}
	for i := range n {
		c.members = append(c.members, &member{opts: bus.Options{
			Node: fmt.Sprintf("n%d", i), Data: folders[i],
			Listen: "127.0.0.1:0", ClientListen: "127.0.0.1:0",
			// Members tell each other where they are. They must not find a way around the links, so they tell lies.
			Advertise: "127.0.0.1:1",
		}})
		if sources != nil {
			c.members[i].opts.Key = sources[i]
		}
	}
	t.Cleanup(c.stop) // after the folders were made, so that they outlive the members
	if n > 1 {
		c.connect()
	}
	for i := range c.members {
		c.open(i)
	}
	var wg sync.WaitGroup
	for i := range c.members {
		wg.Go(func() { c.ready(i) })
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return c
}

// NewRing makes a ring of these cluster keys, the first in use; of a new one, if there are none.
func NewRing(t testing.TB, keys ...string) *key.Ring {
	t.Helper()
	if len(keys) == 0 {
		keys = []string{key.New()}
	}
	ring, err := key.Parse("cluster.key", []byte(strings.Join(keys, "\n")))
	if err != nil {
		t.Fatalf("bustest: %v", err)
	}
	return ring
}

// connect makes a proxy for each ordered pair of members, itself included: a member's list of nodes names itself.
func (c *Cluster) connect() {
	c.t.Helper()
	for i, m := range c.members {
		for j := range c.members {
			l := c.links[between(i, j)]
			if l == nil {
				l = newLink(c.end)
				c.links[between(i, j)] = l
			}
			p, err := newProxy(l)
			if err != nil {
				c.t.Fatalf("bustest: proxy: %v", err)
			}
			m.dials = append(m.dials, p)
			m.opts.Nodes = append(m.opts.Nodes, p.addr())
		}
	}
}

func (c *Cluster) open(i int) {
	c.t.Helper()
	m := c.members[i]
	ctx, stop := context.WithTimeout(context.Background(), Patience)
	defer stop()
	m.opts.Log = zerolog.New(c.log).Level(zerolog.DebugLevel).With().Timestamp().Str("node", m.opts.Node).Logger()
	b, err := bus.Open(ctx, m.opts)
	if err != nil {
		c.t.Fatalf("bustest: open member %d: %v", i, err)
	}
	m.bus = b
	c.aim(i, b.ClusterAddr())
}

func (c *Cluster) aim(i int, addr string) {
	for _, other := range c.members {
		if other.dials != nil {
			other.dials[i].aim(addr)
		}
	}
}

func (c *Cluster) ready(i int) bool {
	ctx, stop := context.WithTimeout(context.Background(), Patience)
	defer stop()
	if err := c.members[i].bus.Ready(ctx); err != nil {
		c.t.Errorf("bustest: member %d: %v", i, err)
		return false
	}
	return true
}

// Log is the last part of what the members have logged.
func (c *Cluster) Log() string { return c.log.String() }

// Len is the number of members, running or not.
func (c *Cluster) Len() int { return len(c.members) }

// Bus is member i; nil while it is stopped.
func (c *Cluster) Bus(i int) *bus.Bus { return c.members[i].bus }

// Options are those that member i is opened with.
func (c *Cluster) Options(i int) bus.Options { return c.members[i].opts }

// Name is the name of member i: "n0", "n1" and so on.
func (c *Cluster) Name(i int) string { return c.members[i].opts.Node }

// Stop stops member i politely and keeps its data.
func (c *Cluster) Stop(i int) {
	c.t.Helper()
	m := c.members[i]
	if m.bus == nil {
		return
	}
	c.aim(i, "")
	ctx, stop := context.WithTimeout(context.Background(), Patience)
	defer stop()
	if err := m.bus.Close(ctx); err != nil {
		c.t.Errorf("bustest: stop member %d: %v", i, err)
	}
	m.bus = nil
}

// Wipe takes a stopped member's disk away: it starts again with an empty one.
func (c *Cluster) Wipe(i int) {
	c.t.Helper()
	c.members[i].opts.Data = c.t.TempDir()
}

// Start starts a stopped member on its data and waits until the bus is ready there.
func (c *Cluster) Start(i int) {
	c.t.Helper()
	c.Open(i)
	if !c.ready(i) {
		c.t.FailNow()
	}
}

// Open starts a stopped member on its data, and waits for nothing.
func (c *Cluster) Open(i int) {
	c.t.Helper()
	if c.members[i].bus == nil {
		c.open(i)
	}
}

// Cut cuts member i off from all others. Its clients on this host still reach it.
func (c *Cluster) Cut(i int) { c.each(i, (*link).cut) }

// Heal mends all links of member i.
func (c *Cluster) Heal(i int) { c.each(i, (*link).heal) }

func (c *Cluster) each(i int, f func(*link)) {
	for j := range c.members {
		if l := c.links[between(i, j)]; l != nil && j != i {
			f(l)
		}
	}
}

// CutPair cuts the link between two members.
func (c *Cluster) CutPair(i, j int) { c.links[between(i, j)].cut() }

// HealPair mends the link between two members.
func (c *Cluster) HealPair(i, j int) { c.links[between(i, j)].heal() }

// Client connects to the bus as a process does that embeds nothing: it knows the addresses of all members that run now.
// It is closed when the test ends.
func (c *Cluster) Client(t testing.TB) *bus.Bus {
	t.Helper()
	var urls []string
	for _, m := range c.members {
		if m.bus != nil {
			urls = append(urls, m.bus.ClientURL())
		}
	}
	ctx, stop := context.WithTimeout(context.Background(), Patience)
	defer stop()
	b, err := bus.Open(ctx, bus.Options{
		URL: strings.Join(urls, ","), Node: "client", Key: c.members[0].opts.Key,
		Log: zerolog.New(c.log).With().Timestamp().Str("node", "client").Logger(),
	})
	if err != nil {
		t.Fatalf("bustest: connect: %v", err)
	}
	t.Cleanup(func() {
		ctx, stop := context.WithTimeout(context.Background(), Patience)
		defer stop()
		_ = b.Close(ctx)
	})
	if err := b.Ready(ctx); err != nil {
		t.Fatalf("bustest: connect: %v", err)
	}
	return b
}

// stop ends everything. Members stop together: a lone one would first look for a majority to hand over to.
func (c *Cluster) stop() {
	for _, l := range c.links {
		l.heal()
	}
	var wg sync.WaitGroup
	for i := range c.members {
		wg.Go(func() { c.Stop(i) })
	}
	wg.Wait()
	close(c.end)
	for _, m := range c.members {
		for _, p := range m.dials {
			_ = p.ln.Close()
		}
	}
	if c.t.Failed() {
		c.t.Logf("the members' log:\n%s", c.log)
	}
}

// logBuffer keeps the last part of a log.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const keepLog = 256 << 10

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if over := l.buf.Len() + len(p) - keepLog; over > 0 {
		l.buf.Next(min(over, l.buf.Len()))
	}
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
