package embed

import (
	"maps"
	"net"
	"sync"
	"time"
)

// How often the same is said about somebody, and how many there may be of whom something is said: addresses are a
// stranger's to choose.
const (
	sayAgain = time.Minute
	sayOf    = 256
)

// throttle tells when something may be said again.
type throttle struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func newThrottle() *throttle { return &throttle{last: map[string]time.Time{}} }

func (t *throttle) due(what string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.last, func(_ string, at time.Time) bool { return now.Sub(at) >= sayAgain })
	if _, said := t.last[what]; said || len(t.last) >= sayOf {
		return false
	}
	t.last[what] = now
	return true
}

// hostOf is an address without its port, which differs from one connection to the next.
func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
