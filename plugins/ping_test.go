package plugins

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// asked is an echo that has sent three requests.
func asked(to string) *echo {
	e := newEcho(netip.MustParseAddr(to), 5)
	e.sent = []time.Time{time.Unix(100, 0), time.Unix(101, 0), time.Unix(102, 0)}
	return e
}

func packet(t testing.TB, m icmp.Message) []byte {
	t.Helper()
	b, err := m.Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Only a reply to a request of this very run counts, and each request counts once.
func TestOnlyOwnRepliesCount(t *testing.T) {
	e := asked("192.0.2.1")
	other := newEcho(e.to, 5)
	reply := func(typ icmp.Type, id, seq int, data []byte) []byte {
		return packet(t, icmp.Message{Type: typ, Body: &icmp.Echo{ID: id, Seq: seq, Data: data}})
	}
	cases := []struct {
		rule   string
		packet []byte
		raw    bool
		counts int
	}{
		{"somebody else's data", reply(ipv4.ICMPTypeEchoReply, e.id, 0, other.token), true, 0},
		{"part of the data", reply(ipv4.ICMPTypeEchoReply, e.id, 0, e.token[:8]), true, 0},
		{"another id", reply(ipv4.ICMPTypeEchoReply, e.id^1, 0, e.token), true, 0},
		{"our own request, seen on loopback", reply(ipv4.ICMPTypeEcho, e.id, 0, e.token), true, 0},
		{"a request not sent yet", reply(ipv4.ICMPTypeEchoReply, e.id, 3, e.token), true, 0},
		{"the reply of the other family", reply(ipv6.ICMPTypeEchoReply, e.id, 1, e.token), true, 0},
		{"a reply", reply(ipv4.ICMPTypeEchoReply, e.id, 1, e.token), true, 1},
		{"the same again", reply(ipv4.ICMPTypeEchoReply, e.id, 1, e.token), true, 1},
		{"one whose id the kernel chose", reply(ipv4.ICMPTypeEchoReply, e.id^1, 2, e.token), false, 2},
	}
	for _, c := range cases {
		e.take(c.packet, "192.0.2.1", c.raw, time.Unix(103, 0))
		if len(e.rtts) != c.counts {
			t.Errorf("%s: %d replies, want %d", c.rule, len(e.rtts), c.counts)
		}
	}
	if want := 1500 * time.Millisecond; e.rta() != want { // 2 s for the second request, 1 s for the third
		t.Errorf("average %v, want %v", e.rta(), want)
	}
}

// quoted is what a router sends back of a request: its IP header and 8 bytes.
func quoted(e *echo, to string, id int) []byte {
	b := make([]byte, 48)
	header, at := 40, 24
	if e.to.Is4() {
		header, at, b[0] = 20, 16, 0x45
	}
	addr := netip.MustParseAddr(to)
	copy(b[at:], addr.AsSlice())
	binary.BigEndian.PutUint16(b[header+4:], uint16(id))
	return b[:header+8]
}

// What a router says is told if it is about our request, and never ends the waiting.
func TestRouterSays(t *testing.T) {
	v4, v6 := asked("192.0.2.1"), asked("2001:db8::1")
	cases := []struct {
		rule string
		e    *echo
		m    icmp.Message
		want string
	}{
		{"host unreachable", v4, icmp.Message{Type: ipv4.ICMPTypeDestinationUnreachable, Code: 1, Body: &icmp.DstUnreach{Data: quoted(v4, "192.0.2.1", v4.id)}}, "router says: host unreachable"},
		{"too many hops", v4, icmp.Message{Type: ipv4.ICMPTypeTimeExceeded, Body: &icmp.TimeExceeded{Data: quoted(v4, "192.0.2.1", v4.id)}}, "router says: too many hops"},
		{"a code nobody knows", v4, icmp.Message{Type: ipv4.ICMPTypeDestinationUnreachable, Code: 99, Body: &icmp.DstUnreach{Data: quoted(v4, "192.0.2.1", v4.id)}}, "unreachable (code 99)"},
		{"about another host", v4, icmp.Message{Type: ipv4.ICMPTypeDestinationUnreachable, Code: 1, Body: &icmp.DstUnreach{Data: quoted(v4, "192.0.2.2", v4.id)}}, ""},
		{"about another run", v4, icmp.Message{Type: ipv4.ICMPTypeDestinationUnreachable, Code: 1, Body: &icmp.DstUnreach{Data: quoted(v4, "192.0.2.1", v4.id^1)}}, ""},
		{"IPv6 in its own words", v6, icmp.Message{Type: ipv6.ICMPTypeDestinationUnreachable, Code: 3, Body: &icmp.DstUnreach{Data: quoted(v6, "2001:db8::1", v6.id)}}, "router says: address unreachable"},
	}
	for _, c := range cases {
		c.e.said = ""
		c.e.take(packet(t, c.m), "router", true, time.Unix(103, 0))
		if !strings.Contains(c.e.said, c.want) || (c.want == "") != (c.e.said == "") {
			t.Errorf("%s: %q, want %q", c.rule, c.e.said, c.want)
		}
	}
}

// Whatever comes in on a raw socket, nothing breaks, and without the token nothing counts.
func FuzzTake(f *testing.F) {
	v4, v6 := asked("192.0.2.1"), asked("2001:db8::1")
	f.Add(packet(f, icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{Data: make([]byte, echoSize)}}))
	f.Add(packet(f, icmp.Message{Type: ipv4.ICMPTypeDestinationUnreachable, Body: &icmp.DstUnreach{Data: quoted(v4, "192.0.2.1", 7)}}))
	f.Add(packet(f, icmp.Message{Type: ipv6.ICMPTypeDestinationUnreachable, Body: &icmp.DstUnreach{Data: quoted(v6, "2001:db8::1", 7)}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range []*echo{v4, v6} {
			e.take(b, "x", true, time.Now())
			e.take(b, "x", false, time.Now())
			if len(e.rtts) > 0 {
				t.Errorf("%x counted as a reply", b)
			}
		}
	})
}

func TestPingBounds(t *testing.T) {
	p := &pinger{call: &call{}}
	e := asked("192.0.2.1")
	e.rtts = map[int]time.Duration{0: 10 * time.Millisecond, 1: 30 * time.Millisecond, 2: 20 * time.Millisecond} // 3 of 5: loss 40%
	cases := []struct {
		rule, warn, crit string
		exit             int
		want             string
	}{
		{"no bounds: any reply is ok", "", "", exitOK, "3 of 5 replies from 192.0.2.1 in 20 ms | rta=20.000ms;;;0 pl=40%;;;0;100"},
		{"within both", "100,50%", "200,60%", exitOK, "rta=20.000ms;100;200;0 pl=40%;50;60;0;100"},
		{"too slow", "10,50%", "200,60%", exitWarning, "worse than 10,50%"},
		{"too much lost", "100,10", "200,60%", exitWarning, "worse than 100,10%"},
		{"far too slow", "5,100%", "15.5,100%", exitFail, "worse than 15.5,100%"},
		{"far too much lost", "", "100,39%", exitFail, "worse than 100,39%"},
	}
	for _, c := range cases {
		p.warn, p.crit = pingBound{}, pingBound{}
		for s, b := range map[string]*pingBound{c.warn: &p.warn, c.crit: &p.crit} {
			if s != "" {
				if err := b.Set(s); err != nil {
					t.Fatal(err)
				}
			}
		}
		o := p.judge(e)
		checkForm(t, o.exit, o.String())
		expect(t, o.exit, o.String(), c.exit, c.want)
	}
	for _, bad := range []string{"", "100", "x,20%", "100,x", "-1,20%", "100,101%", "NaN,1"} {
		if err := new(pingBound).Set(bad); err == nil {
			t.Errorf("-w %q was taken", bad)
		}
	}
}

func TestPingUsage(t *testing.T) {
	for _, n := range []string{"0", "101", "-1"} {
		exit, out := try(t, nil, "ping", "127.0.0.1", "-p", n)
		expect(t, exit, out, exitUnknown, "usage: check_ping HOST")
	}
}
