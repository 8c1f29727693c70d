package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/demo/host"
	"github.com/dmonitor/dmonitor/demo/inbox"
	"github.com/dmonitor/dmonitor/pkg/bus"
)

// The cast. The interval is short so that the story is.
const (
	hostName  = "demo-host"
	testName  = "http"
	recipient = "you@example.com"
	interval  = 2 * time.Second
)

var nodeNames = []string{"tokyo", "fra", "nyc"}

// Options say how the demo runs.
type Options struct {
	Binary    string // the dmonitor binary to run the nodes with
	Out       *Timeline
	InboxHTTP string // address of the inbox page; empty: any free port
	Keep      bool   // keep the folder with the nodes' logs
}

// stage is everything the story plays on.
type stage struct {
	dir   string
	host  *host.Host
	inbox *inbox.Inbox
	nodes []*node
	bus   *bus.Bus
	watch *watcher
	stops []func() // in the order of setting up; run in reverse

	nycIsCut bool // by a key
}

// setUp starts inbox, host and nodes. On an error what has been started is stopped.
func setUp(ctx context.Context, o Options) (s *stage, err error) {
	s = &stage{watch: newWatcher()}
	defer func() {
		if err != nil {
			s.tearDown()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "dmonitor-demo-"); err != nil {
		return s, fmt.Errorf("make a folder for the demo: %w", err)
	}
	if !o.Keep {
		s.onStop(func() { os.RemoveAll(s.dir) })
	}
	if err := s.startInbox(o.InboxHTTP); err != nil {
		return s, err
	}
	if err := s.startHost(); err != nil {
		return s, err
	}
	if err := s.startNodes(ctx, o.Binary); err != nil {
		return s, err
	}
	return s, s.connect(ctx)
}

func (s *stage) onStop(f func()) { s.stops = append(s.stops, f) }

func (s *stage) tearDown() {
	for _, v := range slices.Backward(s.stops) {
		v()
	}
}

// background runs a part of the stage until tearDown, and waits for it there.
func (s *stage) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.watch.fail(err)
		}
	}()
	s.onStop(func() { cancel(); <-done })
}

func (s *stage) startInbox(httpListen string) (err error) {
	if httpListen == "" {
		httpListen = "127.0.0.1:0"
	}
	s.inbox, err = inbox.New(inbox.Options{SMTPListen: "127.0.0.1:0", HTTPListen: httpListen})
	if err != nil {
		return fmt.Errorf("start the inbox: %w", err)
	}
	s.background(s.inbox.Run)
	s.background(func(ctx context.Context) error { return s.watch.followInbox(ctx, s.inbox) })
	return nil
}

func (s *stage) startHost() (err error) {
	s.host, err = host.New(host.Options{HTTPListen: "127.0.0.1:0"})
	if err != nil {
		return fmt.Errorf("start the demo host: %w", err)
	}
	s.background(s.host.Run)
	return nil
}

func (s *stage) startNodes(ctx context.Context, binary string) error {
	const each = 3
	ports, err := freePorts(each * len(nodeNames))
	if err != nil {
		return err
	}
	var members []string
	for i := range nodeNames {
		members = append(members, ports[each*i])
	}
	s.onStop(s.stopNodes)
	for i, name := range nodeNames {
		n := &node{
			name: name, dir: filepath.Join(s.dir, name), binary: binary,
			listen: ports[each*i], client: ports[each*i+1], http: ports[each*i+2],
			members: strings.Join(members, ","), smtp: s.inbox.SMTPAddr(),
		}
		if n.path, err = host.NewPath(s.host.HTTPAddr()); err != nil {
			return fmt.Errorf("make the way from %s to the host: %w", name, err)
		}
		s.onStop(n.path.Close)
		if err := n.configure(); err != nil {
			return err
		}
		if err := n.start(); err != nil {
			return err
		}
		s.nodes = append(s.nodes, n)
	}
	return nil
}

// stopNodes stops all nodes at once: one after the other, the last ones would wait in vain for a majority.
func (s *stage) stopNodes() {
	var all sync.WaitGroup
	for _, n := range s.nodes {
		all.Go(n.stop)
	}
	all.Wait()
}

// connect joins the nodes' bus as any other tool would.
func (s *stage) connect(ctx context.Context) error {
	var urls []string
	for _, n := range s.nodes {
		urls = append(urls, "nats://"+n.client)
	}
	b, err := bus.Open(ctx, bus.Options{URL: strings.Join(urls, ","), Node: "demo", Log: zerolog.Nop()})
	if err != nil {
		return fmt.Errorf("connect to the nodes: %w", err)
	}
	s.bus = b
	s.onStop(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = b.Close(ctx) // The demo is over; the nodes go away next.
	})
	return s.watch.follow(b)
}

func (s *stage) node(name string) *node {
	for _, n := range s.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// freePorts finds loopback addresses nobody listens on. They are all held until all are found, so that they differ.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}
