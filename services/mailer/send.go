package mailer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/mailer/letter"
)

// task is a notice's place in the queue. It is this mailer's until Done or Retry is called, or the mailer dies, or it
// stands still for so long that the bus gives the notice to another: then Held is false.
type task interface {
	Held() bool
	Done(ctx context.Context) error
	Retry(delay time.Duration) error
}

// maxAnswer bounds what is kept of a mail server's answer, in bytes.
const maxAnswer = 1000

// parcel is a notice in this mailer's hands.
type parcel struct {
	events.Notice
	attempt int
	queued  time.Time
	taken   time.Time // out of the queue
	task    task
}

// Bounds of a group's sending.
const (
	settleAtOnce = 16          // notices of a group that are settled at the same time
	maxInHand    = time.Minute // a notice that waited here for so long goes back: the bus won't keep it here for ever
	inHandTries  = 3           // of a group of which it isn't known whether the server has it
)

// sendAll makes one attempt to send notices for one recipient in one mail, and settles what becomes of each.
func (m *Mailer) sendAll(ctx context.Context, all []parcel) {
	all = m.leaveOutSettled(ctx, all)
	if len(all) == 0 {
		return
	}
	ctx, cancel := outlive(ctx, m.timing.grace)
	defer cancel()
	mail, err := encode(letter.WriteGroup(m.items(ctx, all), letter.Options{From: m.from, Now: time.Now()}))
	if err != nil {
		m.each(all, func(p parcel) {
			m.settleFailed(ctx, p.Notice, p.attempt, fmt.Sprintf("write the mail: %v", err), p.task)
		})
		return
	}
	mail.still = func() bool { return !slices.ContainsFunc(all, func(p parcel) bool { return !p.task.Held() }) }
	answer, f := m.tryInHand(ctx, mail, len(all))
	if f != nil && f.verdict() == refused && f.step != stepTo && len(all) > 1 {
		// It was for what is in it: one of them must not take the others with it.
		half := len(all) / 2
		m.sendAll(ctx, all[:half])
		m.sendAll(ctx, all[half:])
		return
	}
	m.each(all, func(p parcel) { m.settle(ctx, p, answer, f) })
}

// leaveOutSettled settles what need not be sent by this mailer now, and returns the rest.
func (m *Mailer) leaveOutSettled(ctx context.Context, all []parcel) (rest []parcel) {
	for _, p := range all {
		answer, taken := m.taken.get(p.ID)
		switch {
		case ctx.Err() != nil || time.Since(p.taken) > maxInHand:
			m.put(p.Notice, p.task, 0) // The mailer is stopping, or busy; another may start on it at once.
		case taken:
			m.settleSent(ctx, p.Notice, p.attempt, answer, p.task) // The mail is out; only the acknowledgement was lost.
		case !p.task.Held():
			m.leaveToOthers(p.Notice, nil)
		default:
			rest = append(rest, p)
		}
	}
	return rest
}

// each does something for every notice, several at a time: settling one costs calls on the bus.
func (m *Mailer) each(all []parcel, do func(parcel)) {
	var group errgroup.Group
	group.SetLimit(settleAtOnce)
	for _, p := range all {
		group.Go(func() error { do(p); return nil })
	}
	_ = group.Wait()
}

// settle does what is to be done about a notice after an attempt.
func (m *Mailer) settle(ctx context.Context, p parcel, answer string, f *failure) {
	if f == nil {
		m.taken.put(p.ID, answer)
		m.settleSent(ctx, p.Notice, p.attempt, answer, p.task)
		return
	}
	if !p.task.Held() { // Whatever went wrong here: it comes again by itself, or another has sent it already.
		m.leaveToOthers(p.Notice, f)
		return
	}
	switch d := decide(f, p.attempt, time.Since(p.queued), m.timing); {
	case d.giveUp != "":
		m.settleFailed(ctx, p.Notice, p.attempt, d.giveUp, p.task)
	default:
		m.settleRetry(p.Notice, p.attempt, d.again, f, p.task)
	}
}

// decision is what becomes of a notice that was not sent.
type decision struct {
	giveUp string        // why it is given up; empty: it isn't
	again  time.Duration // else, when it is tried again
}

// decide decides what becomes of a notice of this age after its attempt has failed. The last attempt is made at the very
// end of the time that a notice has.
func decide(f *failure, attempt int, age time.Duration, t timing) decision {
	switch {
	case f.verdict() == refused:
		return decision{giveUp: f.Error()}
	case age >= t.giveUp:
		return decision{giveUp: fmt.Sprintf("given up after %s: %v", age.Round(time.Minute), f)}
	default:
		return decision{again: min(t.delay(attempt), t.giveUp-age)}
	}
}

// tryInHand tries to send a mail. If it then isn't known whether the server has taken a mail with several notices, that
// very mail is tried again at once, as it will not be put together the same way again: should it arrive twice, it has one
// Message-ID. A mail with one notice has the same each time anyway.
func (m *Mailer) tryInHand(ctx context.Context, mail message, notices int) (answer string, f *failure) {
	ctx, cancel := context.WithTimeout(ctx, m.timing.attempt)
	defer cancel()
	for try := 1; ; try++ {
		answer, f = m.try(ctx, mail)
		if f == nil || notices == 1 || f.step != stepEnd || f.code != 0 || try == inHandTries || !mail.still() {
			return answer, f
		}
		select {
		case <-ctx.Done():
			return answer, f
		case <-time.After(m.timing.first):
		}
	}
}

// leaveToOthers says that a notice went out of this mailer's hands while it stood still.
func (m *Mailer) leaveToOthers(n events.Notice, f *failure) {
	entry := m.log.Warn()
	if f != nil {
		entry = entry.Err(f)
	}
	entry.Msgf("this mailer stood still for too long; the notice to %s is left to the others", n.Recipient)
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

// items gathers what the letter says of each notice.
func (m *Mailer) items(ctx context.Context, all []parcel) []letter.Item {
	out := make([]letter.Item, 0, len(all))
	now := time.Now()
	var over map[string]time.Time
	for _, p := range all {
		i := letter.Item{Notice: p.Notice, Attempt: p.attempt}
		i.Failure, _ = m.trouble.get(p.ID)
		if !matterOf(&p.Notice).ends() && (p.attempt > 1 || letter.IsLate(p.Notice, now) || len(all) > 1) {
			if over == nil {
				over = m.overs(ctx, all)
			}
			i.Closed = over[p.ID]
		}
		out = append(out, i)
	}
	return out
}

// overs reads of which notices what they tell of is over: the time by the notice's id. If this can't be read the notices
// go out as they are: they must not wait for a courtesy.
func (m *Mailer) overs(ctx context.Context, all []parcel) map[string]time.Time {
	out := map[string]time.Time{}
	if len(all) == 1 {
		if l, err := m.lastOf(ctx, matterOf(&all[0].Notice)); err == nil {
			out[all[0].ID] = l.over
		}
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, m.timing.courtesy)
	defer cancel()
	last, err := m.bus.LastOutages(ctx)
	if err != nil {
		return out
	}
	for _, p := range all {
		if got, ok := last[p.Outage.Check]; ok && got.Event == events.Closed && got.Outage.Outage == p.Outage.Outage {
			out[p.ID] = got.Time
		}
	}
	return out
}

// settleSent takes a notice that the server has taken out of the queue, at once: the sooner, the smaller is the window in
// which a crash doubles the mail. The record comes second; it can be missed.
func (m *Mailer) settleSent(ctx context.Context, n events.Notice, attempt int, answer string, t task) {
	about := matterOf(&n)
	log := about.log(m.log.With().Int("attempt", attempt).Logger())
	if err := m.done(ctx, t); err != nil {
		// It stays in taken: if it comes back to this mailer it is not sent again.
		log.Error().Err(err).Msgf("notice to %s is sent but still in the queue; another mailer may send it again", n.Recipient)
		return
	}
	m.taken.forget(n.ID)
	m.trouble.forget(n.ID)
	m.metrics.sent.Inc()
	log.Info().Msgf("%s: told %s", about.event(), n.Recipient)
	if err := m.record(ctx, n, events.Sent, attempt, answer); err != nil {
		log.Warn().Err(err).Msgf("notice to %s is sent, but not recorded", n.Recipient)
	}
}

// settleFailed gives a notice up. It stays in the queue until that is on record.
func (m *Mailer) settleFailed(ctx context.Context, n events.Notice, attempt int, why string, t task) {
	about := matterOf(&n)
	log := about.log(m.log.With().Int("attempt", attempt).Logger())
	if err := m.record(ctx, n, events.Failed, attempt, why); err != nil {
		log.Error().Err(err).Msgf("notice to %s failed (%s), and that can't be recorded; trying again", n.Recipient, why)
		m.trouble.put(n.ID, why)
		m.put(n, t, m.timing.delay(attempt))
		return
	}
	m.metrics.failed.Inc()
	log.Error().Msgf("%s: %s can't be told: %s", about.event(), n.Recipient, why)
	m.trouble.forget(n.ID)
	if err := m.done(ctx, t); err != nil {
		log.Warn().Err(err).Msgf("notice to %s is given up but still in the queue; it will be tried again", n.Recipient)
	}
}

// settleRetry puts a notice back.
func (m *Mailer) settleRetry(n events.Notice, attempt int, delay time.Duration, f *failure, t task) {
	m.trouble.put(n.ID, f.Error())
	about := matterOf(&n)
	log := about.log(m.log)
	entry, hint := log.Warn(), ""
	if f.verdict() == misconfigured {
		entry, hint = log.Error(), "; this won't pass by itself: see DMONITOR_SMTP_URL, DMONITOR_MAIL_FROM and the mail server's settings"
	}
	entry.Int("attempt", attempt).Err(f).
		Msgf("%s: %s not told yet, trying again in %s%s", about.event(), n.Recipient, delay.Round(time.Second), hint)
	m.put(n, t, delay)
}

// put puts a notice back into the queue. If that fails it comes back when the queue's patience ends.
func (m *Mailer) put(n events.Notice, t task, delay time.Duration) {
	if err := t.Retry(delay); err != nil {
		log := matterOf(&n).log(m.log)
		log.Warn().Err(err).Msgf("put back the notice to %s", n.Recipient)
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
	d := matterOf(&n).delivery(n)
	d.Outcome, d.Time, d.Attempts, d.Answer, d.By = how, time.Now().UTC(), attempt, brief(answer, maxAnswer), m.node
	return m.bus.PutDelivery(ctx, d)
}

// delay is how long a notice waits after this many attempts: doubling, bounded.
func (t timing) delay(attempt int) time.Duration {
	d := t.first
	for range attempt - 1 {
		if d *= 2; d >= t.longest {
			return t.longest
		}
	}
	return min(d, t.longest)
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
