package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

const helpText = `Now it is yours. Type a letter and Enter:
  d  the host goes down, or up again      c  cut nyc off from the host, or join it again
  k  kill fra, or start it again          q  quit (or Ctrl-C)`

// Play starts the stage, tells the story, and then goes on until ctx ends or "q" is typed: whoever watches breaks
// things by single letters. Keys is called with the context that ends the reading.
func Play(ctx context.Context, o Options, keys func(context.Context) <-chan string) error {
	s, err := setUp(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		s.tearDown()
		o.Out.plain("\nThe demo has ended; nothing of it is left.")
	}()
	o.Out.plain("The inbox: http://%s   what the nodes log: %s/*/log", s.inbox.HTTPAddr(), s.dir)
	st := &story{stage: s, out: o.Out}
	if err := st.play(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // Interrupted by who watches: that is an end, not a failure.
		}
		return err
	}
	o.Out.plain("\nfra is started again. The inbox stays open at http://%s\n\n%s\n", s.inbox.HTTPAddr(), helpText)
	if err := s.node("fra").restart(); err != nil {
		return err
	}
	return s.improvise(ctx, o.Out, keys(ctx))
}

// improvise tells what happens as it happens, and does what is typed.
func (s *stage) improvise(ctx context.Context, out *Timeline, keys <-chan string) error {
	tell := newTeller(s.watch.now(), out)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case key := <-keys:
			if key = strings.ToLower(strings.TrimSpace(key)); key == "q" {
				return nil
			}
			if err := s.obey(key, out); err != nil {
				return err
			}
		case <-tick.C:
			tell.news(s.watch.now())
		}
	}
}

func (s *stage) obey(key string, out *Timeline) error {
	nyc, fra := s.node("nyc"), s.node("fra")
	switch key {
	case "d":
		if up, _ := s.host.IsUp(); !up {
			out.say("the host answers again")
			return s.host.Up()
		}
		s.host.Down()
		out.say("the host stops answering")
	case "c":
		if s.nycIsCut = !s.nycIsCut; !s.nycIsCut {
			out.say("nyc's network is back")
			return nyc.path.Restore()
		}
		nyc.path.Cut()
		out.say("nyc is cut off from the host")
	case "k":
		if fra.gone() {
			out.say("fra is started again")
			return fra.restart()
		}
		out.say("fra is killed (kill -9)")
		return fra.kill()
	case "":
	default:
		out.plain("%s", helpText)
	}
	return nil
}

// teller prints what is new since it last looked.
type teller struct {
	out            *Timeline
	outages, mails int
	results        int
	lastVote       map[string]events.Vote
}

func newTeller(seen sight, out *Timeline) *teller {
	return &teller{out: out, outages: len(seen.outages), mails: len(seen.mails), results: len(seen.results), lastVote: map[string]events.Vote{}}
}

func (t *teller) news(seen sight) {
	for _, r := range seen.results[t.results:] {
		if v := r.Status.Vote(); t.lastVote[r.Node] != v {
			if t.lastVote[r.Node] != "" || v != events.Up {
				t.out.say("%s: %s (%s)", r.Node, r.Output, r.Status)
			}
			t.lastVote[r.Node] = v
		}
	}
	for _, o := range seen.outages[t.outages:] {
		t.out.say("outage %s: %s", o.Event, o.Reason)
	}
	for _, m := range seen.mails[t.mails:] {
		t.out.say("mail: %s", m.Subject)
	}
	t.results, t.outages, t.mails = len(seen.results), len(seen.outages), len(seen.mails)
}

// restart starts a node that was killed, with the folders it had.
func (n *node) restart() error {
	if !n.gone() {
		return nil
	}
	n.killed = false
	if err := n.start(); err != nil {
		return fmt.Errorf("start %s again: %w", n.name, err)
	}
	return nil
}
