package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// heardWithin is how long ago a copy of a log may have been heard by the leader to be counted as there. Copies answer
// each second; a cut link is noticed after 2.5 s.
const heardWithin = 4 * time.Second

// Majority returns nil if the log of outages has a leader that answers now and has heard more than half of the log's
// copies in the last seconds: a decision could be committed. Otherwise the error says for people why not, and who is
// away. It asks one question and takes 3 s at most, so it may be called every few seconds.
//
// It may be wrong for a few seconds after a member vanished or came back. Nothing may be concluded from it about a
// decision: only Propose knows.
func (b *Bus) Majority(ctx context.Context) error {
	err := b.logLeads(ctx)
	if err == nil {
		return nil
	}
	if who := b.away(ctx); who != nil {
		return fmt.Errorf("%w (%w)", who, err)
	}
	return err
}

// logLeads asks the log's leader whether it leads a majority.
func (b *Bus) logLeads(ctx context.Context) error {
	if !b.nc.IsConnected() {
		return ErrNotConnected
	}
	ctx, stop := context.WithTimeout(ctx, askWait)
	defer stop()
	s, err := b.js.Stream(ctx, events.StreamOutages)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("the log of outages has no leader that answers")
	case err != nil:
		return fmt.Errorf("the log of outages: %w", err)
	}
	return leads(s.CachedInfo().Cluster)
}

// leads reads what a stream's leader says of its copies.
func leads(c *jetstream.ClusterInfo) error {
	if c == nil {
		return nil // standalone
	}
	if c.Leader == "" {
		return errors.New("the log of outages has no leader")
	}
	here := 1
	for _, r := range c.Replicas {
		if !r.Offline && r.Active < heardWithin {
			here++
		}
	}
	if all := len(c.Replicas) + 1; here <= all/2 {
		return fmt.Errorf("%d of %d copies of the log of outages are there", here, all)
	}
	return nil
}

// away says in words who is missing in the majority; nil if that can't be told from here, or nobody is.
func (b *Bus) away(ctx context.Context) error {
	switch {
	case !b.nc.IsConnected() && b.srv == nil:
		return fmt.Errorf("no answer from %s", b.o.URL)
	case b.srv == nil || !b.srv.Clustered():
		return nil
	}
	away := b.srv.Away(ctx)
	if len(away) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d members away: %s", len(away), len(b.nodes()), strings.Join(away, ", "))
}
