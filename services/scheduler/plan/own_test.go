package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// TestOwn tells what may happen to a node, its clock and whoever holds the lease.
func TestOwn(t *testing.T) {
	t.Parallel()
	check := func(interval time.Duration) []events.Definition {
		return []events.Definition{definition("www.example.com", "ssh", interval)}
	}
	anew := func(time.Duration) *Plan { return New(check(minute), []string{"oslo", "paris"}) }
	three := New(check(minute), []string{"oslo", "paris", "rome"})
	two := New(check(minute), []string{"oslo", "paris"})
	vanished := func(when time.Duration) func(time.Duration) *Plan {
		return func(at time.Duration) *Plan {
			if at < when {
				return three
			}
			return two
		}
	}
	for _, s := range []story{
		{name: "somebody else orders everything, or the node itself as holder", own: [2]int{0, 0}, gap: minute},
		{name: "nobody ever does", own: [2]int{29, 30}, gap: minute + 1200*time.Millisecond, holds: never},
		{
			name: "nobody ever does, and the interval is short",
			own:  [2]int{585, 600}, gap: 1500 * time.Millisecond, holds: never, interval: 100 * time.Millisecond, lasts: minute,
		},
		{
			name: "the interval is short, and the holder dies",
			own:  [2]int{95, 100}, gap: 1600 * time.Millisecond, holds: until(30 * time.Second), interval: 300 * time.Millisecond, lasts: minute,
		},
		{
			name: "the holder dies",
			own:  [2]int{19, 20}, gap: minute + 1200*time.Millisecond, holds: until(10*minute + 5*time.Second),
		},
		{name: "jobs take 0.9 s", own: [2]int{0, 0}, gap: minute + time.Second, takes: 900 * time.Millisecond},
		{name: "jobs take 2 s", own: [2]int{29, 30}, gap: minute + 1200*time.Millisecond, takes: 2 * time.Second},
		{name: "the holder's clock is 3 s ahead", own: [2]int{0, 0}, gap: minute, theirs: always(3 * time.Second)},
		{
			name: "the holder's clock is 3 s ahead, and it dies",
			own:  [2]int{19, 20}, gap: minute + 4200*time.Millisecond, theirs: always(3 * time.Second), holds: until(10 * minute),
		},
		{
			name: "the holder's clock is 3 s behind",
			own:  [2]int{29, 30}, gap: minute + 1200*time.Millisecond, theirs: always(-3 * time.Second),
		},
		{
			name: "the holder's clock is 3 s behind, and it dies",
			own:  [2]int{29, 30}, gap: minute + 1200*time.Millisecond, theirs: always(-3 * time.Second), holds: until(10 * minute),
		},
		{name: "the holder's clock is 2 min ahead", own: [2]int{0, 0}, gap: minute, theirs: always(2 * minute)},
		{
			name: "the holder's clock is 2 min ahead, and it dies",
			own:  [2]int{19, 20}, gap: 2*minute + time.Second, theirs: always(2 * minute), holds: until(10 * minute),
		},
		{
			name: "the holder's clock was 2 min ahead, the next holder's is right", own: [2]int{2, 3}, gap: minute + 10*time.Second,
			theirs: before(10*minute, 2*minute), holds: but(10*minute, 3*time.Second),
		},
		{
			name: "the same, while other checks are edited all the time ", own: [2]int{2, 3}, gap: minute + 10*time.Second,
			theirs: before(10*minute, 2*minute), holds: but(10*minute, 3*time.Second), plan: anew,
		},
		{name: "the holder's clock is an hour behind", own: [2]int{0, 0}, gap: minute, theirs: always(-time.Hour)},
		{
			name: "the holder's clock goes back by an hour",
			own:  [2]int{0, 0}, gap: minute, theirs: from(10*minute, -time.Hour),
		},
		{
			name: "the holder's clock goes forward by an hour",
			own:  [2]int{0, 0}, gap: minute, theirs: from(10*minute, time.Hour),
		},
		{name: "the holder's clock goes back by five minutes", own: [2]int{0, 0}, gap: minute, theirs: from(10*minute, -5*minute)},
		{
			name: "the holder's clock was an hour ahead, the next holder's is right", own: [2]int{0, 2}, gap: 2*minute + time.Second,
			theirs: before(10*minute, time.Hour), holds: but(10*minute, 3*time.Second), lasts: 2 * time.Hour,
		},
		{
			name: "the same, while other checks are edited all the time", own: [2]int{0, 2}, gap: 2*minute + time.Second,
			theirs: before(10*minute, time.Hour), holds: but(10*minute, 3*time.Second), lasts: 2 * time.Hour, plan: anew,
		},
		{
			name: "the holder's clock is 3 s ahead, while other checks are edited all the time", own: [2]int{0, 0}, gap: minute,
			theirs: always(3 * time.Second), plan: anew,
		},
		{name: "this clock goes back by two minutes", own: [2]int{0, 0}, gap: minute, clock: from(10*minute, -2*minute)},
		{name: "this clock goes forward by two minutes", own: [2]int{0, 0}, gap: minute, clock: from(10*minute, 2*minute)},
		{
			name: "this clock goes back by two minutes, and nobody holds the lease",
			own:  [2]int{28, 30}, gap: 2*minute + time.Second, clock: from(10*minute, -2*minute), holds: never,
		},
		{
			name: "this clock goes forward by two minutes, and nobody holds the lease",
			own:  [2]int{28, 30}, gap: 2*minute + time.Second, clock: from(10*minute, 2*minute), holds: never,
		},
		{
			name: "this clock goes back and forth, and nobody holds the lease",
			own:  [2]int{24, 30}, gap: 2*minute + time.Second, holds: never,
			clock: func(at time.Duration) time.Duration {
				if at/(3*minute)%2 == 0 {
					return 0
				}
				return 20 * time.Second
			},
		},
		{
			name: "another node vanished for both", own: [2]int{0, 0}, gap: 2 * minute,
			plan: vanished(10 * minute), plans: vanished(10*minute + time.Second),
		},
		{
			name: "another node vanished for this node only", own: [2]int{0, 1}, gap: 2 * minute,
			plan: vanished(10 * minute), plans: vanished(time.Hour),
		},
		{
			name: "the process stands still for a minute",
			own:  [2]int{28, 30}, gap: 2 * minute, asleep: func(at time.Duration) bool { return at > 10*minute && at < 11*minute }, holds: never,
		},
	} {
		if s.interval == 0 {
			s.interval = minute
		}
		if s.lasts == 0 {
			s.lasts = 30 * minute
		}
		if s.clock == nil {
			s.clock = always(0)
		}
		if s.theirs == nil {
			s.theirs = always(0)
		}
		if s.holds == nil {
			s.holds = func(time.Duration) bool { return true }
		}
		if s.asleep == nil {
			s.asleep = never
		}
		whole := New(check(s.interval), []string{"oslo", "paris"})
		if s.plan == nil {
			s.plan = func(time.Duration) *Plan { return whole }
		}
		if s.plans == nil {
			s.plans = func(time.Duration) *Plan { return whole }
		}
		t.Run(s.name, func(t *testing.T) {
			a := s.tell()
			if n := len(a.own); n < s.own[0] || n > s.own[1] {
				t.Errorf("the node ordered %d looks itself, want %d to %d", n, s.own[0], s.own[1])
			}
			if most := int(s.lasts/s.interval) + 1; len(a.looks) > most {
				t.Errorf("%d looks, want at most %d", len(a.looks), most)
			}
			if longest := a.longest(&s); longest > s.gap {
				t.Errorf("%v without a look, want at most %v", longest, s.gap)
			}
		})
	}
}

// TestOwnIsComplete: while holders and plans come and go, all with the same clock, every look of the node that is due is ordered
// by somebody within Grace, and once.
func TestOwnIsComplete(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := append(drawNodes(t), "paris")
		var checks []events.Definition
		for i := range rapid.IntRange(1, 5).Draw(t, "checks") {
			interval := time.Duration(rapid.Int64Range(int64(2*Grace), int64(20*time.Second)).Draw(t, "interval")).Round(time.Microsecond)
			checks = append(checks, definition(fmt.Sprintf("h%d", i), "ssh", interval))
		}
		plans := []*Plan{New(checks, nodes), New(checks[1:], nodes), New(checks, append(nodes, "zagreb"))}
		p, since := plans[0], epoch
		own, holder := NewOwn("paris", epoch), NewCursor(epoch)
		own.Use(p, epoch, epoch)
		got, want := map[string]int{}, map[string]bool{}
		now, holds := epoch, true
		// due notes what was due by the plan that is in force, but for the second before the next one is: what is missing then
		// may be made up for by what comes after.
		due := func(until time.Time) {
			for _, j := range p.Of("paris").Take(since, until.Add(-Grace-400*time.Millisecond)) {
				want[j.ID] = true
			}
		}
		for now.Sub(epoch) < minute {
			jobs, _ := holder.Take(p, now)
			for _, j := range jobs {
				if holds && j.Node == "paris" {
					got[j.ID]++
					own.Heard(j, now, now)
				}
			}
			for _, j := range own.Missing(now, now) {
				got[j.ID]++
				own.Heard(j, now, now)
			}
			now = now.Add(time.Duration(rapid.Int64Range(1, int64(400*time.Millisecond)).Draw(t, "step")))
			if rapid.IntRange(0, 20).Draw(t, "change") == 0 {
				holds = !holds
			}
			if rapid.IntRange(0, 20).Draw(t, "plan") == 0 {
				jobs, _ := holder.Take(p, now)
				for _, j := range jobs {
					if holds && j.Node == "paris" {
						got[j.ID]++
						own.Heard(j, now, now)
					}
				}
				due(now)
				p, since = rapid.SampledFrom(plans).Draw(t, "next"), now
				own.Use(p, now, now)
			}
		}
		due(now)
		for id := range want {
			if got[id] != 1 {
				t.Fatalf("%s was ordered %d times", id, got[id])
			}
		}
		for id, n := range got {
			if n != 1 || strings.HasSuffix(id, "1") {
				t.Fatalf("%s was ordered %d times, and no moment but those of a plan is", id, n)
			}
		}
	})
}

// TestOwnForgets: what isn't looked at from here any more is not ordered, what is edited is ordered as edited, and
// nothing is kept of what is gone or of what others say of checks that nobody knows.
func TestOwnForgets(t *testing.T) {
	t.Parallel()
	a, b := definition("a", "ssh", time.Second), definition("b", "ssh", time.Second)
	own := NewOwn("paris", epoch)
	own.Use(New([]events.Definition{a, b}, []string{"paris"}), epoch, epoch)
	now := epoch.Add(1500 * time.Millisecond) // all was due once, and half of it is missing
	if n := len(own.Missing(now, now)); n > 2 {
		t.Fatalf("%d missing", n)
	}
	a.Args = []string{"-p", "22"}
	own.Use(New([]events.Definition{a, definition("c", "ssh", time.Second, "oslo")}, []string{"oslo", "paris"}), now, now)
	now = now.Add(Grace)
	jobs := own.Missing(now, now)
	for _, j := range jobs {
		if j.Host != "a" || len(j.Args) != 2 || j.Node != "paris" {
			t.Errorf("missing: %+v", j)
		}
	}
	if len(jobs) == 0 {
		t.Error("nothing is missing")
	}
	stray := job(&b, "paris", now)
	own.Heard(stray, now, now)
	for _, j := range own.plan.Take(now, now.Add(Grace)) {
		j.Node = "oslo" // somebody else's is not ours
		own.Heard(j, now, now)
	}
	now = now.Add(2 * Grace)
	if jobs := own.Missing(now, now); len(jobs) == 0 {
		t.Error("nothing is missing after another node's jobs")
	}
	if len(own.looks) != 1 {
		t.Errorf("%d looks are known, want one", len(own.looks))
	}
	own.Use(New([]events.Definition{a}, []string{"oslo"}), now, now) // this node's own prober is gone
	now = now.Add(2 * Grace)
	if jobs := own.Missing(now, now); len(jobs) != 0 || len(own.looks) != 0 || len(own.waiting) != 0 {
		t.Errorf("without a prober: %d missing, %d known, %d waiting", len(jobs), len(own.looks), len(own.waiting))
	}
}

// TestOwnHeldUp: after a pause of this process the last seconds are made up for, not all of it.
func TestOwnHeldUp(t *testing.T) {
	t.Parallel()
	own := NewOwn("tokyo", epoch)
	own.Use(tenth, epoch, epoch)
	now := epoch.Add(time.Hour)
	if n, want := len(own.Missing(now, now)), int((madeUpFor-Grace)/(100*time.Millisecond)); n < want || n > want+1 {
		t.Errorf("%d jobs after an hour, want %d", n, want)
	}
}
