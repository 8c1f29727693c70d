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

// fanOut queues a notice for each recipient of an event. It returns an error if the event has to come again.
func (m *Mailer) fanOut(ctx context.Context, o bus.Committed) error {
	switch o.Event {
	case events.Opened, events.Closed:
	default:
		return nil // Of a newer version: its mailers know what to do with it.
	}
	history, err := m.isHistory(ctx, o, time.Now())
	if err != nil {
		return err
	}
	log := m.log.With().Str("check", o.Check.String()).Str("outage", o.Outage.Outage).Logger()
	if history {
		log.Warn().Msgf("%s at %s: too old to tell anybody", o.Event, o.Time.UTC().Format(time.RFC3339))
		return nil
	}
	catalog, err := m.currentCatalog(ctx)
	if err != nil {
		return err
	}
	recipients := catalog.RecipientsOf(o.Check)
	if len(recipients) == 0 {
		log.Info().Msgf("%s; nobody is to be told", o.Event)
		return nil
	}
	var errs []error
	for _, r := range recipients {
		n := events.Notice{ID: events.NoticeID(o.Outage.Outage, o.Event, r), Recipient: r, Created: time.Now().UTC(), Outage: o.Outage}
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
	log.Info().Int("recipients", len(recipients)).Msgf("%s; notices queued", o.Event)
	return nil
}

func (m *Mailer) currentCatalog(ctx context.Context) (events.Catalog, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timing.call)
	defer cancel()
	return m.bus.Catalog(ctx)
}

func (m *Mailer) putNotice(ctx context.Context, n events.Notice) error {
	ctx, cancel := context.WithTimeout(ctx, m.timing.call)
	defer cancel()
	return m.bus.PutNotice(ctx, n)
}

// isHistory tells whether an event is older than a notice may get and no longer of interest. An old opened event is of
// interest as long as nothing came after it: the check is still down.
func (m *Mailer) isHistory(ctx context.Context, o bus.Committed, now time.Time) (bool, error) {
	if now.Sub(o.Time) <= m.timing.giveUp {
		return false, nil
	}
	if o.Event == events.Closed {
		return true, nil
	}
	last, err := m.lastOutage(ctx, o.Check)
	if err != nil {
		return false, fmt.Errorf("read the last event of %s: %w", o.Check, err)
	}
	return last.Seq > o.Seq, nil
}

func (m *Mailer) lastOutage(ctx context.Context, c events.Check) (bus.Committed, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timing.call)
	defer cancel()
	return m.bus.LastOutage(ctx, c)
}
