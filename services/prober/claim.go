package prober

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// ErrNameTaken says that another process bears this node's name, and is the elder one.
var ErrNameTaken = errors.New("another process bears this node's name")

// newInstance makes a token that tells this process from all others. It starts with the moment the process started, so
// that of two tokens the elder process's sorts first.
func newInstance(started time.Time) string {
	return fmt.Sprintf("%016x-%s", started.UnixNano(), rand.Text()[:12])
}

// claim watches who says to be this node. Two processes with one name would vote twice with one voice, and hide each
// other's silence; so the younger one gives up, and the elder one only complains. Younger is who started later by its
// own clock: clocks may disagree about that, but both sides see the same two tokens and come to the same answer.
type claim struct {
	instance string
	rival    string    // the other's instance
	since    time.Time // when it was first heard
	last     time.Time // when it was last heard
}

// heard takes a presence of this node's name. The error says that it came from another process (ErrNameTaken). Yield is
// true if that one is the elder and has been there for events.PresenceTimeout: a predecessor that is just stopping is no
// rival.
func (c *claim) heard(p events.Presence, now time.Time) (yield bool, err error) {
	if p.Instance == c.instance || p.Leaving {
		return false, nil
	}
	if p.Instance != c.rival || now.Sub(c.last) > events.PresenceTimeout {
		c.rival, c.since = p.Instance, now
	}
	c.last = now
	if p.Instance > c.instance {
		return false, fmt.Errorf("%w: %s, by the younger instance %s", ErrNameTaken, p.Node, p.Instance)
	}
	return now.Sub(c.since) >= events.PresenceTimeout, fmt.Errorf("%w: %s, by the elder instance %s", ErrNameTaken, p.Node, p.Instance)
}
