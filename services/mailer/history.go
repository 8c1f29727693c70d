package mailer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/mailer/told"
)

// readLogs reads what stands in the log where that decides over who has to be told without a majority. Reading needs a
// member that has a copy, not a majority; where there is none, or it takes too long, people are told rather than not.
func (p *minority) readLogs(ctx context.Context, now time.Time, who func(events.Uncommitted) []string) {
	p.mu.Lock()
	unread := p.book.Unread(now, who)
	p.mu.Unlock()
	if len(unread) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.m.timing.courtesy)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(settleAtOnce)
	for _, u := range unread {
		group.Go(func() error {
			t := matter{outage: u.Outage, trouble: u.Trouble}
			log, err := p.readLog(ctx, t)
			if err != nil {
				log = told.Log{}
				out := t.log(p.m.log)
				out.Debug().Err(err).Msg("whether people were told of this very thing can't be known; telling them")
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.book.Read(u.About(), log, now)
			return nil
		})
	}
	_ = group.Wait()
}

// readLog reads what stands in the log about an event's check or trouble, if that matters for whether people have been told
// of it.
func (p *minority) readLog(ctx context.Context, t matter) (log told.Log, err error) {
	p.mu.Lock()
	since, ok := p.book.Since(told.Event{About: t.about(), ID: t.id(), Decided: t.decided()})
	p.mu.Unlock()
	if !ok {
		return told.Log{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.m.timing.call)
	defer cancel()
	if d := t.decided(); d.Before(since) {
		since = d
	}
	since = since.Add(-time.Hour) // The log's clock isn't the arbiter's.
	note := func(m matter) {
		log.Events = append(log.Events, told.Logged{About: m.about(), ID: m.id(), Seq: m.seq, Decided: m.decided()})
	}
	if t.trouble != nil {
		err = p.m.bus.TroublesOf(ctx, t.trouble.TroubleKey, since, func(c bus.CommittedTrouble) error {
			note(matter{trouble: &c.Trouble, seq: c.Seq})
			return nil
		})
	} else {
		err = p.m.bus.OutagesOf(ctx, t.outage.Check, since, func(c bus.Committed) error {
			note(matter{outage: &c.Outage, seq: c.Seq})
			return nil
		})
	}
	if err != nil {
		return told.Log{}, fmt.Errorf("read what was committed before: %w", err)
	}
	// A member that lags behind, and doesn't have the event itself, may lack what came before it too.
	log.Known = t.seq == 0 || slices.ContainsFunc(log.Events, func(x told.Logged) bool { return x.Seq >= t.seq })
	return log, nil
}
