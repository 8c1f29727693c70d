package mailer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/mailer/letter"
)

// task is a notice's place in the queue. It is this mailer's until one of the two is called, or the mailer dies.
type task interface {
	Done(ctx context.Context) error
	Retry(delay time.Duration) error
}

// maxAnswer bounds what is kept of a mail server's answer, in bytes.
const maxAnswer = 1000

// send makes one attempt to send a notice, and settles what becomes of it.
func (m *Mailer) send(ctx context.Context, n events.Notice, attempt int, queued time.Time, t task) {
	if ctx.Err() != nil {
		m.put(n, t, 0) // The mailer is stopping; another may start on it at once.
		return
	}
	if answer, ok := m.taken.get(n.ID); ok {
		m.settleSent(ctx, n, attempt, answer, t) // The mail is out; only the acknowledgement was lost.
		return
	}
	ctx, cancel := outlive(ctx, m.timing.grace)
	defer cancel()
	mail, err := encode(letter.Write(n, m.letterOptions(ctx, n, attempt)))
	if err != nil {
		m.settleFailed(ctx, n, attempt, fmt.Sprintf("write the mail: %v", err), t)
		return
	}
	answer, f := m.try(ctx, mail)
	switch age := time.Since(queued); {
	case f == nil:
		m.taken.put(n.ID, answer)
		m.settleSent(ctx, n, attempt, answer, t)
	case f.verdict() == refused:
		m.settleFailed(ctx, n, attempt, f.Error(), t)
	case age >= m.timing.giveUp:
		m.settleFailed(ctx, n, attempt, fmt.Sprintf("given up after %s: %v", age.Round(time.Minute), f), t)
	default:
		m.settleRetry(n, attempt, m.timing.giveUp-age, f, t)
	}
}

// try hands the mail to the mail server, within the time an attempt may take.
func (m *Mailer) try(ctx context.Context, mail message) (string, *failure) {
	ctx, cancel := context.WithTimeout(ctx, m.timing.attempt)
	defer cancel()
	answer, f := m.post.send(ctx, mail)
	if f != nil && f.code == 0 && ctx.Err() != nil { // Only the closed connection is in the failure, not who closed it.
		f.text = "broken off, as the mailer stops"
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			f.text = fmt.Sprintf("broken off after %s", m.timing.attempt)
		}
	}
	return answer, f
}

// letterOptions gathers what the letter says beside its notice.
func (m *Mailer) letterOptions(ctx context.Context, n events.Notice, attempt int) letter.Options {
	o := letter.Options{From: m.from, Now: time.Now(), Attempt: attempt}
	o.Failure, _ = m.trouble.get(n.ID)
	if n.Outage.Event == events.Opened && (attempt > 1 || letter.IsLate(n.Outage, o.Now)) {
		// If this can't be read the notice goes out as it is: it must not wait for a courtesy.
		last, err := m.lastOutage(ctx, n.Outage.Check)
		if err == nil && last.Event == events.Closed && last.Outage.Outage == n.Outage.Outage {
			o.Closed = last.Time
		}
	}
	return o
}

// settleSent takes a notice that the server has taken out of the queue, at once: the sooner, the smaller is the window in
// which a crash doubles the mail. The record comes second; it can be missed.
func (m *Mailer) settleSent(ctx context.Context, n events.Notice, attempt int, answer string, t task) {
	log := m.log.With().Str("check", n.Outage.Check.String()).Str("outage", n.Outage.Outage).Int("attempt", attempt).Logger()
	if err := m.done(ctx, t); err != nil {
		// It stays in taken: if it comes back to this mailer it is not sent again.
		log.Error().Err(err).Msgf("notice to %s is sent but still in the queue; another mailer may send it again", n.Recipient)
		return
	}
	m.taken.forget(n.ID)
	m.trouble.forget(n.ID)
	log.Info().Msgf("%s: told %s", n.Outage.Event, n.Recipient)
	if err := m.record(ctx, n, events.Sent, attempt, answer); err != nil {
		log.Warn().Err(err).Msgf("notice to %s is sent, but not recorded", n.Recipient)
	}
}

// settleFailed gives a notice up. It stays in the queue until that is on record.
func (m *Mailer) settleFailed(ctx context.Context, n events.Notice, attempt int, why string, t task) {
	log := m.log.With().Str("check", n.Outage.Check.String()).Str("outage", n.Outage.Outage).Int("attempt", attempt).Logger()
	if err := m.record(ctx, n, events.Failed, attempt, why); err != nil {
		log.Error().Err(err).Msgf("notice to %s failed (%s), and that can't be recorded; trying again", n.Recipient, why)
		m.trouble.put(n.ID, why)
		m.put(n, t, m.delay(attempt))
		return
	}
	log.Error().Msgf("%s: %s can't be told: %s", n.Outage.Event, n.Recipient, why)
	m.trouble.forget(n.ID)
	if err := m.done(ctx, t); err != nil {
		log.Warn().Err(err).Msgf("notice to %s is given up but still in the queue; it will be tried again", n.Recipient)
	}
}

// settleRetry puts a notice back. Its last attempt is when left has passed.
func (m *Mailer) settleRetry(n events.Notice, attempt int, left time.Duration, f *failure, t task) {
	delay := min(m.delay(attempt), left)
	m.trouble.put(n.ID, f.Error())
	entry, hint := m.log.Warn(), ""
	if f.verdict() == misconfigured {
		entry, hint = m.log.Error(), "; this won't pass by itself: see DMONITOR_SMTP_URL, DMONITOR_MAIL_FROM and the mail server's settings"
	}
	entry.Str("check", n.Outage.Check.String()).Str("outage", n.Outage.Outage).Int("attempt", attempt).Err(f).
		Msgf("%s: %s not told yet, trying again in %s%s", n.Outage.Event, n.Recipient, delay.Round(time.Second), hint)
	m.put(n, t, delay)
}

// put puts a notice back into the queue. If that fails it comes back when the queue's patience ends.
func (m *Mailer) put(n events.Notice, t task, delay time.Duration) {
	if err := t.Retry(delay); err != nil {
		m.log.Warn().Err(err).Str("check", n.Outage.Check.String()).Msgf("put back the notice to %s", n.Recipient)
	}
}

func (m *Mailer) done(ctx context.Context, t task) error {
	ctx, cancel := context.WithTimeout(ctx, m.timing.call)
	defer cancel()
	return t.Done(ctx)
}

func (m *Mailer) record(ctx context.Context, n events.Notice, how events.Outcome, attempt int, answer string) error {
	ctx, cancel := context.WithTimeout(ctx, m.timing.call)
	defer cancel()
	return m.bus.PutDelivery(ctx, events.Delivery{
		Notice: n.ID, Outcome: how, Outage: n.Outage.Outage, Event: n.Outage.Event, Check: n.Outage.Check,
		Recipient: n.Recipient, Time: time.Now().UTC(), Attempts: attempt, Answer: brief(answer, maxAnswer), By: m.node,
	})
}

// delay is how long a notice waits after this many attempts: doubling, bounded.
func (m *Mailer) delay(attempt int) time.Duration {
	d := m.timing.first
	for range attempt - 1 {
		if d *= 2; d >= m.timing.longest {
			return m.timing.longest
		}
	}
	return min(d, m.timing.longest)
}

// outlive returns a context that ends grace after ctx does.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

// brief makes a text from outside fit for a record or a log: one line of UTF-8, at most n bytes.
func brief(s string, n int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\ufffd")), " ")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n-len("…")], "") + "…"
	}
	return s
}
