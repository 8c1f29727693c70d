package arbiter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/folder"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

const (
	// aliveFile holds the time at which an arbiter was alive last, in Options.Data.
	aliveFile = "alive"
	// aliveEvery is how often it is written, and aliveGap how old it has to be at the start to be a gap: as old as a
	// restart that nobody would call one makes it.
	aliveEvery = 10 * time.Second
	aliveGap   = 30 * time.Second
)

// slept tells since when nobody has been alive here; the zero value if that is no gap, or not known.
func slept(data string, now time.Time) (round.Slept, error) {
	if data == "" {
		return round.Slept{}, nil
	}
	text, err := os.ReadFile(filepath.Join(data, aliveFile))
	if errors.Is(err, os.ErrNotExist) {
		return round.Slept{}, nil
	}
	if err != nil {
		return round.Slept{}, fmt.Errorf("read when this node was alive last: %w", err)
	}
	last, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(string(text)))
	if err != nil {
		return round.Slept{}, fmt.Errorf("read when this node was alive last: %s: %w", filepath.Join(data, aliveFile), err)
	}
	if now.Sub(last) < aliveGap {
		return round.Slept{}, nil
	}
	return round.Slept{From: last, To: now}, nil
}

// markAlive writes that somebody is alive now.
func markAlive(data string, now time.Time) error {
	text := now.UTC().Format(time.RFC3339Nano) + "\n"
	if err := folder.Replace(filepath.Join(data, aliveFile), []byte(text)); err != nil {
		return fmt.Errorf("note that this node is alive: %w", err)
	}
	return nil
}

// wakeUp notes for how long nobody was alive here.
func (a *Arbiter) wakeUp(ctx context.Context) round.Slept {
	gap, err := slept(a.data, a.began)
	if err != nil {
		a.log.Warn().Err(err).Msg("a recovery that happened while dmonitor was down won't be told as late")
	}
	if !gap.To.IsZero() {
		a.log.Info().Msgf("nobody was alive here for %v, since %s", gap.To.Sub(gap.From).Round(time.Second), gap.From.Format(time.RFC3339))
		a.apply(ctx, gap, a.began)
	}
	return gap
}

// stayAlive writes the mark until ctx ends, and says once if it can't.
func (a *Arbiter) stayAlive(ctx context.Context) {
	said := false
	for a.data != "" {
		err := markAlive(a.data, time.Now())
		switch {
		case errors.Is(err, os.ErrNotExist): // A process that carries no member of the bus may have no such folder.
			a.log.Debug().Err(err).Msg("no data folder; a recovery that happens while dmonitor is down won't be told as late")
			return
		case err != nil && !said:
			a.log.Warn().Err(err).Msg("a recovery that happens while dmonitor is down won't be told as late")
		}
		said = err != nil
		if !pause(ctx, aliveEvery) {
			return
		}
	}
}

// lookedUntil tells when each check was looked at last before a moment, by the last results of all nodes. A node that has
// looked at anything is taken to have looked at all of its checks, because its older results can't be seen.
func lookedUntil(results []bus.Arrived, to time.Time) map[events.Check]time.Time {
	alive := map[string]time.Time{}
	for _, r := range results {
		if r.Time.Before(to) && r.Time.After(alive[r.Node]) {
			alive[r.Node] = r.Time
		}
	}
	looked := map[events.Check]time.Time{}
	for _, r := range results {
		if t := alive[r.Node]; t.After(looked[r.Check]) {
			looked[r.Check] = t
		}
	}
	return looked
}
