package plugins

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/ntp"
)

// clock is a time server for tests.
type clock struct {
	offset     time.Duration // how far ahead of this machine it is
	leap       byte          // leap indicator
	stratum    byte
	kiss       string
	set        time.Duration // how long ago it was set; 0: a minute
	dispersion time.Duration
	first      func(question []byte) []byte // what comes before the answer; nil: nothing
	mute       int                          // so many questions get no answer
}

// ntpTime is a time as NTP has it: seconds since 1900 and their fraction.
func ntpTime(t time.Time) uint64 {
	const since1900 = 2208988800 // seconds to 1970 (RFC 5905, figure 4)
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/1e9
}

func (c clock) answer(q []byte) []byte {
	a := make([]byte, 48)
	now := time.Now().Add(c.offset)
	set := c.set
	if set == 0 {
		set = time.Minute
	}
	a[0], a[1] = c.leap<<6|4<<3|4, c.stratum
	binary.BigEndian.PutUint32(a[8:], uint32(c.dispersion*65536/time.Second))
	copy(a[12:16], c.kiss)
	binary.BigEndian.PutUint64(a[16:], ntpTime(now.Add(-set)))
	copy(a[24:32], q[40:48])
	binary.BigEndian.PutUint64(a[32:], ntpTime(now))
	binary.BigEndian.PutUint64(a[40:], ntpTime(now))
	return a
}

// serveNTP tells the time on the address until the test ends, and returns the port.
func serveNTP(t *testing.T, host string, c clock) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { pc.Close(); all.Wait() })
	all.Go(func() {
		b := make([]byte, 1000)
		for asked := 1; ; asked++ {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 48 || asked <= c.mute {
				continue
			}
			if c.first != nil {
				if before := c.first(b[:n]); before != nil {
					_, _ = pc.WriteTo(before, from)
					continue
				}
			}
			_, _ = pc.WriteTo(c.answer(b[:n]), from)
		}
	})
	_, port, err := net.SplitHostPort(pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestNTP(t *testing.T) {
	t.Parallel()
	fine := clock{stratum: 2}
	var once sync.Once
	cases := []struct {
		rule string
		srv  clock
		args string
		exit int
		want string
	}{
		{"the same time", fine, "-w 60", exitOK, ", stratum 2, answered in "},
		{"its numbers", fine, "-w 60 -W 5 -C 8", exitOK, ";-60:60; stratum=2;5;8;0;16 delay="},
		{"ahead", clock{stratum: 2, offset: 500 * time.Second}, "", exitWarning, "127.0.0.1 is 500.0 s ahead of this node (give or take "},
		{"behind", clock{stratum: 2, offset: -500 * time.Second}, "", exitWarning, "127.0.0.1 is 500.0 s behind this node (give or take "},
		{"which only warns, as either may be wrong", clock{stratum: 2, offset: 24 * time.Hour}, "", exitWarning, "more than 1.0 s"},
		{"less than asked for", clock{stratum: 2, offset: 200 * time.Second}, "-w 300", exitOK, "200.0 s ahead of"},
		{"a high stratum", clock{stratum: 9}, "-w 60 -W 8", exitWarning, "stratum 9, answered in"},
		{"too high", clock{stratum: 9}, "-w 60 -W 4 -C 8", exitFail, "stratum above 8"},
		{"one that has no time", clock{stratum: 16}, "", exitFail, "127.0.0.1 is not synchronised itself (stratum 16, leap indicator 0)"},
		{"one that says so", clock{stratum: 2, leap: 3}, "", exitFail, "not synchronised itself (stratum 2, leap indicator 3)"},
		{"a leap second", clock{stratum: 2, leap: 1}, "-w 60", exitOK, ", a leap second comes"},
		{"the other leap second", clock{stratum: 2, leap: 2}, "-w 60", exitOK, ", a second is left out soon"},
		{"asked too often", clock{kiss: "RATE"}, "", exitUnknown, "127.0.0.1: this node can't tell, as it asks too often"},
		{"not for us", clock{kiss: "DENY"}, "", exitFail, "127.0.0.1 refuses to tell the time (kiss code DENY)"},
		{"one that has just been started", clock{kiss: "INIT", leap: 3}, "", exitFail, "not synchronised itself (stratum 0, leap indicator 3)"},
		{"one that never had the time", clock{leap: 3}, "", exitFail, "not synchronised itself (stratum 0, leap indicator 3)"},
		{"a code that paints", clock{kiss: "\x1b[|\xff"}, "", exitFail, "not synchronised itself (stratum 0, leap indicator 0)"},
		{"set long ago", clock{stratum: 2, set: 100 * time.Hour}, "", exitFail, "127.0.0.1 last set its clock 4 days ago"},
		{"very unsure", clock{stratum: 2, dispersion: 100 * time.Second}, "", exitFail, "knows the time only to within 100.0 s"},
		{"set in the future", clock{stratum: 2, set: -time.Hour}, "", exitFail, "tells no time that makes sense"},
		{"a lost datagram", clock{stratum: 2, mute: 1}, "-w 60", exitOK, "stratum 2"},
		{"silence", clock{mute: 1 << 30}, "-t 2", exitFail, "ask 127.0.0.1 for the time: no answer from port "},
		{"a number the library can't take", clock{first: func(q []byte) []byte {
			b := clock{stratum: 2}.answer(q)
			b[3] = 0x80
			return b
		}}, "-t 2", exitFail, `only something else: "poll or precision of -128"`},
		{"half an answer", clock{first: func([]byte) []byte { return []byte("time?") }}, "-t 2", exitFail, "no answer, only something else: "},
		{"another's answer comes first", clock{stratum: 2, first: func(q []byte) (b []byte) {
			once.Do(func() { b = clock{stratum: 2}.answer(make([]byte, len(q))) })
			return b
		}}, "-w 60", exitOK, "stratum 2"},
		{"bounds the wrong way round", fine, "-w 5 -c 4", exitUnknown, "want more for the fail"},
		{"a bound for the fail alone", fine, "-c 0.5", exitOK, ";-0.5:0.5;-0.5:0.5 "},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"127.0.0.1", "-p", serveNTP(t, "127.0.0.1", c.srv)}, strings.Fields(c.args)...)
			exit, out := try(t, nil, "check_ntp", args...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
	t.Run("over IPv6", func(t *testing.T) {
		t.Parallel()
		exit, out := try(t, nil, "check_ntp", "::1", "-w", "60", "-p", serveNTP(t, "::1", fine))
		expect(t, exit, out, exitOK, "::1 is ")
	})
	t.Run("a closed port", func(t *testing.T) {
		t.Parallel()
		exit, out := try(t, nil, "check_ntp", "127.0.0.1", "-p", closedPort(t))
		expect(t, exit, out, exitFail, "ask 127.0.0.1 for the time: connection refused")
	})
}

// What the node's own clock is worth decides what a difference means.
func TestNTPOwnClock(t *testing.T) {
	t.Parallel()
	c := newCall(plugin{name: "check_ntp"}, nil, nil)
	c.host = "time.example"
	n := &ntpCheck{call: c, warn: timeSpan(time.Second), crit: timeSpan(time.Minute)}
	now := time.Now()
	r := func(offset, rtt time.Duration) *ntp.Response {
		return &ntp.Response{Version: 4, Stratum: 2, ClockOffset: offset, RTT: rtt, Time: now, ReferenceTime: now.Add(-time.Minute)}
	}
	cases := []struct {
		rule        string
		offset, rtt time.Duration
		mine        clockState
		exit        int
		want        string
	}{
		{"much, by a clock that is right", time.Hour, 0, clockSynced, exitFail, "more than 60.0 s"},
		{"much, by a clock nobody knows about", -time.Hour, 0, clockUnknown, exitFail, "more than 60.0 s"},
		{"much, by a clock nobody keeps right", time.Hour, 0, clockUnsynced, exitUnknown, "this node can't tell: its own clock is not synchronised"},
		{"a little, by a clock that is right", 2 * time.Second, 0, clockSynced, exitWarning, "more than 1.0 s"},
		{"a little, by a clock nobody keeps right", -2 * time.Second, 0, clockUnsynced, exitWarning, "(this node's own clock is not synchronised)"},
		{"what the way may have taken isn't sure", 61 * time.Second, 4 * time.Second, clockSynced, exitWarning, "give or take 2.0 s"},
		{"nor is a little of it", 2 * time.Second, 4 * time.Second, clockSynced, exitOK, "2.0 s ahead of"},
	}
	for _, c := range cases {
		o := n.judge(r(c.offset, c.rtt), c.mine)
		checkForm(t, o.exit, o.String())
		expect(t, o.exit, c.rule+": "+o.String(), c.exit, c.want)
	}
	if runtime.GOOS == "linux" && ownClock() == clockUnknown {
		t.Error("the kernel doesn't say whether this machine's clock is synchronised")
	}
}

// Whatever a time server sends, a run ends with a line.
func FuzzNTPReply(f *testing.F) {
	c := newCall(plugin{name: "check_ntp"}, nil, nil)
	c.host = "time.example"
	n := &ntpCheck{call: c, warn: timeSpan(time.Second)}
	q := make([]byte, 48)
	for _, s := range []clock{{stratum: 2}, {kiss: "RATE"}, {stratum: 16, leap: 3}, {stratum: 1, set: 100 * time.Hour}} {
		f.Add(s.answer(q))
	}
	var mu sync.Mutex
	var reply []byte
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 1000)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			mu.Lock()
			a := append([]byte(nil), reply...)
			mu.Unlock()
			if len(a) >= 32 && n >= 48 {
				copy(a[24:32], b[40:48])
			}
			_, _ = pc.WriteTo(a, from)
		}
	}()
	to := netip.MustParseAddrPort(pc.LocalAddr().String())
	f.Fuzz(func(t *testing.T, b []byte) {
		mu.Lock()
		reply = b[:min(len(b), 500)]
		mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), resendAfter/2)
		defer cancel()
		r, err := askOnceNTP(ctx, to, resendAfter)
		if err != nil {
			return
		}
		o := n.judge(r, clockSynced)
		checkForm(t, o.exit, o.String())
	})
}
