package arbiter

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus/folder"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

const (
	// keptFile holds what was said to be uncommitted and still is, in Options.Data.
	keptFile = "uncommitted.json"
	// maxKept and maxKeptBytes bound it: as many records as a mailer keeps of whom it told, of 13 kB each.
	maxKept      = 5000
	maxKeptBytes = 64 << 20
	// keepFor is how long a record is good for: as long as a mailer remembers whom it told.
	keepFor = 30 * 24 * time.Hour
)

// kept is what this arbiter has said to be uncommitted and still waits to be committed, by what it is about. It is owned by
// the goroutine of Run.
type kept struct {
	records map[matter]events.Uncommitted
	changed bool // since it was handed out to be written
	dirty   bool // since it was read
	full    bool // it was said that there are too many
}

// matter is a check or a trouble: of each one thing at most waits to be committed.
type matter struct {
	check   events.Check
	trouble events.TroubleKey
}

func matterOf(u events.Uncommitted) matter {
	if u.Trouble != nil {
		return matter{trouble: u.Trouble.TroubleKey}
	}
	return matter{check: u.Outage.Check}
}

func eventOf(u events.Uncommitted) string {
	if u.Trouble != nil {
		return u.Trouble.ID
	}
	return u.Outage.ID
}

// add takes note of what is said; false if there is no room.
func (k *kept) add(u events.Uncommitted) bool {
	m := matterOf(u)
	old, ok := k.records[m]
	switch {
	case ok && eventOf(old) == eventOf(u):
		return true
	case !ok && len(k.records) >= maxKept:
		return false
	}
	if k.records == nil {
		k.records = map[matter]events.Uncommitted{}
	}
	k.records[m] = u
	k.changed, k.dirty = true, true
	return true
}

func (k *kept) drop(m matter) {
	delete(k.records, m)
	k.changed, k.dirty = true, true
}

// list returns the records, the oldest first.
func (k *kept) list() []events.Uncommitted {
	return slices.SortedFunc(maps.Values(k.records), func(a, b events.Uncommitted) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(eventOf(a), eventOf(b)))
	})
}

// readKept reads what a node's arbiter has said to be uncommitted, without what is too old. There is nothing if there is no
// file. One bad record makes the file bad: nobody but this program writes it.
func readKept(data, node string, now time.Time) ([]events.Uncommitted, error) {
	if data == "" {
		return nil, nil
	}
	name := filepath.Join(data, keptFile)
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was said to be uncommitted: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeptBytes+1))
	if err == nil && len(text) > maxKeptBytes {
		err = fmt.Errorf("more than %d bytes", maxKeptBytes)
	}
	var all []events.Uncommitted
	if err == nil {
		all, err = decodeKept(text, events.SubjectUncommitted+node)
	}
	if err != nil {
		return nil, fmt.Errorf("read what was said to be uncommitted: %s: %w", name, err)
	}
	return slices.DeleteFunc(all, func(u events.Uncommitted) bool { return now.Sub(u.Since) > keepFor }), nil
}

func decodeKept(text []byte, subject string) ([]events.Uncommitted, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	if len(raw) > maxKept {
		return nil, fmt.Errorf("%d records, at most %d are kept", len(raw), maxKept)
	}
	var all []events.Uncommitted
	for i, r := range raw {
		u, err := events.Decode[events.Uncommitted](subject, r)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", i+1, err)
		}
		all = append(all, u)
	}
	return all, nil
}

// writeKept replaces the file, all or nothing, also in a power cut. What doesn't fit in any more is left out: the newest.
func writeKept(data string, all []events.Uncommitted) error {
	text := []byte("[")
	for _, u := range all {
		record, err := events.Encode(&u)
		if err != nil {
			return fmt.Errorf("note what is uncommitted: %w", err)
		}
		if len(text)+len(record)+3 > maxKeptBytes {
			break
		}
		if len(text) > 1 {
			text = append(text, ",\n"...)
		}
		text = append(text, record...)
	}
	if err := folder.Replace(filepath.Join(data, keptFile), append(text, "]\n"...)); err != nil {
		return fmt.Errorf("note what is uncommitted: %w", err)
	}
	return nil
}

// recall reads what was said before the restart.
func (a *Arbiter) recall() {
	all, err := readKept(a.data, a.node, a.began)
	if err != nil {
		a.log.Warn().Err(err).Msg("what was told without a majority before the restart may get no end")
	}
	for _, u := range all {
		a.kept.add(u)
	}
	a.kept.changed, a.kept.dirty = false, false
}

// remember hands what was said before the restart to the state machines, once the log and the configuration have been read:
// before that nobody knows whether it still is news.
func (a *Arbiter) remember(ctx context.Context) {
	if a.remembered || !a.known || !a.logRead {
		return
	}
	a.remembered = true
	for _, u := range a.kept.list() {
		if u.Trouble != nil {
			a.applyTrouble(ctx, trouble.Remembered{Trouble: u.Trouble})
		} else {
			a.apply(ctx, round.Remembered{Outage: u.Outage, Since: u.Since}, a.now)
		}
	}
	a.forgetSettled()
	if n := len(a.kept.records); n > 0 {
		a.log.Info().Int("decisions", n).Msg("what was told without a majority before the restart is not committed yet; it is now, as soon as that can be done")
	}
}

// say publishes what can't be committed, and keeps it.
func (a *Arbiter) say(u events.Uncommitted) error {
	if a.data != "" && !a.kept.add(u) && !a.kept.full {
		a.kept.full = true
		a.log.Warn().Int("most", maxKept).Msg("too much is uncommitted to be remembered; if this process dies before there is a majority, some of what is told gets no end")
	}
	return a.bus.Publish(&u)
}

// forgetSettled drops what doesn't wait any more: something was committed, or it was given up.
func (a *Arbiter) forgetSettled() {
	for m, u := range a.kept.records {
		o, t := round.Waits(a.state, m.check), trouble.Told(a.troubles)
		if u.Outage != nil && (o == nil || o.ID != u.Outage.ID) || u.Trouble != nil && (t == nil || t.ID != u.Trouble.ID) {
			a.kept.drop(m)
		}
	}
}

// keep has the file written if it has to be, by another goroutine: the disk may be slow. A mailer tells nobody for the
// first two seconds after it has heard of something; by then it is on the disk, as a rule.
func (a *Arbiter) keep() {
	if a.remembered {
		a.forgetSettled()
	}
	if a.data == "" || !a.kept.changed && !a.unwritten.Load() {
		return
	}
	select {
	case a.keeping <- a.kept.list():
		a.kept.changed = false
		a.unwritten.Store(false)
	default: // The last one is still being written.
	}
}

// writeWhatIsKept writes what keep hands out, until ctx ends.
func (a *Arbiter) writeWhatIsKept(ctx context.Context) {
	said := false
	for {
		select {
		case <-ctx.Done():
			return
		case all := <-a.keeping:
			err := writeKept(a.data, all)
			switch {
			case errors.Is(err, os.ErrNotExist): // As in stayAlive.
				a.log.Debug().Err(err).Msg("no data folder; what is told without a majority gets no end if this process dies before there is one")
			case err != nil:
				a.unwritten.Store(true)
				if !said {
					a.log.Warn().Err(err).Msg("what is told without a majority gets no end if this process dies before there is one")
				}
			}
			said = err != nil
		}
	}
}

// keepAtLast writes the file once more when nobody else does.
func (a *Arbiter) keepAtLast() {
	if a.data == "" || !a.kept.dirty {
		return
	}
	if err := writeKept(a.data, a.kept.list()); err != nil && !errors.Is(err, os.ErrNotExist) {
		a.log.Warn().Err(err).Msg("what was told without a majority may get no end")
	}
}
