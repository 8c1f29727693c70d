package cluster

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// counted is what a client with a credential hears: who looks.
type counted struct {
	nc *nats.Conn

	mu    sync.Mutex
	looks map[string]int // results by node
}

func count(t *testing.T, n *rig.Node, c *key.Creds) *counted {
	t.Helper()
	k := &counted{looks: map[string]int{}}
	var err error
	if k.nc, err = nats.Connect("nats://"+n.Addr+":4222", append(rig.As(c), nats.NoReconnect())...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.nc.Close)
	_, err = k.nc.Subscribe(events.AllResults, func(m *nats.Msg) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.looks[strings.Split(m.Subject, ".")[2]]++
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// awaitLooks waits until every node's results have come twice more.
func (k *counted) awaitLooks(t *testing.T, nodes int) {
	t.Helper()
	k.mu.Lock()
	clear(k.looks)
	k.mu.Unlock()
	rig.Until(t, "all nodes look, and are heard", func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		all := 0
		for _, n := range k.looks {
			if n >= 2 {
				all++
			}
		}
		return all == nodes
	})
}

// The cluster key is changed on three running nodes, in three steps, while something goes down and comes up: it is told
// once, everybody hears everybody after each step, and who has the old key only is shut out in the end.
func TestKeyIsChangedWithoutAStop(t *testing.T) {
	t.Parallel()
	if rig.Key() == "" {
		t.Skip("the nodes have no key in this run")
	}
	s := rig.NewStage(t, 3, time.Second)
	rig.WaitClients(t, s.Nodes)
	old, young := rig.Key(), key.New()
	_, oldCreds := rig.Mint(t, old, events.CredentialNode, "old")
	_, youngCreds := rig.Mint(t, young, events.CredentialNode, "young")
	before := count(t, s.Nodes[1], oldCreds)
	before.awaitLooks(t, 3)

	write := func(n *rig.Node, keys ...string) {
		t.Helper()
		const said = "the cluster key has changed"
		times := strings.Count(n.Log(), said)
		n.WriteKey("# written by a test\n" + strings.Join(keys, "\n") + "\n")
		rig.Until(t, "the node says that it has another key", func() bool { return strings.Count(n.Log(), said) > times })
	}
	for _, n := range s.Nodes {
		write(n, old, young)
		before.awaitLooks(t, 3)
	}
	after := count(t, s.Nodes[2], youngCreds)
	for i, n := range s.Nodes {
		write(n, young, old)
		if i == 0 {
			s.Host.Down()
		}
		before.awaitLooks(t, 3)
	}
	rig.Until(t, "a mail", func() bool { return len(s.Inbox.Mails()) >= 1 })
	s.Nodes[0].WriteKey("dmonitor-key-1-NONSENSE\n")
	rig.Until(t, "a bad key file is told with its line", func() bool { return strings.Contains(s.Nodes[0].Log(), "cluster.key:1: ") })
	for i, n := range s.Nodes {
		write(n, young)
		if i == 1 {
			s.Up(t)
		}
		after.awaitLooks(t, 3)
	}
	rig.Until(t, "another mail", func() bool { return len(s.Inbox.Mails()) >= 2 })
	after.awaitLooks(t, 3)
	// What a plain subscriber hears is not asked: connections between nodes are made again when a key is removed.
	if out, _ := s.Nodes[1].Run("outages", "--json"); strings.Count(out, "\n") != 2 || len(s.Inbox.Mails()) != 2 {
		t.Errorf("%d mails, and the log says\n%s\nwant one opened and one closed, of both", len(s.Inbox.Mails()), out)
	}
	rig.Until(t, "who came in by the old key is disconnected", before.nc.IsClosed)
	for _, n := range s.Nodes {
		if nc, err := nats.Connect("nats://"+n.Addr+":4222", rig.As(oldCreds)...); err == nil {
			nc.Close()
			t.Errorf("%s takes a credential of the old key", n.Addr)
		}
	}

	late := s.Nodes[2]
	late.Stop()
	late.WriteKey(old)
	late.Start()
	rig.Until(t, "both sides say why it isn't let in", func() bool {
		return strings.Contains(late.Log(), "which doesn't have our cluster key") && strings.Contains(s.Nodes[0].Log(), "which doesn't have our cluster key")
	})
}

// A first key on running nodes: each starts again by itself, and they find each other when all have it.
func TestFirstKey(t *testing.T) {
	t.Parallel()
	s := rig.NewStage(t, 1, time.Second)
	if rig.Key() == "" {
		t.Skip("the nodes have no key in this run")
	}
	n := s.Nodes[0]
	rig.WaitClients(t, s.Nodes)
	n.Stop()
	n.WriteKey("")
	n.Start()
	rig.Until(t, "it runs without a key", func() bool {
		out, code := n.Run("status", "--json")
		return code < 2 && strings.Contains(out, "node-1")
	})
	n.WriteKey(rig.Key())
	rig.Until(t, "it starts again with the key", func() bool { return strings.Contains(n.Log(), "there is a cluster key now") })
	_, creds := rig.Mint(t, rig.Key(), events.CredentialNode, "x")
	rig.Until(t, "it asks for credentials", func() bool {
		nc, err := nats.Connect("nats://" + n.Addr + ":4222")
		if err == nil {
			nc.Close()
		}
		good, gerr := nats.Connect("nats://"+n.Addr+":4222", rig.As(creds)...)
		if gerr == nil {
			good.Close()
		}
		return err != nil && gerr == nil
	})
	n.WriteKey("")
	rig.Until(t, "a key that is gone stays in force, and is told", func() bool {
		return strings.Contains(n.Log(), "cluster.key is gone; the cluster key that was in force stays")
	})
}
