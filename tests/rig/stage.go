package rig

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/demo/host"
	"github.com/dmonitor/dmonitor/demo/inbox"
)

// Stage is what the nodes look at and whom they tell.
type Stage struct {
	Host  *host.Host
	Inbox *inbox.Inbox
	Nodes []*Node
}

// NewStage starts a host, an inbox, and n nodes that look at the host once per interval.
func NewStage(t testing.TB, n int, interval time.Duration) *Stage {
	t.Helper()
	s := SetStage(t, n, interval)
	for _, n := range s.Nodes {
		n.Start()
	}
	return s
}

// SetStage is NewStage without starting the nodes, which have more in their environment.
func SetStage(t testing.TB, n int, interval time.Duration, env ...string) *Stage {
	t.Helper()
	s := &Stage{}
	var err error
	if s.Host, err = host.New(host.Options{HTTPListen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	if s.Inbox, err = inbox.New(inbox.Options{SMTPListen: "127.0.0.1:0", HTTPListen: "127.0.0.1:0", MaxMails: 10_000}); err != nil {
		t.Fatal(err)
	}
	Background(t, s.Host.Run)
	Background(t, s.Inbox.Run)
	_, port, err := net.SplitHostPort(s.Host.HTTPAddr())
	if err != nil {
		t.Fatal(err)
	}
	s.Nodes = NewNodes(t, n, map[string]string{
		"hosts.d/127.0.0.1/tcp":   fmt.Sprintf("interval: %s\ntimeout: 1s\nargs: [-H, 127.0.0.1, -p, %q]\n", interval, port),
		"alert.d/ops@example.com": "",
	}, append(env, "DMONITOR_SMTP_URL=smtp://"+s.Inbox.SMTPAddr(), "DMONITOR_MAIL_FROM=dmonitor@example.com")...)
	return s
}

// Up brings the host back.
func (s *Stage) Up(t testing.TB) {
	t.Helper()
	if err := s.Host.Up(); err != nil {
		t.Fatal(err)
	}
}

// Background runs a part until the test ends, and waits for it.
func Background(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// WaitLooking waits until every living node looks at the check and says up.
func (s *Stage) WaitLooking(t testing.TB, client *TextClient, nodes int) {
	t.Helper()
	seen := map[string]bool{}
	start := len(client.Events())
	Until(t, fmt.Sprintf("results of %d nodes", nodes), func() bool {
		for _, e := range client.Events()[start:] {
			seen[strings.Split(e.Subject, ".")[2]] = true
		}
		return len(seen) == nodes
	})
}

// Settle waits until every node has looked twice more, so that what would be told once too often shows.
func (s *Stage) Settle(t testing.TB, results *TextClient, nodes int) {
	t.Helper()
	for range 2 {
		s.WaitLooking(t, results, nodes)
	}
}

// WaitClients waits until every node takes clients.
func WaitClients(t testing.TB, nodes []*Node) {
	t.Helper()
	for _, n := range nodes {
		Until(t, n.Addr+" takes clients", func() bool {
			conn, err := net.DialTimeout("tcp", n.Addr+":4222", time.Second)
			if err != nil {
				return false
			}
			conn.Close()
			return true
		})
	}
}
