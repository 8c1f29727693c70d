package events_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// gen makes random messages: names and enums as the rules have them, free text and times as bad as they come.
type gen struct{ *rand.Rand }

// eachSeed runs the property with some fixed seeds and a fresh one, whose failure says how to see it again.
func eachSeed(t *testing.T, n int, property func(t *testing.T, g gen)) {
	t.Helper()
	seeds := []uint64{rand.Uint64()}
	for i := range uint64(n) {
		seeds = append(seeds, i)
	}
	for _, seed := range seeds {
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { property(t, gen{rand.New(rand.NewPCG(seed, 0))}) }) {
			return
		}
	}
}

func (g gen) from(chars string, low, high int) string {
	b := make([]byte, low+g.IntN(high-low+1))
	for i := range b {
		b[i] = chars[g.IntN(len(chars))]
	}
	return string(b)
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz0123456789"
	hostly = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ:_"
)

func pick[T any](g gen, all []T) T { return all[g.IntN(len(all))] }

func some[T any](g gen, most int, one func() T) []T {
	n := g.IntN(most + 1)
	if n == 0 && g.IntN(2) == 0 {
		return []T{} // an empty list and none at all have to end as the same
	}
	var out []T
	for range n {
		out = append(out, one())
	}
	return out
}

func (g gen) host() string {
	labels := []string{g.from(hostly, 1, 20)}
	for range g.IntN(5) {
		labels = append(labels, g.from(hostly+"-", 1, 40))
	}
	return strings.Join(labels, ".")
}

func (g gen) test() string { return g.from(lower, 1, 1) + g.from(lower+"_-", 0, 62) }
func (g gen) node() string { return g.from(lower, 1, 1) + g.from(lower+"-", 0, 62) }

func (g gen) check() events.Check { return events.Check{Host: g.host(), Test: g.test()} }

func (g gen) address() string { return g.from(lower, 1, 20) + "@" + g.from(lower, 1, 20) + ".example" }

func (g gen) id() string {
	chars := make([]byte, 0, 94)
	for b := byte('!'); b <= '~'; b++ {
		chars = append(chars, b)
	}
	return g.from(string(chars), 1, 512)
}

// text is anything a plugin may print, mostly short.
func (g gen) text(most int) string {
	var b strings.Builder
	for n := g.IntN(most+1) >> g.IntN(12); b.Len() < n; {
		switch g.IntN(6) {
		case 0:
			b.WriteByte(byte(g.IntN(256)))
		case 1:
			b.WriteString(pick(g, []string{"\r\n", "\x1b[31m", "\x00", "\u202e", "\u2028", "…", "\ufffd", "\\", `"`, "<&>", "日本"}))
		case 2:
			b.WriteRune(rune(g.IntN(0x11_0000)))
		default:
			b.WriteString(g.from(lower+"  ", 1, 30))
		}
	}
	return b.String()
}

func (g gen) time() time.Time {
	zone := pick(g, []*time.Location{time.UTC, time.Local, time.FixedZone("odd", g.IntN(2*86000)-86000)})
	switch g.IntN(4) {
	case 0:
		return time.Now()
	case 1:
		return time.Date(2+g.IntN(9996), 1, 1, 0, 0, 0, g.IntN(1e9), zone)
	default:
		return time.Unix(g.Int64N(4e9), g.Int64N(1e9)).In(zone)
	}
}

func (g gen) between(low, high time.Duration) events.Millis {
	return events.Millis(low + time.Duration(g.Int64N(int64(high-low+1))))
}

func (g gen) number() float64 {
	return pick(g, []float64{0, -1, 1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), g.NormFloat64()})
}

func (g gen) run() events.Run {
	return events.Run{
		Check: g.check(), Plugin: g.test(), Timeout: g.between(events.MinTimeout, events.MaxTimeout),
		Args: some(g, 5, func() string { return strings.ToValidUTF8(strings.ReplaceAll(g.text(200), "\x00", ""), "?") }),
	}
}

func (g gen) definition() events.Definition {
	return events.Definition{
		Run: g.run(), Interval: g.between(events.MinInterval, events.MaxInterval), Agree: 1 + g.IntN(events.MaxAgree),
		Nodes: some(g, 4, g.node), Recipients: some(g, 4, g.address), Note: events.CleanText(g.text(300), events.MaxNote), Edited: g.time(),
	}
}

func (g gen) votes(event events.Event, agree int) []events.NodeVote {
	want := events.Down
	if event == events.Closed {
		want = events.Up
	}
	var out []events.NodeVote
	for i := range agree + g.IntN(3) {
		status := pick(g, slices.DeleteFunc(slices.Clone(events.Statuses), func(s events.Status) bool { return s.Vote() != want }))
		out = append(out, events.NodeVote{
			Node: fmt.Sprintf("n%d", i), Site: fmt.Sprintf("s%d", i), Vote: want, Status: status, Output: g.text(9000),
			Time: g.time(), Elapsed: g.between(0, time.Hour), Result: g.id(),
		})
	}
	for i := range g.IntN(4) {
		out = append(out, events.NodeVote{Node: fmt.Sprintf("q%d", i), Site: "quiet", Vote: events.None, Output: g.text(100)})
	}
	g.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func (g gen) outage() *events.Outage {
	event, agree := pick(g, events.Events), 1+g.IntN(5)
	id := g.id()[:1] + g.from(lower, 0, 400)
	return &events.Outage{
		ID: events.EventID(id, event), Outage: id, Event: event, Check: g.check(), Time: g.time(), Opened: g.time(), Agree: agree,
		Able: g.IntN(9), Votes: g.votes(event, agree), Round: g.id(), Reason: g.text(3000), By: g.text(300), Note: g.text(100),
	}
}

func (g gen) perf() events.Perf {
	bound := func() *float64 {
		if f := g.number(); g.IntN(2) == 0 {
			return &f
		}
		return nil
	}
	return events.Perf{Label: g.text(300), Value: g.number(), Unit: g.text(5), Warn: g.text(9), Crit: g.text(9), Min: bound(), Max: bound()}
}

// messages makes one of every kind.
func (g gen) messages() []sample {
	o, recipient := g.outage(), g.address()
	return []sample{
		{"job", &events.Job{
			ID: g.id(), Node: g.node(), Run: g.run(), Interval: g.between(events.MinInterval, events.MaxInterval), Due: g.time(),
		}, decoder[events.Job]},
		{"confirmation", &events.Confirmation{ID: g.id(), Nodes: some(g, 4, g.node), Run: g.run()}, decoder[events.Confirmation]},
		{"result", &events.Result{
			ID: g.id(), Confirms: g.id(), Node: g.node(), Site: g.node(), Check: g.check(), Status: pick(g, events.Statuses),
			Output: g.text(30_000), Detail: g.text(60_000), Perf: some(g, 70, g.perf), Due: g.time(), Started: g.time(),
			Elapsed: g.between(0, time.Hour),
		}, decoder[events.Result]},
		{"presence", &events.Presence{
			Node: g.node(), Site: g.node(), Version: g.text(300), Instance: g.id(), Plugins: some(g, 30, func() string { return g.text(9) }),
			Running: g.IntN(9), Late: g.Uint64(), Leaving: g.IntN(2) == 0,
			Withheld: some(g, 60, func() events.Withheld { return events.Withheld{Plugin: g.text(9), Why: g.text(3000)} }),
		}, decoder[events.Presence]},
		{"contribution", &events.Contribution{
			Node: g.node(), Checks: some(g, 4, g.definition), Time: g.time(),
			Recipients: some(g, 4, func() events.Recipient {
				return events.Recipient{Address: g.address(), Hosts: some(g, 3, g.host), Tests: some(g, 3, g.test), Edited: g.time()}
			}),
			Revoked: some(g, 4, func() events.Revocation {
				return events.Revocation{Kind: pick(g, events.CredentialKinds), Name: g.node(), Before: g.time(), Because: g.text(3000)}
			}),
		}, decoder[events.Contribution]},
		{"outage", o, decoder[events.Outage]},
		{"notice", &events.Notice{
			ID: events.NoticeID(o.Outage, o.Event, recipient), Recipient: recipient, Created: g.time(), Outage: *g.outageLike(o),
		}, decoder[events.Notice]},
		{"delivery", &events.Delivery{
			Notice: g.from(lower, 32, 32), Outcome: pick(g, events.Outcomes), Outage: g.id(), Event: pick(g, events.Events), Check: g.check(),
			Recipient: recipient, Time: g.time(), Attempts: g.IntN(9), Answer: g.text(10_000), By: g.text(300),
		}, decoder[events.Delivery]},
		{"trouble", g.trouble(), decoder[events.Trouble]},
		{"uncommitted", &events.Uncommitted{By: g.node(), Since: g.time(), Trouble: g.trouble()}, decoder[events.Uncommitted]},
		{"told", &events.Told{
			By: g.node(), About: events.OutageSubject(o.Event, o.Check), Event: g.id(), Claim: g.IntN(2) == 0,
			Recipients: some(g, 4, g.address), Decided: g.time(), Time: g.time(),
		}, decoder[events.Told]},
	}
}

func (g gen) trouble() *events.Trouble {
	k := events.TroubleKey{Kind: pick(g, events.TroubleKinds)}
	if k.Kind == events.TroubleNode {
		k.Node = g.node()
	}
	id, event, step := events.TroubleID(k, g.time()), pick(g, []events.TroubleEvent{events.Began, events.Ended}), 1
	if event != events.Began {
		step += 1 + g.IntN(9)
	}
	t := &events.Trouble{
		ID: events.TroubleEventID(id, step), Trouble: id, Step: step, TroubleKey: k, Event: event, Time: g.time(), Began: g.time(),
		Reason: g.text(3000), By: g.text(300),
	}
	if k.Kind == events.TroubleBlind && event == events.Began {
		for range 1 + g.IntN(300) {
			t.Checks = append(t.Checks, events.BlindCheck{Check: g.check(), Able: g.IntN(3), Agree: 1 + g.IntN(4), Reason: g.text(2000)})
		}
	}
	return t
}

// outageLike copies o, so that encoding the copy doesn't touch it.
func (g gen) outageLike(o *events.Outage) *events.Outage {
	c := *o
	return &c
}
