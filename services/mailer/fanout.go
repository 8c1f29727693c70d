package mailer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// sayWhetherAnybodyIsTold returns a function that is called with each new state of the configuration and says in the
// log when nobody would be told, once.
func (m *Mailer) sayWhetherAnybodyIsTold() func(events.Catalog) {
	first, before := true, false
	return func(c events.Catalog) {
		switch now := tellsAnybody(c); {
		case !now && (first || before):
			m.log.Warn().Msg("no recipients: outages are told to nobody; add a file named after an address to alert.d")
		case now && !first && !before:
			m.log.Info().Msg("there are recipients now")
		}
		first, before = false, tellsAnybody(c)
	}
}

// tellsAnybody tells whether the configuration names a recipient at all.
func tellsAnybody(c events.Catalog) bool {
	if len(c.Recipients) > 0 {
		return true
	}
	for _, d := range c.Checks {
		if len(d.Recipients) > 0 {
			return true
		}
	}
	return false
}

// fanOut queues a notice for each recipient of an event of an outage. It returns an error if the event has to come again.
func (m *Mailer) fanOut(ctx context.Context, o bus.Committed) error {
	return m.queueAll(ctx, matter{outage: &o.Outage, seq: o.Seq})
}

// fanOutTrouble is fanOut for an event of a trouble; its recipients are the operators.
func (m *Mailer) fanOutTrouble(ctx context.Context, t bus.CommittedTrouble) error {
	return m.queueAll(ctx, matter{trouble: &t.Trouble, seq: t.Seq})
}

// queueAll queues the notices of a matter. The logs have their copies on different members where there are more than three:
// so one may be committed to while another one can't be written or read. What can't be queued for as long as people wait for what
// can't be committed is told in the same way.
func (m *Mailer) queueAll(ctx context.Context, t matter) error {
	if !t.known() {
		return nil // Of a newer version: its mailers know what to do with it.
	}
	began := time.Now()
	err := m.tryQueueAll(ctx, t)
	switch {
	case err == nil:
		m.minority.settled(t)
	case ctx.Err() == nil && !errors.Is(err, errBeingTold) && !errors.Is(err, events.ErrVersion):
		m.minority.stuck(t, began, time.Now())
	}
	return err
}

func (m *Mailer) tryQueueAll(ctx context.Context, t matter) error {
	history, err := m.isHistory(ctx, t, time.Now())
	if err != nil {
		return err
	}
	log := t.log(m.log)
	if history {
		log.Warn().Msgf("%s at %s: too old to tell anybody", t.event(), t.decided().UTC().Format(time.RFC3339))
		return nil
	}
	catalog, err := m.currentCatalog(ctx)
	if err != nil {
		return err
	}
	recipients := t.recipients(catalog)
	if len(recipients) == 0 {
		log.Info().Msgf("%s; nobody is to be told", t.event())
		return nil
	}
	recipients, err = m.minority.leaveOutTold(ctx, t, recipients)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range recipients {
		n := t.notice(r, time.Now())
		if _, err := events.Encode(&n); err != nil { // Coming again would not make it better, and would hold up the others.
			log.Error().Err(err).Msgf("can't tell %s", r)
			continue
		}
		if err := m.putNotice(ctx, n); err != nil {
			errs = append(errs, fmt.Errorf("queue the notice to %s: %w", r, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		log.Warn().Err(err).Msg("not everybody's notice could be queued; trying again")
		return err
	}
	if len(recipients) > 0 {
		log.Info().Int("recipients", len(recipients)).Msgf("%s; notices queued", t.event())
	}
	return nil
}

// currentCatalog asks who is told. While the configuration elects its leader a try takes two seconds at most, so that it
// is asked again soon after there is one.
func (m *Mailer) currentCatalog(ctx context.Context) (events.Catalog, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timing.call)
	defer cancel()
	for {
		c, err := m.bus.Catalog(ctx)
		if err == nil || errors.Is(err, events.ErrVersion) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return c, err
		case <-time.After(askAgain):
		}
	}
}

// askAgain is the pause between two tries of one call on the bus.
const askAgain = 250 * time.Millisecond

func (m *Mailer) putNotice(ctx context.Context, n events.Notice) error {
	ctx, cancel := context.WithTimeout(ctx, m.timing.call)
	defer cancel()
	return m.bus.PutNotice(ctx, n)
}

// isHistory tells whether an event is older than a notice may get and no longer of interest. What began long ago is of
// interest as long as nothing came after it: the check is still down.
func (m *Mailer) isHistory(ctx context.Context, t matter, now time.Time) (bool, error) {
	if now.Sub(t.decided()) <= m.timing.giveUp {
		return false, nil
	}
	if t.ends() {
		return true, nil
	}
	l, err := m.lastOf(ctx, t)
	return l.seq > t.seq, err
}
