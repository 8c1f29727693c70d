package scheduler

import (
	"maps"
	"slices"
)

// once remembers what is wrong now, so that each trouble is told once, and again when it comes back after it was gone.
type once struct{ known map[string]bool }

// news takes all that is wrong now and returns what is new of it, and what is no more; both sorted.
func (o *once) news(now []string) (fresh, gone []string) {
	set := map[string]bool{}
	for _, s := range now {
		if set[s] = true; !o.known[s] {
			fresh = append(fresh, s)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(o.known)) {
		if !set[s] {
			gone = append(gone, s)
		}
	}
	o.known = set
	slices.Sort(fresh)
	return slices.Compact(fresh), gone
}
