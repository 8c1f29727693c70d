package embed

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func addrs(list string) (out []netip.Addr) {
	for s := range strings.FieldsSeq(list) {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// Which addresses lead to this host, by what it listens on and which addresses it has.
func TestReaches(t *testing.T) {
	for _, c := range []struct {
		own, ips, here string
		want           bool
	}{
		{"0.0.0.0", "10.0.0.5", "127.0.0.1 10.0.0.5", true},
		{"0.0.0.0", "10.0.0.6", "127.0.0.1 10.0.0.5", false},
		{"::", "2001:db8::1 10.0.0.5", "10.0.0.5", true},
		{"0.0.0.0", "127.0.1.1", "10.0.0.5", true},
		{"0.0.0.0", "", "10.0.0.5", false},
		{"10.0.0.5", "10.0.0.5", "", true},
		{"10.0.0.5", "10.0.0.6", "10.0.0.5 10.0.0.6", false},
		{"10.0.0.5", "127.0.1.1", "10.0.0.5", true}, // /etc/hosts
		{"127.0.0.7", "127.0.0.1 127.0.0.2", "127.0.0.1", false},
		{"127.0.0.7", "10.0.0.5", "127.0.0.1 10.0.0.5", false},
	} {
		if got := reaches(addrs(c.own), addrs(c.ips), addrs(c.here)); got != c.want {
			t.Errorf("listening on %s, members at %q, addresses %q: %v, want %v", c.own, c.ips, c.here, got, c.want)
		}
	}
}

// Only who is surely not among the members is warned.
func TestStrangerIsWarned(t *testing.T) {
	for _, c := range []struct {
		listen, advertise, nodes string
		want                     bool
	}{
		{"127.0.0.7:2929", "", "127.0.0.1:2929 127.0.0.2:2929", true},
		{"127.0.0.1:2930", "", "127.0.0.1:2929 127.0.0.2:2929", true},
		{"127.0.0.2:2929", "", "127.0.0.1:2929 127.0.0.2:2929", false},
		{":2929", "", "127.0.0.1:2929 203.0.113.2:2929", false},
		{":2929", "", "203.0.113.1:2929 203.0.113.2:2929", true},
		{":2929", "203.0.113.1:2929", "203.0.113.1:2929 203.0.113.2:2929", false},
		{"127.0.0.1:0", "", "127.0.0.1:2929 127.0.0.2:2929", false},
		{":2929", "", "mon..invalid:2929 203.0.113.2:2929", false},
		{":2929", "", "mon..invalid:2930 203.0.113.2:2929", true},
	} {
		var out bytes.Buffer
		o := Options{Nodes: strings.Fields(c.nodes), Listen: c.listen, Advertise: c.advertise, Log: zerolog.New(&out)}
		l, err := newListener(c.listen, "V", forCluster)
		if err != nil {
			t.Fatal(err)
		}
		o.warnStranger(within(t), l)
		want := "this node (" + c.listen + ") is not among the members (" + strings.Join(o.Nodes, ", ") +
			"): add it to nodes.txt on every host, else a first start may form without it"
		if c.want != strings.Contains(out.String(), want) || !c.want && out.Len() > 0 {
			t.Errorf("%+v: said %q", c, &out)
		}
	}
}

// A name that nobody knows doesn't look like a host that is off.
func TestAwayNamesTheReason(t *testing.T) {
	off := freeAddr(t)
	s := &Server{nodes: []string{"mon..invalid:2929", off}}
	got := strings.Join(s.Away(context.Background()), ", ")
	if want := "mon..invalid:2929 (no such host in DNS), " + off; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
