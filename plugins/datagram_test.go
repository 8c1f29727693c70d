package plugins

import (
	"context"
	"net/netip"
	"strings"
	"testing"
)

// What breaks while it asks is this node's own fault, and doesn't take the process with it: that would read as "the host
// is down".
func TestBrokenAsking(t *testing.T) {
	t.Parallel()
	c := newCall(plugin{name: "check_x"}, nil, fakeNames{"127.0.0.1", "127.0.0.2"})
	_, _, err := firstOf(t.Context(), c, "x.example", 9, func(context.Context, netip.AddrPort) (int, error) { panic("a bug") })
	if !isOwn(err) || !strings.Contains(err.Error(), "check_x itself broke: a bug") {
		t.Errorf("%v, want the node's own fault", err)
	}
}
