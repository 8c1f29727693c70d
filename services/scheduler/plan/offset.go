package plan

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Offset is where in its interval the share-th of so many nodes looks at a check, counted from 0: the exact moments are
// those whose time since 1970 is Offset more than a multiple of the interval. They are due on the Grid's moment before.
func Offset(c events.Check, interval time.Duration, share, of int) time.Duration {
	i, k, n := int64(interval), int64(share), int64(of)
	phase := int64(hash(c) % uint64(i))
	part := i/n*k + i%n*k/n // share/of of the interval, without leaving 64 bits
	return time.Duration((phase + part) % i)
}

// hash spreads checks over their intervals. It is part of what schedulers of different versions have to agree on, so it
// must not change: 64-bit FNV-1a, then a final mix, because FNV alone leaves names that differ in their last letter
// close to each other.
func hash(c events.Check) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range []string{c.Host, "/", c.Test} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
