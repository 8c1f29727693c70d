package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/bus/embed"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// The first formation of a cluster needs all members. Before any stream is made they tell each other what they kept
// while they were alone; the one with the newest outage restores its history into the cluster, and the others wait. The
// last thing it makes is the bucket of leases, which is never carried over: where that is, all of this is behind us.
// Its metadata name the history that was carried over, so that its keeper knows after a restart.
const (
	markerBucket = kvStream + events.BucketLeases
	markerKey    = "dmonitor.history"
)

// A history is what a member kept while it was alone.
type history struct {
	ID      string    `json:"id"`      // no other history has it
	Newest  time.Time `json:"newest"`  // when its newest outage event was stored; zero: it has none
	Outages uint64    `json:"outages"` // events in it
	Notices uint64    `json:"notices"` // that wait to be sent
}

// keeper returns whose history is carried over: that with the newest outage, of several the one whose name comes
// first. If nobody has one, it is who sets up the streams.
func keeper(words []word) (name string, h *history) {
	for _, w := range words {
		if w.History != nil && (h == nil || w.History.Newest.After(h.Newest)) {
			name, h = w.Name, w.History
		}
	}
	if h == nil && len(words) > 0 {
		name = words[0].Name
	}
	return name, h
}

// past is the open store of a node that was alone before.
type past struct {
	old *embed.Old
	nc  *nats.Conn
	js  jetstream.JetStream
}

// openPast looks what this node kept while it was alone.
func (b *Bus) openPast(ctx context.Context) error {
	old := b.srv.Old()
	if old == nil {
		return nil
	}
	p := &past{old: old}
	var err error
	if p.nc, err = nats.Connect("", nats.InProcessServer(old), nats.MaxReconnects(0)); err == nil {
		p.js, err = jetstream.New(p.nc, jetstream.WithDefaultTimeout(callWait))
	}
	var h *history
	if err == nil {
		h, err = p.read(ctx, b.o.Node)
	}
	if err != nil {
		p.close()
		return fmt.Errorf("read the history in %s: %w; to start without it, move that folder away", old.Dir(), err)
	}
	b.past, b.history = p, h
	return nil
}

func (p *past) close() {
	if p.nc != nil {
		p.nc.Close()
	}
	p.old.Close()
}

func (p *past) read(ctx context.Context, node string) (*history, error) {
	h := &history{ID: node}
	s, err := p.js.Stream(ctx, events.StreamOutages)
	if err == nil {
		state := s.CachedInfo().State
		h.Outages = state.Msgs
		h.ID = fmt.Sprintf("%s %d %d", node, s.CachedInfo().Created.UnixNano(), state.LastSeq)
		if state.Msgs > 0 {
			h.Newest = state.LastTime
		}
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, err
	}
	if s, err = p.js.Stream(ctx, events.StreamNotices); err == nil {
		h.Notices = s.CachedInfo().State.Msgs
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, err
	}
	return h, nil
}

// closePast closes what settle has not dealt with.
func (b *Bus) closePast() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.past != nil {
		b.past.close()
	}
	b.past, b.history = nil, nil
}

// settle returns nil when the cluster has its streams, or when it is this member's turn to make them and it has.
func (b *Bus) settle(ctx context.Context) error {
	if b.srv == nil || !b.srv.Clustered() || b.settled.Load() {
		return nil
	}
	ask, stop := context.WithTimeout(ctx, askWait)
	marker, err := b.js.Stream(ask, markerBucket)
	stop()
	if err == nil {
		b.leavePast(marker.CachedInfo().Config.Metadata[markerKey])
		b.settled.Store(true)
		return nil
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream %s: %w", markerBucket, err)
	}
	n := len(b.nodes())
	h, err := whoseTurn(b.o.Node, n, b.words(ctx, n))
	if err != nil {
		return err
	}
	return b.setUp(ctx, h)
}

// whoseTurn returns nil if it is me who makes the streams, and the history to be carried over into them, if there is one. All
// members have to have said what they bring along before: the one that is missing may have the newest.
func whoseTurn(me string, members int, words []word) (*history, error) {
	if len(words) < members {
		return nil, fmt.Errorf("%d of %d members have said what they bring along: %s", len(words), members, names(words))
	}
	switch name, h := keeper(words); {
	case name == me:
		return h, nil
	case h != nil:
		return nil, fmt.Errorf("the member %s carries over its history", name)
	default:
		return nil, fmt.Errorf("the member %s makes the streams", name)
	}
}

func names(words []word) string {
	var out []string
	for _, w := range words {
		out = append(out, w.Name)
	}
	return strings.Join(out, ", ")
}

// setUp makes the streams, with the history of this node in them if there is one. If it is interrupted, it is done
// again: what is whole already stays, the rest is made anew. Until the last one is there nobody uses any of them.
func (b *Bus) setUp(ctx context.Context, h *history) error {
	all := streams(len(b.srv.Nodes()))
	b.mu.Lock()
	p := b.past
	b.mu.Unlock()
	if h != nil && p == nil {
		return errors.New("the bus is closing")
	}
	if h != nil {
		if other := b.another(ctx, all, h.ID); other != "" {
			b.log.Warn().Msgf("the cluster has a stream %s that is not from this node: nothing is carried over", other)
			h = nil
		}
	}
	if h != nil {
		b.log.Info().Uint64("outages", h.Outages).Uint64("notices", h.Notices).
			Msgf("carrying over what this node kept while it was alone (%s)", p.old.Dir())
		for _, want := range all {
			if carried(want) {
				if err := b.carry(ctx, p, h.ID, want); err != nil {
					return fmt.Errorf("carry over the history: %w", err)
				}
			}
		}
	}
	i := slices.IndexFunc(all, func(s jetstream.StreamConfig) bool { return s.Name == markerBucket })
	marker := all[i]
	for _, want := range slices.Delete(all, i, i+1) {
		if _, err := b.streamOr(ctx, want, true); err != nil {
			return err
		}
	}
	if h != nil {
		marker.Metadata = map[string]string{markerKey: h.ID}
	}
	s, err := b.streamOr(ctx, marker, true)
	if err != nil {
		return err
	}
	b.leavePast(s.CachedInfo().Config.Metadata[markerKey])
	b.settled.Store(true)
	return nil
}

// leavePast closes the past: it is in the cluster, or the cluster has another one.
func (b *Bus) leavePast(carried string) {
	b.mu.Lock()
	p, h := b.past, b.history
	b.past, b.history = nil, nil
	b.mu.Unlock()
	switch {
	case p == nil:
	case h.ID == carried:
		p.nc.Close()
		where, err := p.old.Carried()
		if err != nil {
			b.log.Warn().Err(err).Msg("the history of this node is in the cluster now; its old folder could not be set aside")
			return
		}
		b.log.Info().Msgf("the history of this node is in the cluster now; the original is kept in %s and may be deleted", where)
	case h.Outages > 0 || h.Notices > 0:
		p.close()
		b.log.Warn().Uint64("outages", h.Outages).Uint64("notices", h.Notices).Msgf("this node kept a history while it was alone; "+
			"the cluster has another one, so this one stays in %s and is not used", p.old.Dir())
	default:
		p.close()
		b.log.Debug().Msgf("nothing to carry over in %s", p.old.Dir())
	}
}
