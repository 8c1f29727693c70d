package prober

import (
	"hash/maphash"
	"time"
)

// How long an id is remembered, and how many are. An id comes twice when a second scheduler takes over, or a second
// arbiter asks: within seconds. Remembering for ten minutes is generous; a node that runs 100 checks a second for so long
// fills the count, which is then two and a half megabytes.
const (
	memoryAge  = 10 * time.Minute
	memoryMost = 1 << 16
)

// memory knows the ids that were taken lately. It keeps 64 bits of each: two different ids out of a full memory are taken
// for the same one in one of three hundred million million cases, and that costs one look at one check.
type memory struct {
	seed  maphash.Seed
	taken map[uint64]struct{}
	order []remembered // oldest first, from head on
	head  int
}

type remembered struct {
	hash uint64
	at   time.Time
}

func newMemory() memory {
	return memory{seed: maphash.MakeSeed(), taken: map[uint64]struct{}{}}
}

func (m *memory) has(id string) bool {
	_, known := m.taken[maphash.String(m.seed, id)]
	return known
}

// add remembers an id and forgets those that are too old or too many.
func (m *memory) add(id string, now time.Time) {
	for m.head < len(m.order) {
		oldest := m.order[m.head]
		if now.Sub(oldest.at) <= memoryAge && len(m.taken) < memoryMost {
			break
		}
		delete(m.taken, oldest.hash)
		m.head++
	}
	if m.head > len(m.order)/2 {
		m.order = append(m.order[:0], m.order[m.head:]...)
		m.head = 0
	}
	h := maphash.String(m.seed, id)
	m.taken[h] = struct{}{}
	m.order = append(m.order, remembered{h, now})
}
