package mailer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/mailer/batch"
	"github.com/dmonitor/dmonitor/services/mailer/told"
)

// Bounds of what mailers tell each other about whom they have told.
const (
	askedFor    = 5 * time.Second // how long the answers to one question are good: all mailers tell all they know
	answerSince = 24 * time.Hour
	answerMost  = 1000
	tidyEvery   = time.Minute
)

// minority is the part of a mailer that tells people what can't be committed, and sees to it that they are not told
// again when it is. What is decided is decided in package told.
type minority struct {
	m       *Mailer
	catalog atomic.Pointer[events.Catalog] // as FollowCatalog gave it last: who is told while nobody can be asked

	mu      sync.Mutex // guards the rest
	book    *told.Book
	journal *journal
	asked   time.Time            // when all mailers were asked last
	waiting map[string]time.Time // by id of a committed event: since when its notices can't be queued
}

// newMinority reads the journal. One that can't be read or written is said in the log: people are told all the same.
func newMinority(m *Mailer, data string) *minority {
	p := &minority{m: m, book: told.New(m.node), waiting: map[string]time.Time{}}
	j, all, err := openJournal(data)
	if err == nil {
		now := time.Now()
		for _, t := range all {
			p.book.Told(t, now)
		}
		if len(all) > 0 {
			err = j.rewrite(p.book.Records())
		}
	}
	if err != nil {
		m.log.Error().Err(err).Msg("who is told without a majority is remembered until this process ends, no longer")
		j = &journal{}
	}
	p.journal = j
	return p
}

// run hears and tells until ctx ends, and then waits for the mails that are under way.
func (p *minority) run(ctx context.Context) error {
	stop, err := p.m.bus.Hear(bus.Hearing{
		Presence: func(e events.Presence) {
			p.with(func(b *told.Book, now time.Time) { b.Present(e.Node, e.Leaving, now) })
		},
		Uncommitted: func(u events.Uncommitted) { p.with(func(b *told.Book, now time.Time) { b.Uncommitted(u, now) }) },
		Committed:   func(about string) { p.with(func(b *told.Book, now time.Time) { b.Committed(about, now) }) },
		Told:        p.heardTold,
		ToldAsk:     p.answer,
		Again:       p.askAll,
	})
	if err != nil {
		return err
	}
	defer stop()
	p.askAll()
	var telling sync.WaitGroup
	defer telling.Wait()
	tick := time.NewTicker(p.m.timing.tick)
	defer tick.Stop()
	var busy atomic.Bool
	var last time.Time // when telling began last: in a storm there is one mail every few seconds
	for tidied := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := time.Now() // The tick may be from before a standstill.
			if !busy.Load() && now.Sub(last) >= batch.First {
				if orders := p.next(ctx, now); len(orders) > 0 {
					busy.Store(true)
					last = now
					telling.Go(func() { defer busy.Store(false); p.tell(ctx, orders) })
				}
			}
			if now.Sub(tidied) > tidyEvery {
				tidied = now
				p.with(func(b *told.Book, now time.Time) { b.Forget(now) })
			}
		}
	}
}

func (p *minority) with(f func(*told.Book, time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.book, time.Now())
}

// next claims what has to be claimed, and returns what is to be told now.
func (p *minority) next(ctx context.Context, now time.Time) (tell []told.Order) {
	catalog := p.catalog.Load()
	if catalog == nil {
		return nil
	}
	who := func(u events.Uncommitted) []string {
		return matter{outage: u.Outage, trouble: u.Trouble}.recipients(*catalog)
	}
	p.readLogs(ctx, now, who)
	p.mu.Lock()
	orders := p.book.Next(now, who)
	p.mu.Unlock()
	var claims []*events.Told
	for _, o := range orders {
		if o.Claim {
			claims = append(claims, p.toldOf(o, o.Recipients, now))
		} else {
			tell = append(tell, o)
		}
	}
	p.claim(claims)
	return tell
}

// claim says that this mailer tells.
func (p *minority) claim(claims []*events.Told) {
	for _, t := range claims {
		if err := p.m.bus.Publish(t); err != nil {
			p.m.log.Warn().Err(err).Msg("others can't be told that this mailer tells without a majority; perhaps they tell it too")
		}
	}
}

// toldOf is what others hear about an order.
func (p *minority) toldOf(o told.Order, recipients []string, now time.Time) *events.Told {
	t := matter{outage: o.Outage, trouble: o.Trouble}
	return &events.Told{
		By: p.m.node, About: o.About(), Event: t.id(), Claim: o.Claim, Recipients: recipients, Decided: t.decided(), Time: now.UTC(),
	}
}

// heardTold keeps what another mailer has told, on disk too: this one may be the one who fans the event out.
func (p *minority) heardTold(t events.Told) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.By != p.m.node || t.Claim {
		p.note(false, t)
	}
}

// note keeps what was told in the book and in the journal. What this mailer has told itself is synced to disk. What others have
// told is in their own journals, and hundreds of it may come at once while a fan-out waits to know it.
func (p *minority) note(sync bool, all ...events.Told) {
	now := time.Now()
	all = slices.DeleteFunc(all, func(t events.Told) bool { return !p.book.Told(t, now) })
	err := p.journal.add(sync, all...)
	if err == nil && p.journal.full() {
		err = p.journal.rewrite(p.book.Records())
	}
	if err != nil {
		p.m.log.Error().Err(err).Msg("if this process ends now, people may be told twice")
	}
}

// answer tells who asks what is in the book: all of what was asked for, and what else was told in the last day, so that
// he need not ask for each event.
func (p *minority) answer(a events.ToldAsk) {
	now := time.Now()
	p.mu.Lock()
	records := p.book.Records()
	p.mu.Unlock()
	for i, r := range records {
		if r.About != a.About && (i >= answerMost || now.Sub(r.Time) > answerSince) {
			continue
		}
		r.By = p.m.node // One speaks for oneself on the bus.
		if err := p.m.bus.Publish(&r); err != nil {
			return
		}
	}
}

// errBeingTold says that an event has to come again, as somebody is telling of it in this moment.
var errBeingTold = errors.New("it is being told without a majority in this moment")

// leaveOutTold returns the recipients that were not told of an event while it could not be committed. The others'
// deliveries are recorded.
func (p *minority) leaveOutTold(ctx context.Context, t matter, recipients []string) ([]string, error) {
	if err := p.askAround(ctx, t); err != nil {
		return nil, err
	}
	e := told.Event{About: t.about(), ID: t.id(), Decided: t.decided()}
	log, err := p.readLog(ctx, t)
	if err != nil {
		return nil, err
	}
	var left []string
	by := map[string]events.Told{}
	p.mu.Lock()
	for _, r := range recipients {
		if told, ok := p.book.Covered(e, r, log); ok {
			by[r] = told
		} else {
			left = append(left, r)
		}
	}
	claimed := p.book.Claimed(e.About, time.Now())
	p.mu.Unlock()
	if len(left) > 0 && claimed {
		return nil, errBeingTold
	}
	out := t.log(p.m.log)
	for r, told := range by {
		answer := fmt.Sprintf("told without a majority by %s at %s", told.By, told.Time.UTC().Format(time.RFC3339))
		out.Info().Msgf("%s: %s was %s", t.event(), r, answer)
		if err := p.m.record(ctx, t.notice(r, time.Now()), events.Sent, 1, answer); err != nil {
			out.Warn().Err(err).Msgf("that %s was told is not recorded", r)
		}
	}
	return left, nil
}

// askAll asks all mailers what they have told of late: at the start, and when somebody is there again. What was told while
// this mailer was away may be decided anew by an arbiter that was away too, and is then no old event.
func (p *minority) askAll() {
	p.mu.Lock()
	p.asked = time.Now()
	p.mu.Unlock()
	about := events.TroubleSubject(events.Began, events.TroubleKey{Kind: events.TroubleMajority}) // The answers tell of all else too.
	if err := p.m.bus.Publish(&events.ToldAsk{By: p.m.node, About: about}); err != nil {
		p.m.log.Debug().Err(err).Msg("the other mailers could not be asked whom they have told; old events will be asked for")
	}
}

// askAround asks the mailers on what was the other side of a cut whom they have told, if the event is so old that there
// may have been one. It waits for the answers, also to what was asked a moment ago.
func (p *minority) askAround(ctx context.Context, t matter) error {
	now := time.Now()
	p.mu.Lock()
	ask := now.Sub(t.decided()) > p.m.timing.stale && now.Sub(p.asked) > askedFor
	if ask {
		p.asked = now
	}
	wait := p.asked.Add(p.m.timing.ask).Sub(now)
	p.mu.Unlock()
	if ask {
		if err := p.m.bus.Publish(&events.ToldAsk{By: p.m.node, About: t.about()}); err != nil {
			return err
		}
	}
	if wait <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// maxWaiting bounds the events for which it is remembered since when they can't be queued. One more is told later.
const maxWaiting = 5000

// stuck takes in that an attempt to queue the notices of a committed event has failed. When that has lasted for as long as
// people wait for what can't be committed, all mailers hear that it is as good as uncommitted, and one of them tells people.
func (p *minority) stuck(t matter, began, now time.Time) {
	p.mu.Lock()
	since, known := p.waiting[t.id()]
	if !known {
		since = began
	}
	if len(p.waiting) < maxWaiting {
		p.waiting[t.id()] = since
	}
	p.mu.Unlock()
	if now.Sub(since) < p.m.timing.stuck {
		return
	}
	// It was decided anew, as it were, after it was committed: that alone would settle it.
	u := events.Uncommitted{By: p.m.node, Since: now.Add(time.Second - events.UncommittedAfter), Outage: t.outage, Trouble: t.trouble}
	log := t.log(p.m.log)
	log.Warn().Msgf("%s; the notices can't be queued, so people are told without a majority", t.event())
	if err := p.m.bus.Publish(&u); err != nil {
		log.Warn().Err(err).Msg("the mailers can't be told so")
	}
}

// settled takes in that the notices of a committed event are in the queue: nobody has to be told of it in another way.
func (p *minority) settled(t matter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, t.id())
	p.book.Committed(t.about(), time.Now())
}
