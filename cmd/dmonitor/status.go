package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/round"
)

// askTimeout bounds how long a command waits for answers of the log.
const askTimeout = 10 * time.Second

// listenFor is how long status listens for nodes: each says every second that it is there.
const listenFor = 1500 * time.Millisecond

type statusCmd struct {
	JSON bool `name:"json" help:"Print as JSON."`
}

// status is what `dmonitor status --json` prints.
type status struct {
	Summary   string            `json:"summary"`
	Nodes     []events.Presence `json:"nodes"`
	Checks    int               `json:"checks"`
	Down      []events.Outage   `json:"down"`
	Blind     []blindCheck      `json:"blind"`
	Conflicts []events.Conflict `json:"conflicts"`
	Overload  []overload        `json:"overload"`
	Scheduler string            `json:"scheduler"` // the node that holds the lease
	Pending   uint64            `json:"notices_pending"`
	Failed    []events.Delivery `json:"notices_failed"` // of the last day
	Told      int               `json:"recipients"`
	Troubles  []events.Trouble  `json:"troubles"`          // of dmonitor itself, as they stand in the log
	Operators int               `json:"operators"`         // recipients who are told of troubles
	Trouble   string            `json:"trouble,omitempty"` // what keeps the log from being read or written now
}

// blindCheck is a check that too few sites can judge.
type blindCheck struct {
	events.Check
	Able  int      `json:"able"`
	Agree int      `json:"agree"`
	Why   []string `json:"why"` // what keeps the other nodes from judging
}

func (c statusCmd) Run(a *app) error {
	b, _, err := a.connect()
	if err != nil {
		return err
	}
	defer closeBus(b)
	nodes, err := listenForNodes(a.ctx, b)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, askTimeout)
	defer cancel()
	s, err := ask(ctx, b, nodes)
	if err != nil {
		return hintError{
			fmt.Errorf("%w: %w", errBusGone, err),
			"the bus answers but its log does not: do most of the members in nodes.txt run?",
		}
	}
	unwell := len(s.Down) > 0 || len(s.Blind) > 0 || s.Trouble != "" || len(s.Troubles) > 0
	if c.JSON {
		return printJSON(a.stdout, s, exitIf(unwell))
	}
	s.print(a.stdout, time.Now())
	return exitIf(unwell)
}

// listenForNodes collects who says that it is there.
func listenForNodes(ctx context.Context, b *bus.Bus) ([]events.Presence, error) {
	var mu sync.Mutex
	seen := map[string]events.Presence{}
	sub, err := bus.Subscribe(b, events.AllPresence, func(p events.Presence) {
		mu.Lock()
		defer mu.Unlock()
		seen[p.Node] = p
	})
	if err != nil {
		return nil, fmt.Errorf("%w: listen for nodes: %w", errBusGone, err)
	}
	defer sub.Stop()
	select {
	case <-time.After(listenFor):
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	var nodes []events.Presence
	for _, p := range seen {
		if !p.Leaving {
			nodes = append(nodes, p)
		}
	}
	slices.SortFunc(nodes, func(a, b events.Presence) int { return cmp.Compare(a.Node, b.Node) })
	return nodes, nil
}

// ask reads what the log knows.
func ask(ctx context.Context, b *bus.Bus, nodes []events.Presence) (status, error) {
	s := status{Nodes: list(nodes), Down: []events.Outage{}, Blind: []blindCheck{}, Failed: []events.Delivery{}, Overload: []overload{}, Troubles: []events.Trouble{}}
	contributions, err := b.Contributions(ctx)
	if err != nil {
		return s, fmt.Errorf("read the configuration: %w", err)
	}
	last, err := b.LastOutages(ctx)
	if err != nil {
		return s, fmt.Errorf("read the outages: %w", err)
	}
	// What follows is answered by whoever leads the log: nobody, while there is no majority. Then what can be read is told
	// all the same.
	if err := s.askLeaders(ctx, b); err != nil {
		s.Trouble = "there is no majority of the members of the bus, or none yet: nothing can be committed; " +
			"what two nodes agree on is told without it after half a minute"
	}
	troubles, err := b.LastTroubles(ctx)
	if err != nil {
		return s, fmt.Errorf("read the troubles: %w", err)
	}
	for _, t := range troubles {
		if t.Event != events.Ended && t.Event != "" {
			s.Troubles = append(s.Troubles, t.Trouble)
		}
	}
	slices.SortFunc(s.Troubles, func(a, b events.Trouble) int { return a.Began.Compare(b.Began) })
	results, err := b.LastResults(ctx)
	if err != nil {
		results = nil // They are kept in memory only, and may be away. What they would add is who abstains.
	}
	catalog := events.Merge(contributions)
	s.Overload = overloads(catalog, nodes, results)
	s.judge(catalog, views(catalog, nodes, last, results))
	return s, nil
}

// askLeaders reads what only a log with a leader can tell.
func (s *status) askLeaders(ctx context.Context, b *bus.Bus) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout/2)
	defer cancel()
	var err error
	if s.Scheduler, err = b.LeaseHolder(ctx, events.LeaseScheduler); err != nil {
		return fmt.Errorf("read the scheduler's lease: %w", err)
	}
	if s.Pending, err = b.PendingNotices(ctx); err != nil {
		return fmt.Errorf("count the notices: %w", err)
	}
	err = b.Deliveries(ctx, time.Now().Add(-24*time.Hour), func(d events.Delivery) error {
		if d.Outcome == events.Failed {
			s.Failed = append(s.Failed, d)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the deliveries: %w", err)
	}
	return nil
}

// judge fills in what follows from what was read. Who is able to judge a check is for the arbiter's own rules to say.
func (s *status) judge(catalog events.Catalog, views []round.View) {
	s.Checks, s.Told, s.Conflicts = len(catalog.Checks), len(catalog.Recipients), list(catalog.Conflicts)
	s.Operators = len(catalog.Operators())
	fine := s.Checks
	for _, v := range views {
		if !v.Configured {
			continue // Nobody looks at it any more.
		}
		blind := len(v.Able) < v.Agree
		if v.Outage != nil {
			s.Down = append(s.Down, *v.Outage)
		}
		if blind {
			why := []string{}
			for _, o := range v.Obstacles {
				why = append(why, o.Node+" "+o.Reason)
			}
			s.Blind = append(s.Blind, blindCheck{v.Check, len(v.Able), v.Agree, why})
		}
		if blind || v.Outage != nil {
			fine--
		}
	}
	slices.SortFunc(s.Down, func(a, b events.Outage) int { return a.Opened.Compare(b.Opened) })
	s.Summary = fmt.Sprintf("%s, %s fine, %s looking", plural(len(s.Down), "outage"), plural(fine, "check"), plural(len(s.Nodes), "node"))
	if len(s.Blind) > 0 {
		s.Summary += fmt.Sprintf(", blind on %s", plural(len(s.Blind), "check"))
	}
}

// views puts what was read into the arbiter's decision, as an arbiter that starts does, and looks at what it makes of it.
func views(catalog events.Catalog, nodes []events.Presence, last map[events.Check]bus.Committed, results []bus.Arrived) []round.View {
	state, now := round.New("status"), time.Now()
	round.Apply(state, round.CatalogChanged{Checks: catalog.Checks}, now)
	for i := range nodes {
		round.Apply(state, round.NodePresent{Presence: &nodes[i]}, now)
	}
	for i := range results {
		round.Apply(state, round.History{Result: &results[i].Result, Time: results[i].Time}, now)
	}
	for _, c := range last {
		round.Apply(state, round.Committed{Outage: &c.Outage, Seq: c.Seq}, now)
	}
	return round.Overview(state)
}

// list makes an empty list of none, for JSON.
func list[T any](some []T) []T { return append([]T{}, some...) }

func (s *status) print(w io.Writer, now time.Time) {
	fmt.Fprintln(w, s.Summary)
	if s.Trouble != "" {
		fmt.Fprintln(w, "  TROUBLE  "+s.Trouble)
	}
	for _, t := range s.Troubles {
		fmt.Fprintf(w, "  TROUBLE  %s, since %s: %s\n", t.TroubleKey, moment(t.Began), t.Reason)
	}
	for _, o := range s.Down {
		fmt.Fprintf(w, "  DOWN   %s  for %s, since %s (%s)\n         %s\n", o.Check, span(now.Sub(o.Opened)),
			moment(o.Opened), howSure(o), seen(o.Votes, events.Down))
	}
	for i, b := range s.Blind {
		if i == 10 {
			fmt.Fprintf(w, "  BLIND  and %d more\n", len(s.Blind)-i)
			break
		}
		fmt.Fprintf(w, "  BLIND  %s  %d of the %d sites it takes are able to judge%s\n", b.Check, b.Able, b.Agree, because(b.Why))
	}
	if slices.ContainsFunc(s.Blind, func(b blindCheck) bool { return len(b.Why) == 0 && b.Agree > 1 }) {
		fmt.Fprintln(w, "  hint:  add a node, or set DMONITOR_AGREE=1 to trust one pair of eyes")
	}
	printOverloads(w, s.Overload)
	for _, n := range s.Nodes {
		for _, p := range n.Withheld {
			fmt.Fprintf(w, "  UNFIT  %s  check_%s does not work there: %s\n", n.Node, p.Plugin, p.Why)
		}
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, n := range s.Nodes {
		role := ""
		if n.Node == s.Scheduler {
			role = "schedules"
		}
		rows = append(rows, []string{n.Node, n.Site, n.Version, fmt.Sprint(len(n.Plugins)), fmt.Sprint(n.Running), fmt.Sprint(n.Late), role})
	}
	table(w, []string{"NODE", "SITE", "VERSION", "PLUGINS", "RUNNING", "LATE", ""}, rows)
	fmt.Fprintf(w, "\n%s, %s told, %s waiting to be sent\n", plural(s.Checks, "check"), plural(s.Told, "recipient"), plural(int(s.Pending), "notice"))
	if s.Told > 0 && s.Operators == 0 {
		fmt.Fprintln(w, "  hint:  nobody is told of troubles of dmonitor itself: write \"operator: true\" into a file of alert.d")
	}
	for _, f := range s.Failed {
		what := fmt.Sprintf("%s %s", f.Event, f.Check)
		if f.Trouble != "" {
			what = "trouble " + f.Trouble
		}
		fmt.Fprintf(w, "  NOT SENT  %s to %s: %s\n", what, f.Recipient, f.Answer)
	}
	for _, c := range s.Conflicts {
		fmt.Fprintf(w, "  CONFLICT  %s: %s and %s define it differently; the newer edit, on %s, is in force\n", c.Check, c.Used, c.Other, c.Used)
	}
}

func because(why []string) string {
	if len(why) == 0 {
		return ""
	}
	return ": " + strings.Join(why, "; ")
}

// closeBus closes a command's connection.
func closeBus(b *bus.Bus) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = b.Close(ctx) // The command is over; there is nobody to tell.
}
