package told

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ssh  = events.Check{Host: "www.example.com", Test: "ssh"}
)

func at(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// decision is one that an arbiter can't commit.
func decision(e events.Event, round string, decided time.Time) events.Uncommitted {
	id := events.OutageID(ssh, round)
	return events.Uncommitted{By: "osaka-1", Since: decided, Outage: &events.Outage{
		ID: events.EventID(id, e), Outage: id, Event: e, Check: ssh, Time: decided, Opened: decided,
	}}
}

func everybody(events.Uncommitted) []string { return []string{"a@example.com", "b@example.com"} }

func toldBy(node string, u events.Uncommitted, claim bool, when time.Time, to ...string) events.Told {
	e := eventOf(u)
	return events.Told{By: node, About: e.About, Event: e.ID, Claim: claim, Decided: e.Decided, Recipients: to, Time: when}
}

// run lets time pass in steps of half a second and writes down what the book of a node orders.
type run struct {
	b   *Book
	now time.Time
	log []string

	from     time.Time // what the log's times count from
	readable bool      // the log
	inLog    Log
}

func newRun(node string, present ...string) *run {
	r := &run{b: New(node), now: noon, from: noon}
	r.present(present...)
	return r
}

func (r *run) present(nodes ...string) {
	for _, n := range nodes {
		r.b.Present(n, false, r.now)
	}
}

// until plays to a moment: the arbiter says again and again what it can't commit, and the nodes that they are there.
// deliver is what a mail server answers.
func (r *run) until(end time.Time, u events.Uncommitted, nodes []string, deliver func(to string) bool) {
	for ; r.now.Before(end); r.now = r.now.Add(500 * time.Millisecond) {
		r.b.Uncommitted(u, r.now)
		r.present(nodes...)
		if r.readable {
			for _, u := range r.b.Unread(r.now, everybody) {
				r.b.Read(u.About(), r.inLog, r.now)
			}
		}
		for _, o := range r.b.Next(r.now, everybody) {
			what := "tell"
			if o.Claim {
				what = "claim"
			}
			r.log = append(r.log, fmt.Sprintf("%s %g %s", what, r.now.Sub(r.from).Seconds(), strings.Join(o.Recipients, " ")))
			if o.Claim {
				continue
			}
			for _, to := range o.Recipients {
				if deliver(to) {
					r.b.Told(toldBy(r.b.node, u, false, r.now, to), r.now)
				}
			}
			r.b.Done(o.About(), nil, r.now.Add(10*time.Second))
		}
	}
}

func (r *run) want(t *testing.T, log ...string) {
	t.Helper()
	if !slices.Equal(r.log, log) {
		t.Errorf("ordered %q\nwant    %q", r.log, log)
	}
}

func yes(string) bool { return true }
func no(string) bool  { return false }

const both = "a@example.com b@example.com"

var three = []string{"fra", "nyc", "tok"}

// TestTurns: the first node claims after 30 s and tells a second later; each other waits 5 s more for those before it.
func TestTurns(t *testing.T) {
	u := decision(events.Opened, "r1", noon)
	for node, log := range map[string][]string{
		"fra":   {"claim 30 " + both, "tell 31 " + both},
		"nyc":   {"claim 35 " + both, "tell 36 " + both},
		"tok":   {"claim 40 " + both, "tell 41 " + both},
		"other": {"claim 45 " + both, "tell 46 " + both}, // its node looks at nothing
	} {
		r := newRun(node)
		r.until(at(70), u, three, yes)
		r.want(t, log...)
	}
	late := newRun("fra") // heard of it only now: it first has to know who is there
	late.now = at(40)
	late.until(at(50), u, three, yes)
	late.want(t, "claim 42 "+both, "tell 43 "+both)
	gone := newRun("nyc")
	gone.until(at(70), u, []string{"nyc", "tok"}, yes) // fra isn't there
	gone.want(t, "claim 30 "+both, "tell 31 "+both)
}

// TestClaimed: another's claim is waited for; when it comes to nothing the turns begin anew.
func TestClaimed(t *testing.T) {
	u := decision(events.Opened, "r1", noon)
	r := newRun("nyc")
	r.until(at(31), u, three, yes)
	r.b.Told(toldBy("fra", u, true, r.now, "a@example.com", "b@example.com"), r.now)
	r.until(at(32), u, three, yes)
	r.b.Told(toldBy("fra", u, false, r.now, "a@example.com"), r.now) // and then fra dies
	r.until(at(120), u, []string{"nyc", "tok"}, yes)
	r.want(t, "claim 91 b@example.com", "tell 92 b@example.com")
}

// TestClaimedAtOnce: of two claims in the same moment the one of the node that sorts first holds.
func TestClaimedAtOnce(t *testing.T) {
	u := decision(events.Opened, "r1", noon)
	second := newRun("nyc")
	second.until(at(30.5), u, []string{"nyc"}, yes)
	second.b.Told(toldBy("fra", u, true, second.now), second.now)
	second.until(at(60), u, []string{"nyc"}, yes)
	second.want(t, "claim 30 "+both)
	first := newRun("fra")
	first.until(at(30.5), u, []string{"fra"}, yes)
	first.b.Told(toldBy("nyc", u, true, first.now), first.now)
	first.until(at(60), u, []string{"fra"}, yes)
	first.want(t, "claim 30 "+both, "tell 31 "+both)
}

// TestMailServerIsDown: a mailer that can't send tries for as long as its claim is worth, and then lets the others go
// first.
func TestMailServerIsDown(t *testing.T) {
	u := decision(events.Opened, "r1", noon)
	r := newRun("fra")
	r.until(at(110), u, three, no)
	r.want(t, "claim 30 "+both, "tell 31 "+both, "tell 41 "+both, "tell 51 "+both, "tell 61 "+both, "tell 71 "+both, "tell 81 "+both,
		"claim 105 "+both, "tell 106 "+both)
}

// TestNotForEver: what nobody says any more, or was committed, isn't told; what is refused for good isn't tried again.
func TestNotForEver(t *testing.T) {
	u := decision(events.Opened, "r1", noon)
	silent := newRun("fra", "fra")
	silent.b.Uncommitted(u, noon)
	if got := silent.b.Next(at(51), everybody); len(got) > 0 {
		t.Errorf("told what was not said for 51 s: %v", got)
	}
	done := newRun("fra")
	done.until(at(29), u, three, yes)
	done.b.Committed(u.About(), done.now)
	done.until(at(100), u, three, yes)
	done.want(t)
	refused := newRun("fra")
	refused.until(at(31.5), u, three, no)
	refused.b.Done(u.About(), everybody(u), refused.now)
	refused.until(at(200), u, three, no)
	refused.want(t, "claim 30 "+both, "tell 31 "+both)
	ahead := newRun("fra")
	ahead.until(at(40), decision(events.Opened, "r1", at(3600)), three, yes) // the arbiter's clock is an hour ahead
	ahead.want(t, "claim 30 "+both, "tell 31 "+both)
}

// logOf is a log with these events, in this order.
func logOf(all ...events.Uncommitted) Log {
	l := Log{Known: true}
	for i, u := range all {
		e := eventOf(u)
		l.Events = append(l.Events, Logged{About: e.About, ID: e.ID, Seq: uint64(i) + 1, Decided: e.Decided})
	}
	return l
}

// TestSettled: what was committed isn't told when an arbiter that has not heard so says it once more, whatever its clock says;
// the next event is, though its arbiter's clock be behind; and so is the same if a mailer says that it can't be queued.
func TestSettled(t *testing.T) {
	first := decision(events.Opened, "r1", noon)
	ahead := first
	ahead.Since = at(600)
	stuck := first
	stuck.Since = at(63)
	for name, c := range map[string]struct {
		u     events.Uncommitted
		from  float64
		tells bool
	}{
		"once more":                         {first, 30, false},
		"once more, much later":             {first, 300, false},
		"another's, a moment later":         {decision(events.Opened, "r2", at(30)), 30, false},
		"from a clock that is ahead":        {ahead, 30, false},
		"the next, from a clock behind":     {decision(events.Opened, "r2", at(-600)), 300, true},
		"the next, at once":                 {decision(events.Opened, "r2", at(40)), 51, true},
		"committed, and it can't be queued": {stuck, 91, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun("fra")
			r.until(at(20), first, three, yes)
			r.b.Committed(first.About(), r.now)
			r.now = at(c.from)
			end := at(c.from + 60)
			if !c.tells && c.from == 30 {
				end = at(39) // it hears soon
			}
			r.until(end, c.u, three, yes)
			if (len(r.log) > 0) != c.tells {
				t.Errorf("ordered %q", r.log)
			}
		})
	}
}

// TestOtherWhileSaid: what was told doesn't stand for another event of the same, once nobody says the first any more.
func TestOtherWhileSaid(t *testing.T) {
	r := newRun("fra")
	r.until(at(40), decision(events.Opened, "r1", noon), three, yes)
	r.log = nil
	closed := decision(events.Closed, "r1", at(40))
	r.b.Told(toldBy("nyc", closed, false, at(75), "a@example.com", "b@example.com"), at(75))
	r.now = at(80)
	r.readable, r.inLog = true, logOf()
	r.until(at(140), decision(events.Opened, "r2", at(80)), three, yes)
	r.want(t, "claim 110 "+both, "tell 111 "+both)
}

// TestCovered: who was told of something is not told again, until the opposite was decided.
func TestCovered(t *testing.T) {
	opened, rival, closed := decision(events.Opened, "r1", at(0)), decision(events.Opened, "r2", at(40)), decision(events.Closed, "r1", at(300))
	again, before, old := decision(events.Opened, "r3", at(600)), decision(events.Closed, "r0", at(-10)), decision(events.Opened, "r1", at(-3700))
	fast := decision(events.Opened, "r1", at(660)) // and its end is decided by a clock that is right
	none := logOf()
	for _, c := range []struct {
		name  string
		told  []events.Uncommitted
		event events.Uncommitted
		log   Log
		want  bool
	}{
		{"nothing was told", nil, opened, none, false},
		{"the very event", []events.Uncommitted{opened}, opened, Log{}, true},
		{"another arbiter's event of the same", []events.Uncommitted{opened}, rival, none, true},
		{"another arbiter's event of the same, who knows", []events.Uncommitted{opened}, rival, Log{}, false},
		{"another arbiter's event is committed", []events.Uncommitted{opened}, rival, logOf(before, rival), true},
		{"an earlier one that is committed later", []events.Uncommitted{rival}, opened, logOf(opened), true},
		{"the end", []events.Uncommitted{opened}, closed, logOf(opened, closed), false},
		{"the next one after a committed end", []events.Uncommitted{opened}, again, logOf(opened, closed, again), false},
		{"the next one after a committed end can't be committed", []events.Uncommitted{opened}, again, logOf(opened, closed), false},
		{"the end of another's event was committed", []events.Uncommitted{opened}, again, logOf(rival, closed), false},
		{"the same still, as the log has it", []events.Uncommitted{old}, again, logOf(old), true},
		{"never committed, and long ago", []events.Uncommitted{old}, again, logOf(again), false},
		{"never committed, long ago, nor is this", []events.Uncommitted{old}, again, none, false},
		{"decided by a clock that is ahead", []events.Uncommitted{fast}, again, logOf(fast, closed, again), false},
		{"decided by a clock that is ahead, not committed", []events.Uncommitted{fast}, again, logOf(fast, closed), false},
		{"the next one after an end that was told only", []events.Uncommitted{opened, closed}, again, none, false},
		{"the end of the one before", []events.Uncommitted{opened}, rival, logOf(before, rival), true},
		{"an end that is yet to come", []events.Uncommitted{opened}, rival, logOf(rival, closed), true},
		{"both were told: the opening", []events.Uncommitted{opened, closed}, opened, logOf(opened, closed), true},
		{"both were told: the end", []events.Uncommitted{opened, closed}, closed, logOf(opened, closed), true},
		{"of three the last", []events.Uncommitted{opened, closed, again}, again, logOf(opened, closed, again), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := New("fra")
			for _, u := range c.told {
				b.Told(toldBy("nyc", u, false, u.Since.Add(35*time.Second), "A@example.com"), at(700))
			}
			got, ok := b.Covered(eventOf(c.event), "a@example.com", c.log)
			if ok != c.want || ok && got.By != "nyc" {
				t.Errorf("covered: %v by %q, want %v", ok, got.By, c.want)
			}
			if _, ok := b.Covered(eventOf(c.event), "b@example.com", c.log); ok {
				t.Error("b was never told")
			}
		})
	}
}

func majorityLost(began time.Time) events.Uncommitted {
	k := events.TroubleKey{Kind: events.TroubleMajority}
	id := events.TroubleID(k, began)
	return events.Uncommitted{By: "osaka-1", Since: began, Trouble: &events.Trouble{
		ID: events.TroubleEventID(id, 1), Trouble: id, Step: 1, TroubleKey: k, Event: events.Began, Time: began, Began: began, By: "osaka-1",
	}}
}

// TestSecondTime: what was told without a majority, was committed, and ended, is told when it happens again.
func TestSecondTime(t *testing.T) {
	later := noon.Add(3 * 24 * time.Hour)
	ended := majorityLost(noon)
	ended.Trouble.ID, ended.Trouble.Event, ended.Trouble.Time = "ended", events.Ended, at(100)
	for name, c := range map[string]struct {
		first, second events.Uncommitted
		log           Log
		log2          []string
	}{
		"the majority": {majorityLost(noon), majorityLost(later), logOf(majorityLost(noon), ended), []string{"claim 30 " + both, "tell 31 " + both}},
		"a check": {
			decision(events.Opened, "r1", noon), decision(events.Opened, "r2", later),
			logOf(decision(events.Opened, "r1", noon), decision(events.Closed, "r1", at(100))),
			[]string{"claim 30 " + both, "tell 31 " + both},
		},
		"no log":         {majorityLost(noon), majorityLost(later), Log{}, []string{"claim 30 " + both, "tell 31 " + both}},
		"the same still": {majorityLost(noon), majorityLost(later), logOf(majorityLost(noon)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun("fra")
			r.until(at(70), c.first, three, yes)
			r.want(t, "claim 30 "+both, "tell 31 "+both)
			r.b.Committed(c.first.About(), r.now)
			r.now = later
			r.b.Forget(r.now)
			r.readable, r.inLog, r.from, r.log = true, c.log, later, nil
			r.until(later.Add(70*time.Second), c.second, three, yes)
			r.want(t, c.log2...)
		})
	}
}

// TestReadFirst: where the log decides over who is to be told, it is read before anybody is told; and now and then again.
func TestReadFirst(t *testing.T) {
	first, second := decision(events.Opened, "r1", noon), decision(events.Opened, "r2", at(300))
	b := New("fra")
	b.Uncommitted(first, noon)
	if got := b.Unread(at(40), everybody); len(got) > 0 {
		t.Errorf("asks for the log though nobody was told of anything like it: %v", got)
	}
	b = New("fra")
	b.Told(toldBy("nyc", first, false, at(31), everybody(first)...), at(31))
	b.Uncommitted(first, at(310))
	if got := b.Unread(at(310), everybody); len(got) > 0 {
		t.Errorf("asks for the log though everybody was told of the very event: %v", got)
	}
	b = New("fra")
	b.Told(toldBy("nyc", first, false, at(31), everybody(first)...), at(31))
	b.Uncommitted(second, at(325))
	if got := b.Next(at(335), everybody); len(got) > 0 || len(b.Unread(at(335), everybody)) != 1 {
		t.Errorf("didn't wait for the log: %v", got)
	}
	b.Read(second.About(), logOf(first), at(335))
	if got := b.Next(at(335), everybody); len(got) > 0 || len(b.Unread(at(344.5), everybody)) != 0 {
		t.Errorf("it is the same still: %v", got)
	}
	if len(b.Unread(at(345), everybody)) != 1 {
		t.Error("the log isn't read again")
	}
	b.Read(second.About(), logOf(first, decision(events.Closed, "r1", at(100))), at(345))
	if got := b.Next(at(345), everybody); len(got) != 1 {
		t.Error("not told after an end")
	}
}

// TestCoveredTrouble: a trouble that grew says something new each time.
func TestCoveredTrouble(t *testing.T) {
	k := events.TroubleKey{Kind: events.TroubleMajority}
	about := events.TroubleSubject(events.Began, k)
	b := New("fra")
	b.Told(events.Told{By: "nyc", About: about, Event: "x-1", Decided: noon, Time: noon, Recipients: []string{"a@example.com"}}, noon)
	if _, ok := b.Covered(Event{About: about, ID: "y-1", Decided: at(60)}, "a@example.com", logOf()); !ok {
		t.Error("told again")
	}
	if Opposite(about) != events.TroubleSubject(events.Ended, k) || Opposite(Opposite(about)) != about {
		t.Errorf("the opposite of %s is %s", about, Opposite(about))
	}
	grown := events.TroubleSubject(events.Grew, events.TroubleKey{Kind: events.TroubleBlind})
	b.Told(events.Told{By: "nyc", About: grown, Event: "x-2", Decided: noon, Time: noon, Recipients: []string{"a@example.com"}}, noon)
	if _, ok := b.Covered(Event{About: grown, ID: "x-3", Decided: at(60)}, "a@example.com", logOf()); ok {
		t.Error("a further growth was not told")
	}
	if _, ok := b.Covered(Event{About: grown, ID: "x-2", Decided: noon}, "a@example.com", logOf()); !ok {
		t.Error("the same growth was told again")
	}
}

// TestClaimedForFanOut: a fan-out waits for who is telling, for a while.
func TestClaimedForFanOut(t *testing.T) {
	u := decision(events.Opened, "r1", noon)
	b := New("nyc")
	b.Uncommitted(u, noon)
	b.Told(toldBy("fra", u, true, at(30)), at(30))
	if !b.Claimed(u.About(), at(49)) || b.Claimed(u.About(), at(50)) {
		t.Error("a claim holds a fan-out up for 20 s")
	}
}

// TestBounds: neither rubbish nor a flood makes the book grow for ever, and what is old is forgotten.
func TestBounds(t *testing.T) {
	b := New("fra")
	record := func(i int, when time.Time) events.Told {
		about := events.OutageSubject(events.Opened, events.Check{Host: fmt.Sprintf("h%d.example.com", i), Test: "ssh"})
		return events.Told{By: "nyc", About: about, Event: fmt.Sprint(i), Decided: when, Time: when, Recipients: []string{"a@example.com"}}
	}
	ahead := record(0, noon)
	ahead.Time = at(3600)
	if b.Told(ahead, noon) || b.Told(record(0, at(3600)), noon) || b.Told(record(0, noon.Add(-31*24*time.Hour)), noon) {
		t.Error("took a record of the future, or one that is too old")
	}
	for i := range maxRecords + 10 {
		b.Told(record(i, at(float64(i))), at(float64(i)))
		b.Present(fmt.Sprint("node-", i), false, noon)
		u := decision(events.Opened, "r", noon)
		u.Outage.Host = fmt.Sprintf("h%d.example.com", i)
		b.Uncommitted(u, noon)
	}
	if len(b.Records()) != maxRecords || b.Records()[maxRecords-1].Event != "10" {
		t.Errorf("%d records, the oldest is %s", len(b.Records()), b.Records()[len(b.Records())-1].Event)
	}
	if len(b.present) > maxNodes || len(b.matters) > maxMatters {
		t.Errorf("%d nodes, %d matters", len(b.present), len(b.matters))
	}
	b.Forget(at(2000).Add(KeepFor))
	if n := len(b.Records()); n != maxRecords+10-2000 || b.count != n || len(b.matters) != 0 {
		t.Errorf("%d records, counted %d; %d matters", n, b.count, len(b.matters))
	}
	b.Forget(at(1e6).Add(KeepFor))
	if len(b.records) != 0 || b.count != 0 {
		t.Errorf("%d records, counted %d", len(b.records), b.count)
	}
}

// TestOneTells: whatever the order in which they hear of it, of mailers that hear each other exactly one tells each
// recipient, also if some die in between.
func TestOneTells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := decision(events.Opened, "r1", noon)
		var books []*Book
		var dies []float64
		var alive []string
		for i := range rapid.IntRange(1, 4).Draw(t, "mailers") {
			books = append(books, New(fmt.Sprintf("n%d", i)))
			dies = append(dies, 1e9)
			if i > 0 && rapid.Bool().Draw(t, "mortal") {
				dies[i-1] = rapid.Float64Range(29, 60).Draw(t, "dies") // never the last one
			}
		}
		hears := rapid.SliceOfN(rapid.Float64Range(0, 20), len(books), len(books)).Draw(t, "hears first")
		told := map[string]int{}
		for s := 0.0; s < 400; s += 0.5 {
			now := at(s)
			alive = alive[:0]
			for i, b := range books {
				if s < dies[i] {
					alive = append(alive, b.node)
				}
			}
			say := func(x events.Told) {
				for i, b := range books {
					if s < dies[i] {
						b.Told(x, now)
					}
				}
			}
			for i, b := range books {
				if s >= dies[i] || s < hears[i] {
					continue
				}
				for _, n := range alive {
					b.Present(n, false, now)
				}
				b.Uncommitted(u, now)
				for _, o := range b.Next(now, everybody) {
					if o.Claim {
						say(toldBy(b.node, u, true, now, o.Recipients...))
						continue
					}
					for _, r := range o.Recipients {
						told[r]++
						say(toldBy(b.node, u, false, now, r))
					}
					b.Done(o.About(), nil, now.Add(5*time.Second))
				}
			}
		}
		if told["a@example.com"] != 1 || told["b@example.com"] != 1 {
			t.Fatalf("told %v", told)
		}
	})
}

// TestRenew: a claim lives on while mails get through, and only then; one that is old is not renewed.
func TestRenew(t *testing.T) {
	u := decision(events.Opened, "r1", noon)
	about := u.About()
	b := New("fra")
	for s := 0.0; s <= 31; s += 0.5 {
		b.Uncommitted(u, at(s))
		b.Present("fra", false, at(s))
		b.Next(at(s), everybody)
	}
	if b.Renew(about, at(40)) {
		t.Error("renewed though nobody was told")
	}
	b.Told(toldBy("fra", u, false, at(45), "a@example.com"), at(45))
	if !b.Renew(about, at(50)) || b.Renew(about, at(60)) {
		t.Error("want one renewal after a mail")
	}
	mine := func(s float64, to string) bool { return len(b.Mine([]string{about}, to, at(s))) == 1 }
	if !mine(99, "b@example.com") || mine(100, "b@example.com") || mine(60, "a@example.com") {
		t.Error("a claim is relied on for 50 s, and for whom nobody has told")
	}
	b.Told(toldBy("fra", u, false, at(99), "c@example.com"), at(99))
	if b.Renew(about, at(101)) {
		t.Error("renewed a claim that others may have taken over")
	}
}
