package mailer

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/mailer/batch"
	"github.com/dmonitor/dmonitor/services/mailer/letter"
	"github.com/dmonitor/dmonitor/services/mailer/told"
)

// tell sends the mails of some orders, not through the queue, which can't be written: to each recipient one mail about all
// outages, and one about each trouble. What fails is tried again by a later order, by this mailer or by the one whose turn
// it is then.
func (p *minority) tell(ctx context.Context, orders []told.Order) {
	type mail struct {
		to     string
		orders []told.Order
	}
	var mails []mail
	open := map[string]int{} // recipient: the mail in which there is room
	for _, o := range orders {
		for _, r := range o.Recipients {
			i, ok := open[r]
			switch {
			case o.Trouble != nil:
				mails = append(mails, mail{r, []told.Order{o}})
			case ok && len(mails[i].orders) < batch.Most:
				mails[i].orders = append(mails[i].orders, o)
			default:
				open[r] = len(mails)
				mails = append(mails, mail{r, []told.Order{o}})
			}
		}
	}
	var mu sync.Mutex
	refused := map[string][]string{} // by what it is about
	var group errgroup.Group
	group.SetLimit(parallel)
	stop := p.keepClaims(orders)
	for _, x := range mails {
		group.Go(func() error {
			never := p.tellOne(ctx, x.to, x.orders)
			mu.Lock()
			defer mu.Unlock()
			for _, o := range never {
				refused[o.About()] = append(refused[o.About()], x.to)
			}
			return nil
		})
	}
	_ = group.Wait() // Each says itself how it went.
	stop()
	p.with(func(b *told.Book, now time.Time) {
		for _, o := range orders {
			b.Done(o.About(), refused[o.About()], now.Add(p.m.timing.delay(b.Tries(o.About())+1)))
		}
	})
}

// keepClaims says again and again that this mailer is telling, until it is told to stop.
func (p *minority) keepClaims(orders []told.Order) (stop func()) {
	done := make(chan struct{})
	var saying sync.WaitGroup
	saying.Go(func() {
		tick := time.NewTicker(p.m.timing.renew)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			var claims []*events.Told
			p.with(func(b *told.Book, now time.Time) {
				for _, o := range orders {
					if b.Renew(o.About(), now) {
						o.Claim = true
						claims = append(claims, p.toldOf(o, o.Recipients, now))
					}
				}
			})
			p.claim(claims)
		}
	})
	return func() { close(done); saying.Wait() }
}

// mine leaves out of what this mailer is telling a recipient what he was told by another meanwhile, or is for another to tell.
func (p *minority) mine(orders []told.Order, to string) (mine []told.Order) {
	var about []string
	for _, o := range orders {
		about = append(about, o.About())
	}
	p.with(func(b *told.Book, now time.Time) { about = b.Mine(about, to, now) })
	return slices.DeleteFunc(slices.Clone(orders), func(o told.Order) bool { return !slices.Contains(about, o.About()) })
}

// tellOne sends one mail. It returns what the mail server won't ever take for this recipient.
func (p *minority) tellOne(ctx context.Context, to string, orders []told.Order) (never []told.Order) {
	orders = p.mine(orders, to)
	if ctx.Err() != nil || len(orders) == 0 {
		return nil // Another may.
	}
	log := p.m.log.With().Str("about", orders[0].About()).Int("matters", len(orders)).Logger()
	answer, f := p.offer(ctx, to, orders)
	switch {
	case f == nil:
		log.Warn().Msgf("told %s without a majority (%s)", to, answer)
		p.m.metrics.uncommitted.Add(float64(len(orders)))
		p.tellOthers(orders, to)
		return nil
	case f.verdict() == refused && f.step != stepTo && len(orders) > 1:
		// It was for what is in it: one of them must not take the others with it.
		half := len(orders) / 2
		return slices.Concat(p.tellOne(ctx, to, orders[:half]), p.tellOne(ctx, to, orders[half:]))
	case f.verdict() == refused:
		log.Error().Err(f).Msgf("%s can't be told without a majority", to)
		return orders
	default:
		log.Error().Err(f).Msgf("%s not told without a majority yet; trying again", to)
		return nil
	}
}

// offer makes one attempt to send one mail.
func (p *minority) offer(ctx context.Context, to string, orders []told.Order) (answer string, f *failure) {
	ctx, cancel := outlive(ctx, p.m.timing.grace)
	defer cancel()
	now := time.Now()
	var items []letter.Item
	for _, o := range orders {
		items = append(items, letter.Item{Notice: matter{outage: o.Outage, trouble: o.Trouble}.notice(to, now), Attempt: 1})
	}
	mail, err := encode(letter.WriteGroup(items, letter.Options{From: p.m.from, Now: now, Uncommitted: p.m.node}))
	if err != nil {
		return "", &failure{step: stepData, self: refused, text: "write the mail: " + err.Error()}
	}
	mail.still = func() bool { return len(p.mine(orders, to)) == len(orders) }
	ctx, cancel = context.WithTimeout(ctx, told.ClaimFor) // Then it is another's turn.
	defer cancel()
	return p.m.try(ctx, mail)
}

// tellOthers says that a recipient was told, after it is on disk here: who comes to know of it twice does no harm.
func (p *minority) tellOthers(orders []told.Order, recipient string) {
	var all []events.Told
	for _, o := range orders {
		all = append(all, *p.toldOf(o, []string{recipient}, time.Now()))
	}
	p.mu.Lock()
	p.note(true, slices.Clone(all)...)
	p.mu.Unlock()
	for _, t := range all {
		if err := p.m.bus.Publish(&t); err != nil {
			p.m.log.Warn().Err(err).Msgf("others don't know that %s was told; perhaps they tell it too", recipient)
			return
		}
	}
}
