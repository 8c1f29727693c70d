package embed

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/nats-io/nats-server/v2/server"
)

// Old is the store of a node that was alone before and is a member of a cluster now, opened by a server of its own that
// listens nowhere. What is in it is read, to be carried over into the cluster; nobody writes to it.
type Old struct {
	o   Options
	dir string
	ns  *server.Server
}

// openOld opens the store in dir. The caller has locked the data folder.
func (o Options) openOld(ctx context.Context, dir string) (*Old, error) {
	ns, err := server.NewServer(&server.Options{
		ServerName: o.Name, DontListen: true, NoSigs: true, DisableJetStreamBanner: true, MaxPayload: int32(o.MaxPayload),
		JetStream: true, StoreDir: dir, SyncAlways: true, JetStreamMaxStore: maxStore, JetStreamMaxMemory: maxMemory,
	})
	if err != nil {
		return nil, fmt.Errorf("open the history in %s: %w", dir, err)
	}
	old := &Old{o: o, dir: dir, ns: ns}
	failed := make(chan error, 1)
	ns.SetLoggerV2(newServerLog(o.Log, func(err error) {
		select {
		case failed <- err:
		default:
		}
	}, nil), false, false, false)
	ns.Start()
	ctx, stop := context.WithTimeout(ctx, startWait)
	defer stop()
	for !ns.ReadyForConnections(startTry) {
		if ctx.Err() != nil {
			old.Close()
			return nil, fmt.Errorf("open the history in %s: not ready after %v", dir, startWait)
		}
	}
	select {
	case err := <-failed:
		old.Close()
		return nil, fmt.Errorf("open the history in %s: %w", dir, err)
	default:
		return old, nil
	}
}

// InProcessConn connects to the store's server. The NATS client calls it.
func (s *Old) InProcessConn() (net.Conn, error) { return s.ns.InProcessConn() }

// Dir is where the history is.
func (s *Old) Dir() string { return s.dir }

// Close closes the store and leaves it where it is.
func (s *Old) Close() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}

// Carried closes the store and sets it aside: what it holds is in the cluster. It returns where it is kept.
func (s *Old) Carried() (string, error) {
	s.Close()
	return setAside(s.dir, wordCarried)
}

// Old is the history that this node kept while it was alone; nil if there is none, or it was asked for before. The caller
// closes it.
func (s *Server) Old() *Old { return s.old.Swap(nil) }

func (s *Server) closeOld() {
	if old := s.Old(); old != nil {
		old.Close()
	}
}

// errNotClustered is for what only members of a cluster can do.
var errNotClustered = errors.New("this node is alone")
