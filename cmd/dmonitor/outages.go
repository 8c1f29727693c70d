package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

type outagesCmd struct {
	Follow bool          `short:"f" help:"Go on and print what happens as it happens."`
	Since  time.Duration `default:"168h" help:"How far to look back."`
	JSON   bool          `name:"json" help:"Print events as JSON, one a line."`
}

func (c outagesCmd) Run(a *app) error {
	b, _, err := a.connect()
	if err != nil {
		return err
	}
	defer closeBus(b)
	var follow *follower
	if c.Follow { // Subscribed before the history is read, so that nothing falls between the two.
		if follow, err = newFollower(b); err != nil {
			return err
		}
	}
	var history []bus.Committed
	ctx, cancel := context.WithTimeout(a.ctx, askTimeout)
	defer cancel()
	err = b.Outages(ctx, time.Now().Add(-c.Since), func(o bus.Committed) error {
		history = append(history, o)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: read the outages: %w", errBusGone, err)
	}
	if c.JSON || c.Follow {
		for _, o := range history {
			c.printEvent(a.stdout, o)
		}
	} else {
		printOutages(a.stdout, spans(history), time.Now(), c.Since)
	}
	if follow == nil {
		return nil
	}
	return follow.run(a.ctx, history, func(o bus.Committed) { c.printEvent(a.stdout, o) })
}

func (c outagesCmd) printEvent(w io.Writer, o bus.Committed) {
	if c.JSON {
		line, err := json.Marshal(o.Outage)
		if err == nil {
			fmt.Fprintln(w, string(line))
		}
		return
	}
	fmt.Fprintln(w, eventLine(o.Outage))
}

// eventLine tells one event in one line.
func eventLine(o events.Outage) string {
	switch o.Event {
	case events.Opened:
		return fmt.Sprintf("%s  DOWN  %s  %s  %s", moment(o.Time), o.Check, howSure(o), seen(o.Votes, events.Down))
	case events.Closed:
		return fmt.Sprintf("%s  UP    %s  after %s  %s", moment(o.Time), o.Check, span(o.Time.Sub(o.Opened)), seen(o.Votes, events.Up))
	default:
		return fmt.Sprintf("%s  %s  %s", moment(o.Time), o.Event, o.Check)
	}
}

// howSure says how many of the sites able to judge saw it down.
func howSure(o events.Outage) string {
	return fmt.Sprintf("%d of %d sites", len(o.Witnesses(events.Down)), o.Able)
}

// seen lists who voted so, and what the plugin said.
func seen(votes []events.NodeVote, v events.Vote) string {
	var parts []string
	for _, nv := range votes {
		if nv.Vote == v {
			parts = append(parts, nv.Node+": "+nv.Output)
		}
	}
	return strings.Join(parts, "; ")
}

// outageSpan is one outage from its opening to its closing.
type outageSpan struct {
	opened events.Outage
	closed *events.Outage
}

// spans pairs openings with their closings, oldest first. A closing whose opening is too old to be listed stands alone.
func spans(history []bus.Committed) []outageSpan {
	var out []outageSpan
	byID := map[string]int{}
	for _, c := range history {
		o := c.Outage
		i, known := byID[o.Outage]
		if !known {
			byID[o.Outage] = len(out)
			i = len(out)
			out = append(out, outageSpan{opened: o})
		}
		if o.Event == events.Closed {
			out[i].closed = &o
		}
	}
	return out
}

func printOutages(w io.Writer, all []outageSpan, now time.Time, since time.Duration) {
	if len(all) == 0 {
		fmt.Fprintf(w, "no outages in the last %s\n", span(since))
		return
	}
	slices.Reverse(all)
	var rows [][]string
	for _, s := range all {
		state, end := "DOWN", now
		if s.closed != nil {
			state, end = "over", s.closed.Time
		}
		rows = append(rows, []string{
			state, s.opened.Check.String(), moment(s.opened.Opened), span(end.Sub(s.opened.Opened)),
			howSure(s.opened), seen(s.opened.Votes, events.Down),
		})
	}
	table(w, []string{"STATE", "CHECK", "DOWN SINCE", "FOR", "SEEN BY", "WITNESSES"}, rows)
}

// follower hands on committed events in the order of the log, each once.
type follower struct {
	b      *bus.Bus
	began  time.Time
	events chan bus.Committed
	again  chan struct{} // the connection was lost in between: what was committed meanwhile has to be read
	sub    *bus.Subscription
}

func newFollower(b *bus.Bus) (*follower, error) {
	f := &follower{b: b, began: time.Now(), events: make(chan bus.Committed, 1024), again: make(chan struct{}, 1)}
	b.OnReconnect(f.readAgain)
	sub, err := b.SubscribeOutages(func(o bus.Committed) { f.events <- o })
	if err != nil {
		return nil, fmt.Errorf("%w: follow the outages: %w", errBusGone, err)
	}
	f.sub = sub
	return f, nil
}

// readAgain has the log read for what was missed.
func (f *follower) readAgain() {
	select {
	case f.again <- struct{}{}:
	default: // It is going to be read already.
	}
}

func (f *follower) run(ctx context.Context, history []bus.Committed, show func(bus.Committed)) error {
	defer f.sub.Stop()
	last := bus.Committed{Stored: f.began}
	news := func(o bus.Committed) error {
		if o.Seq > last.Seq {
			last = o
			show(o)
		}
		return nil
	}
	for _, o := range history {
		last = o
	}
	for {
		select {
		case o := <-f.events:
			if last.Seq > 0 && o.Seq > last.Seq+1 { // Something in between was missed.
				f.catchUp(ctx, last.Stored, news)
			}
			_ = news(o) // It never fails.
		case <-f.again:
			f.catchUp(ctx, last.Stored, news)
		case <-ctx.Done():
			return nil
		}
	}
}

// catchUp reads what was committed since the last event that was seen. If the log can't be read yet, it is tried again.
func (f *follower) catchUp(ctx context.Context, since time.Time, news func(bus.Committed) error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := f.b.Outages(ctx, since, news); err != nil {
		time.AfterFunc(time.Second, f.readAgain)
	}
}
