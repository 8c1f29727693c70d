package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/beevik/ntp"
)

const (
	ntpPort = 123
	// defaultOffset is when clocks differ so much that it is worth a word: what people compare by the clock, such as
	// logs of two machines, is in the wrong order then. It is a warning, since either clock may be the wrong one.
	defaultOffset = time.Second
	unsynced      = 16 // stratum: no source (RFC 5905, section 7.3)
)

// ntpCheck is what check_ntp was asked. Option letters are those of Nagios' check_ntp_time and check_ntp_peer.
type ntpCheck struct {
	call       *call
	port       uint16
	warn, crit timeSpan
	wStrat     uint8
	cStrat     uint8
}

// ntpServer is check_ntp: the host must tell the time, and know it itself.
func ntpServer(c *call) func(context.Context) outcome {
	n := &ntpCheck{call: c, warn: timeSpan(defaultOffset)}
	f := c.flags
	f.Uint16VarP(&n.port, "port", "p", ntpPort, "UDP port")
	f.VarP(&n.warn, "warning", "w", "warning if its clock and this node's differ by more")
	f.VarP(&n.crit, "critical", "c", "fail if they differ by more (either may be wrong: only where this node's clock is the better one)")
	f.Uint8VarP(&n.wStrat, "stratum-warning", "W", 0, "warning if its stratum is higher")
	f.Uint8VarP(&n.cStrat, "stratum-critical", "C", 0, "fail if its stratum is higher")
	c.aliases["swarn"], c.aliases["scrit"] = "stratum-warning", "stratum-critical"
	return n.look
}

func (n *ntpCheck) look(ctx context.Context) outcome {
	if n.crit > 0 && n.crit < n.warn {
		if n.call.flags.Changed("warning") {
			return n.call.misused(errors.New("want more for the fail than for the warning"))
		}
		n.warn = n.crit
	}
	r, _, err := firstOf(ctx, n.call, n.call.host, n.port, askNTP)
	if errors.Is(ctx.Err(), context.Canceled) {
		return unknown("interrupted while waiting for an answer")
	}
	if isOwn(err) {
		return broken(err)
	}
	if err != nil {
		return fail("ask %s for the time: %v", n.call.host, err)
	}
	o := n.judge(r, ownClock())
	_, perf := n.call.took()
	o.perf = append(o.perf, perf)
	return o
}

// askNTP asks one address until it answers.
func askNTP(ctx context.Context, to netip.AddrPort) (*ntp.Response, error) {
	other := ""
	for wait := resendAfter; ctx.Err() == nil; wait *= 2 {
		end := sooner(ctx, wait)
		r, err := askOnceNTP(ctx, to, time.Until(end))
		_, network := errors.AsType[*net.OpError](err)
		switch {
		case err == nil:
			return r, nil
		case timedOut(err):
		case network:
			return nil, err
		default: // anybody can send anything; but then it needn't be asked again at once
			other = err.Error()
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(end)):
			}
		}
	}
	return nil, onlyOther(ctx, other)
}

// askOnceNTP sends one question and waits for one datagram.
func askOnceNTP(ctx context.Context, to netip.AddrPort, wait time.Duration) (*ntp.Response, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", to.String())
	if err != nil {
		return nil, err
	}
	defer bound(ctx, conn)()
	return ntp.QueryWithOptions(to.String(), ntp.QueryOptions{
		Timeout:    max(wait, time.Millisecond),
		Dialer:     func(string, string) (net.Conn, error) { return conn, nil },
		Extensions: []ntp.Extension{ntpGuard{}},
	})
}

// ntpGuard looks at an answer before the library does: it can't take the smallest number for how often to ask or how
// precise the clock is, and would panic (beevik/ntp 1.6.0, toInterval).
type ntpGuard struct{}

// ProcessQuery implements ntp.Extension.
func (ntpGuard) ProcessQuery(*bytes.Buffer) error { return nil }

// ProcessResponse implements ntp.Extension.
func (ntpGuard) ProcessResponse(b []byte) error {
	const poll, precision, smallest = 2, 3, 0x80
	if len(b) > precision && (b[poll] == smallest || b[precision] == smallest) {
		return errors.New("poll or precision of -128")
	}
	return nil
}

// judge makes an outcome of an answer.
func (n *ntpCheck) judge(r *ntp.Response, mine clockState) outcome {
	host := n.call.host
	o := outcome{perf: []string{
		fmt.Sprintf("offset=%.6fs;%s;%s", r.ClockOffset.Seconds(), both(n.warn), both(n.crit)),
		fmt.Sprintf("stratum=%d;%s;%s;0;16", r.Stratum, bound8(n.wStrat), bound8(n.cStrat)),
		fmt.Sprintf("delay=%.6fs;;;0", r.RTT.Seconds()),
	}}
	if why := refusedTime(r); why.text != "" {
		o.exit, o.text = why.exit, host+why.text
		o.perf = nil
		return o
	}
	o.text = fmt.Sprintf("%s is %s, stratum %d, answered in %s", host, apart(r.ClockOffset, r.RTT), r.Stratum, span(r.RTT))
	switch r.Leap {
	case ntp.LeapAddSecond:
		o.text += ", a leap second comes"
	case ntp.LeapDelSecond:
		o.text += ", a second is left out soon"
	}
	// What the way there and back took may have been all on one side: only what is beyond that is known for sure.
	sure := r.ClockOffset.Abs() - r.RTT/2
	switch warn, crit := time.Duration(n.warn), time.Duration(n.crit); {
	case crit > 0 && sure > crit && mine == clockUnsynced:
		return unknown("this node can't tell: its own clock is not synchronised, and %s", o.text)
	case crit > 0 && sure > crit:
		o.exit, o.text = exitFail, o.text+", more than "+span(crit)
	case sure > warn:
		o.exit, o.text = exitWarning, o.text+", more than "+span(warn)
		if mine == clockUnsynced {
			o.text += " (this node's own clock is not synchronised)"
		}
	}
	switch {
	case n.cStrat > 0 && r.Stratum > n.cStrat:
		o.exit, o.text = exitFail, o.text+fmt.Sprintf(", stratum above %d", n.cStrat)
	case n.wStrat > 0 && r.Stratum > n.wStrat:
		o.exit, o.text = max(o.exit, exitWarning), o.text+fmt.Sprintf(", stratum above %d", n.wStrat)
	}
	return o
}

// refusedTime is why an answer has no time in it that could be used; no text if it has. Kiss codes are RFC 5905's, section
// 7.4; most of them, such as INIT, and none at all, are those of a server that has no time yet.
func refusedTime(r *ntp.Response) outcome {
	refusals := []string{"DENY", "RSTR", "RMOT", "AUTH", "CRYP", "NKEY"}
	switch {
	case r.IsKissOfDeath() && r.KissCode == "RATE":
		return unknown(": this node can't tell, as it asks too often (kiss code RATE)")
	case r.IsKissOfDeath() && slices.Contains(refusals, r.KissCode):
		return fail(" refuses to tell the time (kiss code %s)", r.KissCode)
	case r.IsKissOfDeath() || r.Stratum >= unsynced || r.Leap == ntp.LeapNotInSync: // on the wire 0 may stand for 16
		return fail(" is not synchronised itself (stratum %d, leap indicator %d)", r.Stratum, r.Leap)
	}
	switch err := r.Validate(); {
	case err == nil:
		return outcome{}
	case errors.Is(err, ntp.ErrServerClockFreshness):
		return fail(" last set its clock %s ago", days(r.Time.Sub(r.ReferenceTime)))
	case errors.Is(err, ntp.ErrInvalidDispersion):
		return fail(" knows the time only to within %s", span(r.RootDelay/2+r.RootDispersion))
	default:
		return fail(" tells no time that makes sense: %v", err)
	}
}

// apart says how two clocks differ.
func apart(offset, rtt time.Duration) string {
	way := "ahead of"
	if offset < 0 {
		way = "behind"
	}
	return fmt.Sprintf("%s %s this node (give or take %s)", span(offset.Abs()), way, span(rtt/2))
}

// both is a bound on both sides of zero, as perfdata have it.
func both(d timeSpan) string {
	if d == 0 {
		return ""
	}
	s := plain(time.Duration(d).Seconds())
	return "-" + s + ":" + s
}

func bound8(n uint8) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
