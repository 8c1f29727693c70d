package batch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }

// play adds notices "recipient number" at their moments, and calls Due when Next says so, up to an end. It writes down what
// goes out when.
func play(s *State[string], end float64, moments map[string][]float64) (log []string) {
	type arrival struct {
		to, what string
		at       time.Time
	}
	var all []arrival
	for to, ms := range moments {
		for i, m := range ms {
			all = append(all, arrival{to, fmt.Sprint(i + 1), at(m)})
		}
	}
	slices.SortFunc(all, func(a, b arrival) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.to, b.to)
	})
	note := func(groups []Group[string], now time.Time) {
		for _, g := range groups {
			log = append(log, fmt.Sprintf("%g %s %s", now.Sub(noon).Seconds(), g.Recipient, strings.Join(g.Notices, ",")))
		}
	}
	due := func(until time.Time) {
		for next := s.Next(); !next.IsZero() && !next.After(until); next = s.Next() {
			note(s.Due(next), next)
		}
	}
	for _, a := range all {
		due(a.at)
		note(s.Add(a.to, a.what, a.at), a.at)
	}
	due(at(end))
	return log
}

// TestBatch: what goes out when. A line is moment, recipient, notices.
func TestBatch(t *testing.T) {
	for _, c := range []struct {
		name    string
		moments map[string][]float64
		want    []string
	}{
		{"one goes at once", map[string][]float64{"a": {1}}, []string{"1 a 1"}},
		{"the next within 5 s wait for each other", map[string][]float64{"a": {0, 1, 2, 4.9}}, []string{"0 a 1", "5 a 2,3,4"}},
		{"one that waited alone goes alone", map[string][]float64{"a": {0, 3}}, []string{"0 a 1", "5 a 2"}},
		{"each recipient by himself", map[string][]float64{"a": {0, 1}, "b": {2, 3}}, []string{"0 a 1", "2 b 1", "5 a 2", "7 b 2"}},
		{"while it goes on the time doubles, up to 30 s", map[string][]float64{"a": {0, 1, 6, 16, 40, 80, 110}}, []string{
			"0 a 1", "5 a 2", "15 a 3", "35 a 4", "65 a 5", "95 a 6", "125 a 7",
		}},
		{"nothing waits: the next goes at once", map[string][]float64{"a": {0, 6, 12}}, []string{"0 a 1", "6 a 2", "12 a 3"}},
		{"and then the time is what it was", map[string][]float64{"a": {0, 1, 16, 17}}, []string{"0 a 1", "5 a 2", "16 a 3", "26 a 4"}},
		{"a quiet minute", map[string][]float64{"a": {0, 1, 66, 67}}, []string{"0 a 1", "5 a 2", "66 a 3", "71 a 4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := play(New[string](), 1000, c.moments); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestBounds: 200 for one recipient, or 1,000 for all, don't wait any longer; and nothing is remembered of who is quiet.
func TestBounds(t *testing.T) {
	s := New[int]()
	var out []Group[int]
	for i := range Most + 1 {
		out = append(out, s.Add("a", i, noon)...)
	}
	if len(out) != 2 || len(out[0].Notices) != 1 || len(out[1].Notices) != Most || s.held != 0 {
		t.Errorf("%d groups, %d wait", len(out), s.held)
	}
	out = nil
	for i := range 10 * Held {
		to := fmt.Sprint("r", i%100)
		if i%7 == 0 {
			to = "often"
		}
		out = append(out, s.Add(to, i, noon)...)
		if s.held >= Held {
			t.Fatalf("%d wait", s.held)
		}
	}
	for _, g := range out {
		if len(g.Notices) > Most {
			t.Fatalf("%d in one mail", len(g.Notices))
		}
	}
	s.Drain()
	for i := range 100 {
		s.Add(fmt.Sprint("r", i), i, noon)
	}
	s.Due(at(10))
	s.Due(at(100))
	if len(s.who) != 0 || !s.Next().IsZero() {
		t.Errorf("%d recipients are remembered", len(s.who))
	}
}

// TestEachOnce: whatever comes when, each notice comes out once, in its order, within Longest, and at most so many mails go
// out as the rules allow.
func TestEachOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New[int]()
		came, got := map[int]time.Time{}, map[string][]int{}
		mails := map[string]int{}
		now, n := noon, 0
		note := func(groups []Group[int]) {
			for _, g := range groups {
				mails[g.Recipient]++
				for _, x := range g.Notices {
					if wait := now.Sub(came[x]); wait > Longest {
						t.Fatalf("%d waited for %v", x, wait)
					}
					got[g.Recipient] = append(got[g.Recipient], x)
				}
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			end := now.Add(time.Duration(rapid.IntRange(0, 40_000).Draw(t, "ms")) * time.Millisecond)
			for next := s.Next(); !next.IsZero() && !next.After(end); next = s.Next() {
				now = next
				note(s.Due(now))
			}
			now = end
			for range rapid.IntRange(0, 30).Draw(t, "burst") {
				n++
				came[n] = now
				note(s.Add(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "to"), n, now))
			}
		}
		for next := s.Next(); !next.IsZero(); next = s.Next() {
			now = next
			note(s.Due(now))
		}
		total := 0
		for to, xs := range got {
			total += len(xs)
			if !slices.IsSorted(xs) {
				t.Fatalf("%s got %v", to, xs)
			}
			if most := int(now.Sub(noon)/First) + 2; mails[to] > most {
				t.Fatalf("%d mails to %s in %v", mails[to], to, now.Sub(noon))
			}
		}
		if total != n || s.held != 0 {
			t.Fatalf("%d of %d came out, %d wait", total, n, s.held)
		}
	})
}
