package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/demo/inbox"
	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// patience is how long the story waits for one thing to happen. It is generous: a busy machine is no failure.
const patience = 45 * time.Second

// story is the play: what is done to the stage, and what must then be seen.
type story struct {
	*stage
	out     *Timeline
	told    []telling
	downAt  time.Time
	events  int // outage events there should be by now
	letters int // mails there should be by now
}

// telling is one outage and how long it took until people knew.
type telling struct {
	nodes      int
	firstFail  time.Duration // from the host's going down to the first down vote
	lastNeeded time.Duration // to the vote that made the agreement
	mail       time.Duration // to the mail server's taking the mail
}

func (s *story) play(ctx context.Context) error {
	acts := []struct {
		title string
		play  func(context.Context) error
	}{
		{"Three nodes look at one host", s.allUp},
		{"One node's own network fails", s.oneNodeFails},
		{"The host goes down", func(ctx context.Context) error { return s.hostDown(ctx, nodeNames) }},
		{"The host is back", func(ctx context.Context) error { return s.hostUp(ctx, nodeNames) }},
		{"A node is killed, and the host goes down again", s.killAndDown},
		{"The host is back once more", func(ctx context.Context) error { return s.hostUp(ctx, living(s.nodes)) }},
	}
	for i, act := range acts {
		s.out.act(i+1, act.title)
		if err := act.play(ctx); err != nil {
			return fmt.Errorf("%d. %s: %w", i+1, act.title, s.explain(err))
		}
	}
	s.summary()
	return nil
}

// explain adds the last words of nodes that are gone without having been killed by the story.
func (s *story) explain(err error) error {
	for _, n := range s.nodes {
		if n.gone() && !n.killed {
			err = fmt.Errorf("%w\n%s has ended by itself; its last words:\n%s", err, n.name, n.lastWords())
		}
	}
	return err
}

func (s *story) allUp(ctx context.Context) error {
	start := time.Now()
	s.out.say("tokyo, fra and nyc start as processes of their own and form a bus")
	if err := s.watch.until(ctx, "an OK from every node", 2*patience, func(seen sight) bool {
		return s.allNodesUp(seen, start, nodeNames)
	}); err != nil {
		return err
	}
	s.out.say("all three say OK; each looks every %v, one after the other", interval)
	return nil
}

func (s *story) allNodesUp(seen sight, since time.Time, names []string) bool {
	up := seen.nodesWith(events.Up, since)
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(up, n) })
}

func (s *story) oneNodeFails(ctx context.Context) error {
	cut := time.Now()
	n := s.node("nyc")
	n.path.Cut()
	s.out.say("nyc is cut off from the host (the host itself is fine)")
	var suspicion seenResult
	err := s.watch.until(ctx, "nyc's FAIL, answered OK by the two others", patience, func(seen sight) bool {
		for _, r := range seen.since(cut) {
			if r.Node == n.name && r.Status.Vote() == events.Down && len(confirmers(seen, r.ID, events.Up)) == 2 {
				suspicion = r
				return true
			}
		}
		return false
	})
	if err != nil {
		return err
	}
	s.out.say("nyc: %s", suspicion.Output)
	s.out.say("tokyo and fra, asked at once, say OK: the suspicion is dismissed")
	if err := s.settle(ctx, nodeNames); err != nil {
		return err
	}
	s.out.say("nobody is told")
	restored := time.Now()
	if err := n.path.Restore(); err != nil {
		return fmt.Errorf("restore nyc's way to the host: %w", err)
	}
	s.out.say("nyc's network is back")
	return s.watch.until(ctx, "an OK from nyc", patience, func(seen sight) bool {
		return s.allNodesUp(seen, restored, []string{n.name})
	})
}

// confirmers lists the nodes that answered a suspicion with such a vote.
func confirmers(seen sight, suspicion string, v events.Vote) []string {
	var out []string
	for _, r := range seen.results {
		if r.Confirms == suspicion && r.Status.Vote() == v && !slices.Contains(out, r.Node) {
			out = append(out, r.Node)
		}
	}
	return out
}

func (s *story) hostDown(ctx context.Context, nodes []string) error {
	s.downAt = time.Now()
	s.host.Down()
	s.out.say("the host stops answering")
	opened, mail, err := s.nextTelling(ctx, events.Opened)
	if err != nil {
		return err
	}
	if err := s.checkOpening(opened, mail, nodes); err != nil {
		return err
	}
	s.measure(opened, mail, len(nodes))
	return s.settle(ctx, nodes)
}

// nextTelling waits for the next committed event and its mail, and says what was seen.
func (s *story) nextTelling(ctx context.Context, want events.Event) (bus.Committed, inbox.Mail, error) {
	var o bus.Committed
	var m inbox.Mail
	s.events++
	s.letters++
	err := s.watch.until(ctx, fmt.Sprintf("the outage's %s event", want), patience, func(seen sight) bool {
		if len(seen.outages) < s.events {
			return false
		}
		o = seen.outages[s.events-1]
		return true
	})
	if err != nil {
		return o, m, err
	}
	if o.Event != want {
		return o, m, fmt.Errorf("the event is %q, want %q", o.Event, want)
	}
	s.sayVotes(o.Outage)
	err = s.watch.until(ctx, "the mail", patience, func(seen sight) bool {
		if len(seen.mails) < s.letters {
			return false
		}
		m = seen.mails[s.letters-1]
		return true
	})
	if err != nil {
		return o, m, err
	}
	s.out.say("mail to %s: %s", recipient, m.Subject)
	if s.letters == 1 {
		s.out.block(m.Text())
	}
	return o, m, nil
}

func (s *story) sayVotes(o events.Outage) {
	var words []string
	for _, v := range o.Votes {
		word := string(v.Status)
		if word == "" {
			word = "not answered yet"
		}
		words = append(words, v.Node+" "+word)
	}
	what := map[events.Event]string{events.Opened: "outage opened", events.Closed: "outage closed"}[o.Event]
	s.out.say("%s: %s (declared by %s)", what, strings.Join(words, ", "), o.By)
}

func (s *story) checkOpening(o bus.Committed, m inbox.Mail, nodes []string) error {
	witnesses := o.Witnesses(events.Down)
	if len(witnesses) < 2 {
		return fmt.Errorf("opened with %d witnesses %v, want two or more", len(witnesses), witnesses)
	}
	for _, w := range witnesses {
		if !slices.Contains(nodes, w) {
			return fmt.Errorf("%s is a witness, but does not live", w)
		}
		if !strings.Contains(m.Text(), w) {
			return fmt.Errorf("the mail does not name the witness %s", w)
		}
	}
	if want := "DOWN " + testName + " on " + hostName; !strings.HasPrefix(m.Subject, want) {
		return fmt.Errorf("the mail's subject is %q, want it to start with %q", m.Subject, want)
	}
	return nil
}

func (s *story) hostUp(ctx context.Context, nodes []string) error {
	opening := s.watch.now().mails[s.letters-1]
	if err := s.host.Up(); err != nil {
		return fmt.Errorf("bring the host back: %w", err)
	}
	s.out.say("the host answers again")
	_, mail, err := s.nextTelling(ctx, events.Closed)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(mail.Subject, "UP "+testName+" on "+hostName) {
		return fmt.Errorf("the mail's subject is %q", mail.Subject)
	}
	if opening.MessageID == "" || mail.InReplyTo != opening.MessageID {
		return fmt.Errorf("the mail answers %q, want it to answer %q", mail.InReplyTo, opening.MessageID)
	}
	s.out.say("it is threaded under the first mail (In-Reply-To)")
	return s.settle(ctx, nodes)
}

func (s *story) killAndDown(ctx context.Context) error {
	victim := s.node("fra")
	led := s.ledBy(ctx, victim.name)
	if err := victim.kill(); err != nil {
		return err
	}
	s.out.say("fra is killed (kill -9)")
	if len(led) > 0 {
		s.out.say("fra led %s: the two others elect a new leader first, which takes some seconds", strings.Join(led, " and "))
	}
	return s.hostDown(ctx, living(s.nodes))
}

// ledBy lists what a node leads of that which an outage passes through on its way to people.
func (s *story) ledBy(ctx context.Context, node string) (led []string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, name := range []string{events.StreamOutages, events.StreamNotices, "KV_" + events.BucketConfig, "KV_" + events.BucketLeases} {
		stream, err := s.bus.JetStream().Stream(ctx, name)
		if err == nil && stream.CachedInfo().Cluster != nil && stream.CachedInfo().Cluster.Leader == node {
			led = append(led, strings.TrimPrefix(name, "KV_"))
		}
	}
	return led
}

// settle gives a second telling the time to show: until every living node has looked twice more. Then what was told is
// counted.
func (s *story) settle(ctx context.Context, nodes []string) error {
	start := time.Now()
	err := s.watch.until(ctx, "two more looks from every node", patience, func(seen sight) bool {
		looks := map[string]int{}
		for _, r := range seen.since(start) {
			if r.Confirms == "" {
				looks[r.Node]++
			}
		}
		return !slices.ContainsFunc(nodes, func(n string) bool { return looks[n] < 2 })
	})
	if err != nil {
		return err
	}
	return s.count()
}

// count fails if anything was told once too often.
func (s *story) count() error {
	seen := s.watch.now()
	if len(seen.outages) != s.events {
		return fmt.Errorf("%d outage events were committed, want %d", len(seen.outages), s.events)
	}
	if len(seen.mails) != s.letters {
		return fmt.Errorf("%d mails came, want %d", len(seen.mails), s.letters)
	}
	return nil
}

// measure takes the delays of one opening. All clocks are this machine's.
func (s *story) measure(o bus.Committed, m inbox.Mail, nodes int) {
	var downs []time.Time
	for _, v := range o.Votes {
		if v.Vote == events.Down {
			downs = append(downs, v.Time)
		}
	}
	slices.SortFunc(downs, time.Time.Compare)
	t := telling{nodes: nodes, firstFail: downs[0].Sub(s.downAt), lastNeeded: downs[o.Agree-1].Sub(s.downAt), mail: m.Received.Sub(s.downAt)}
	s.told = append(s.told, t)
	s.out.say("told %.2f s after the host went down, %d ms after the vote that made the agreement",
		t.mail.Seconds(), (t.mail - t.lastNeeded).Milliseconds())
}

func (s *story) summary() {
	s.out.plain("\nTold as it should be: %d outages, %d mails, none lost, none doubled.\n", s.events/2, s.letters)
	s.out.plain("  nodes   down → first FAIL   → agreement   → mail taken   agreement → mail")
	for _, t := range s.told {
		s.out.plain("  %d       %6.2f s            %6.2f s       %6.2f s        %4d ms", t.nodes, t.firstFail.Seconds(),
			t.lastNeeded.Seconds(), t.mail.Seconds(), (t.mail - t.lastNeeded).Milliseconds())
	}
	s.out.plain("  (every node looks every %v)", interval)
}

func living(nodes []*node) []string {
	var out []string
	for _, n := range nodes {
		if !n.gone() {
			out = append(out, n.name)
		}
	}
	return out
}

// Once plays the story and returns an error if it was not told as it should be.
func Once(ctx context.Context, o Options) error {
	s, err := setUp(ctx, o)
	if err != nil {
		return err
	}
	defer s.tearDown()
	err = (&story{stage: s, out: o.Out}).play(ctx)
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("the story was interrupted: %w", err)
	}
	return err
}
