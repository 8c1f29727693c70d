// Package batch decides which notices go out in one mail. It is pure: notices and the moment go in, and what goes out now
// comes out, with the moment at which to look again.
//
// What holds, for each recipient by himself:
//
//   - The first notice after a quiet minute goes at once. What comes within the next First is gathered, and goes as one
//     mail when that time is over. While something was gathered the next gathering takes twice as long, up to Longest.
//   - A notice that comes while nothing is gathered goes at once and begins a gathering, as the first did.
//   - Every notice comes out exactly once, after Longest at the latest; those of one recipient in the order in which they
//     came, Most at a time.
//   - Most notices for one recipient don't wait for each other any longer, nor do Held for all: they go at once.
package batch

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// The rules' numbers.
const (
	First   = 5 * time.Second
	Longest = 30 * time.Second
	Quiet   = time.Minute
	Most    = 200  // notices in one mail
	Held    = 1000 // notices that wait in all
)

// State is what waits. T is a notice, in whatever form the caller has it.
type State[T any] struct {
	who  map[string]*gathering[T]
	held int
}

// gathering is what waits for one recipient.
type gathering[T any] struct {
	waits []T
	until time.Time     // when the gathering ends
	open  bool          // there is one
	next  time.Duration // how long the next one takes
	last  time.Time     // when the last notice came
}

// Group is what goes in one mail.
type Group[T any] struct {
	Recipient string
	Notices   []T
}

// New makes an empty state.
func New[T any]() *State[T] { return &State[T]{who: map[string]*gathering[T]{}} }

// Add takes a notice for a recipient and returns what goes out at once because of it.
func (s *State[T]) Add(recipient string, notice T, now time.Time) []Group[T] {
	out := s.Due(now)
	g := s.who[recipient]
	if g == nil {
		g = &gathering[T]{next: First}
		s.who[recipient] = g
	}
	g.last = now
	if !g.open {
		g.begin(now)
		return append(out, Group[T]{recipient, []T{notice}})
	}
	g.waits = append(g.waits, notice)
	s.held++
	if len(g.waits) >= Most {
		return append(out, s.take(recipient, g))
	}
	if s.held >= Held {
		fullest := s.fullest()
		return append(out, s.take(fullest, s.who[fullest]))
	}
	return out
}

func (g *gathering[T]) begin(now time.Time) { g.open, g.until = true, now.Add(g.next) }

// Due returns what has waited for long enough.
func (s *State[T]) Due(now time.Time) (out []Group[T]) {
	for _, recipient := range slices.Sorted(maps.Keys(s.who)) {
		g := s.who[recipient]
		if g.open && now.Before(g.until) {
			continue
		}
		g.open = false
		if len(g.waits) == 0 {
			if now.Sub(g.last) >= Quiet {
				delete(s.who, recipient)
			}
			continue
		}
		out = append(out, s.take(recipient, g))
		g.next = min(2*g.next, Longest)
		g.begin(now)
	}
	return out
}

// take empties a recipient's gathering, which goes on.
func (s *State[T]) take(recipient string, g *gathering[T]) Group[T] {
	out := Group[T]{recipient, g.waits}
	s.held -= len(g.waits)
	g.waits = nil
	return out
}

// fullest is the recipient for whom the most waits; of several, the one that sorts first.
func (s *State[T]) fullest() string {
	return slices.MinFunc(slices.Sorted(maps.Keys(s.who)), func(a, b string) int {
		return cmp.Compare(len(s.who[b].waits), len(s.who[a].waits))
	})
}

// Next is when Due has to be called; zero if nothing waits.
func (s *State[T]) Next() (at time.Time) {
	for _, g := range s.who {
		if g.open && (at.IsZero() || g.until.Before(at)) {
			at = g.until
		}
	}
	return at
}

// Drain returns everything that waits, and is empty then.
func (s *State[T]) Drain() (all []T) {
	for _, recipient := range slices.Sorted(maps.Keys(s.who)) {
		all = append(all, s.who[recipient].waits...)
	}
	s.who, s.held = map[string]*gathering[T]{}, 0
	return all
}
