package mailer

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// matter is an event that people are told of: one of an outage, or one of a trouble.
type matter struct {
	outage  *events.Outage
	trouble *events.Trouble
	seq     uint64 // in its log; 0: it isn't committed
}

// about is the subject where the event appears once committed.
func (t matter) about() string {
	u := events.Uncommitted{Outage: t.outage, Trouble: t.trouble}
	return u.About()
}

func (t matter) decided() time.Time {
	if t.trouble != nil {
		return t.trouble.Time
	}
	return t.outage.Time
}

func (t matter) event() string {
	if t.trouble != nil {
		return string(t.trouble.Event)
	}
	return string(t.outage.Event)
}

func (t matter) id() string {
	if t.trouble != nil {
		return t.trouble.ID
	}
	return t.outage.ID
}

// ends tells whether the event is the end of something.
func (t matter) ends() bool {
	if t.trouble != nil {
		return t.trouble.Event == events.Ended
	}
	return t.outage.Event == events.Closed
}

// known tells whether this version has words for the event.
func (t matter) known() bool {
	if t.trouble != nil {
		return t.trouble.Event == events.Began || t.trouble.Event == events.Grew || t.trouble.Event == events.Ended
	}
	return t.outage.Event == events.Opened || t.outage.Event == events.Closed
}

// recipients lists who is told: of a trouble, the operators.
func (t matter) recipients(c events.Catalog) []string {
	if t.trouble != nil {
		return c.Operators()
	}
	return c.RecipientsOf(t.outage.Check)
}

func (t matter) notice(to string, now time.Time) events.Notice {
	n := events.Notice{Recipient: to, Created: now.UTC(), Trouble: t.trouble}
	if t.trouble != nil {
		n.ID = events.TroubleNoticeID(t.trouble.ID, to)
		return n
	}
	n.ID, n.Outage = events.NoticeID(t.outage.Outage, t.outage.Event, to), *t.outage
	return n
}

// matterOf is what a notice tells of.
func matterOf(n *events.Notice) matter {
	if n.Trouble != nil {
		return matter{trouble: n.Trouble}
	}
	return matter{outage: &n.Outage}
}

// log returns a logger that names the matter.
func (t matter) log(l zerolog.Logger) zerolog.Logger {
	if t.trouble != nil {
		return l.With().Str("trouble", t.trouble.TroubleKey.String()).Logger()
	}
	return l.With().Str("check", t.outage.Check.String()).Str("outage", t.outage.Outage).Logger()
}

// delivery is a record about a notice of this matter, without its outcome.
func (t matter) delivery(n events.Notice) events.Delivery {
	d := events.Delivery{Notice: n.ID, Recipient: n.Recipient}
	if t.trouble != nil {
		d.Trouble = t.trouble.ID
		return d
	}
	d.Outage, d.Event, d.Check = t.outage.Outage, t.outage.Event, t.outage.Check
	return d
}

// last is what is known of the end of a matter: the sequence of the last event of its check or key, and when that ended
// this very outage or trouble.
type last struct {
	seq  uint64
	over time.Time
}

// lastOf reads the last event of a matter's check or key.
func (m *Mailer) lastOf(ctx context.Context, t matter) (last, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timing.call)
	defer cancel()
	if t.trouble == nil {
		got, err := m.bus.LastOutage(ctx, t.outage.Check)
		if err != nil {
			return last{}, fmt.Errorf("read the last event of %s: %w", t.outage.Check, err)
		}
		l := last{seq: got.Seq}
		if got.Event == events.Closed && got.Outage.Outage == t.outage.Outage {
			l.over = got.Time
		}
		return l, nil
	}
	all, err := m.bus.LastTroubles(ctx)
	if err != nil {
		return last{}, fmt.Errorf("read the last event of trouble %s: %w", t.trouble.TroubleKey, err)
	}
	got := all[t.trouble.TroubleKey]
	l := last{seq: got.Seq}
	if got.Event == events.Ended && got.Trouble.Trouble == t.trouble.Trouble {
		l.over = got.Time
	}
	return l, nil
}
