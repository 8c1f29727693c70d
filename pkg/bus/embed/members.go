package embed

import (
	"context"
	"fmt"
	"slices"

	"github.com/nats-io/nats-server/v2/server"
)

// Nodes are the addresses of all members, as this one knows them now.
func (s *Server) Nodes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.nodes)
}

// SetNodes gives a running member of a cluster another list of members, two at least. Routes to new ones are dialled at
// once. One that is left out is not dialled any more; it counts in the majority until it has been removed.
func (s *Server) SetNodes(nodes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.o
	next.Nodes = slices.Clone(nodes)
	if !s.o.clustered() || !next.clustered() {
		return errNotClustered
	}
	routes, err := next.routes()
	if err != nil {
		return err
	}
	conf := s.conf.Clone()
	conf.Routes = routes
	if err := s.reload(conf); err != nil {
		return fmt.Errorf("give the embedded bus its new members: %w", err)
	}
	s.conf = conf
	s.nodes = next.Nodes
	return nil
}

// A Copy is what this member itself has of a stream, however far the others are.
type Copy struct {
	Msgs uint64 `json:"msgs"`
	Last uint64 `json:"last"` // sequence
}

// Copies are this member's own, by stream. The server's word on which copies are current is of their logs, and can come
// seconds before the messages of a stream that was restored.
func (s *Server) Copies() map[string]Copy {
	out := map[string]Copy{}
	z, err := s.ns.Jsz(&server.JSzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Streams: true})
	if err != nil {
		return out // it is stopping
	}
	for _, a := range z.AccountDetails {
		for _, d := range a.Streams {
			out[d.Name] = Copy{Msgs: d.State.Msgs, Last: d.State.LastSeq}
		}
	}
	return out
}

// TakenOut tells whether the others have removed this member: it has no part in the bus until it starts again.
func (s *Server) TakenOut() bool { return s.Clustered() && s.ns.Running() && !s.ns.JetStreamEnabled() }

// A Peer is a server that counts in the majority of the cluster.
type Peer struct {
	Name string // may be empty, if nobody has met it since this member started
	ID   string
}

// Peers lists who counts in the majority, this member included, and tells whether this member leads them. Only what the
// leader says is up to date.
func (s *Server) Peers() (peers []Peer, leads bool) {
	z, err := s.ns.Jsz(nil)
	if err != nil || z.Meta == nil {
		return nil, false
	}
	if z.Meta.Leader != s.o.Name {
		return nil, false
	}
	peers = append(peers, Peer{Name: s.o.Name, ID: z.Meta.Peer})
	for _, r := range z.Meta.Replicas {
		peers = append(peers, Peer{Name: r.Name, ID: r.Peer})
	}
	return peers, true
}

// A Listed is an entry in the list of members.
type Listed struct {
	Addr string `json:"addr"`
	Name string `json:"name"` // of the member that answers there; empty: nobody does
}

// Listed asks the members in the list for their names. It takes up to a second. A node that is alone knows its own.
func (s *Server) Listed(ctx context.Context) (out []Listed) {
	nodes := s.Nodes()
	if !s.Clustered() {
		for _, addr := range nodes {
			out = append(out, Listed{Addr: addr, Name: s.o.Name})
		}
		return out
	}
	for _, p := range probe(ctx, nodes, s.routeTLS()) {
		if p.err != nil {
			p.name = ""
		}
		if why := keyTrouble(p.err); why != "" {
			s.serverLog.stranger(p.addr, why)
		}
		out = append(out, Listed{Addr: p.addr, Name: p.name})
	}
	return out
}

// ID is how this member is called in the lists of who counts in the majority.
func (s *Server) ID() string { return s.ns.Node() }
