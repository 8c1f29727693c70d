package bus

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// How often the stream of results is looked at, and how long it may be without a leader: longer than an election, which
// takes 9 s. Members wait differently long, so that they don't all do the same at once.
const (
	tendEvery      = 2 * time.Second
	leaderless     = 15 * time.Second
	leaderlessMore = 10 * time.Second
)

// isCache tells whether a stream may be thrown away. Nobody waits for such a one to be ready.
func isCache(s jetstream.StreamConfig) bool { return s.Storage == jetstream.MemoryStorage }

// tend keeps the streams that live in memory alive. Members that restart come back without their copy, and a member
// without a copy has no full vote: if one is away and another one restarts, the third, with its full copy, is never
// elected (Raft must not lose what was acknowledged; it doesn't know that nobody would mind). So a stream that has had
// no leader for too long is made anew, empty.
func (b *Bus) tend() {
	var cache jetstream.StreamConfig
	for _, s := range streams(len(b.nodes())) {
		if isCache(s) {
			cache = s
		}
	}
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	patience := leaderless + rand.N(leaderlessMore)
	var lost time.Time // since when there is no leader; zero: there is one, or we don't know
	for {
		select {
		case <-b.closing.Done():
			return
		case now := <-tick.C:
			switch has, err := b.hasLeader(cache); {
			case err != nil || has:
				lost = time.Time{}
			case lost.IsZero():
				lost = now
			case now.Sub(lost) > patience:
				lost = time.Time{}
				b.remake(cache)
			}
		}
	}
}

// hasLeader also makes the stream if it is missing.
func (b *Bus) hasLeader(want jetstream.StreamConfig) (bool, error) {
	s, err := b.stream(b.closing, want)
	if err != nil {
		return false, err
	}
	c := s.CachedInfo().Cluster
	return c == nil || c.Leader != "", nil
}

func (b *Bus) remake(want jetstream.StreamConfig) {
	ctx, stop := context.WithTimeout(b.closing, 2*callWait)
	defer stop()
	if _, err := b.js.AccountInfo(ctx); err != nil {
		return // no majority: no stream has a leader, and nothing can be done
	}
	err := b.js.DeleteStream(ctx, want.Name)
	if err == nil || errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = b.create(ctx, want)
	}
	if err != nil && b.closing.Err() == nil {
		b.log.Warn().Err(err).Msgf("stream %s has no leader, and could not be made anew; trying again", want.Name)
		return
	}
	b.log.Warn().Msgf("stream %s had no leader for too long and was made anew: %s of the last day are forgotten",
		want.Name, events.AllResults)
}
