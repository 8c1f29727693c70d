package plugins

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// The protocol numbers that icmp.ParseMessage wants (IANA).
const (
	protoICMP   = 1
	protoICMPv6 = 58
)

// echoSize is the size of an echo request's data, in bytes: as ping(8) sends.
const echoSize = 56

// echo sends echo requests to one address and collects the replies. Data of echoSize random bytes tells its own replies
// from those to other programs, and to other runs, on this node.
type echo struct {
	to    netip.Addr
	count int
	token []byte
	id    int
	buf   [1500]byte // one packet as Ethernet carries it; ours are smaller

	sent []time.Time           // by sequence number
	rtts map[int]time.Duration // by sequence number: a reply that comes twice counts once
	said string                // what a router said instead of a reply
	err  error                 // why this node couldn't ask
}

func newEcho(to netip.Addr, count int) *echo {
	e := &echo{to: to, count: count, token: make([]byte, echoSize), rtts: map[int]time.Duration{}}
	_, _ = rand.Read(e.token) // never fails: see crypto/rand
	e.id = int(binary.BigEndian.Uint16(e.token))
	return e
}

// run sends the requests, spacing apart, and returns when all have been answered, wait after the last one, or with the
// context. It fills in rtts, said and err.
func (e *echo) run(ctx context.Context, spacing, wait time.Duration) {
	conn, raw, err := listenICMP(e.to)
	if err != nil {
		e.err = err
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	next := time.Now()
	for len(e.rtts) < e.count {
		if now := time.Now(); !now.Before(next) {
			if len(e.sent) == e.count {
				return
			}
			if err := e.send(conn, raw); err != nil {
				e.err = err
				return
			}
			if next = next.Add(spacing); len(e.sent) == e.count {
				next = time.Now().Add(wait)
			}
		}
		if !e.receive(conn, raw, next) {
			return
		}
	}
}

func (e *echo) send(conn *icmp.PacketConn, raw bool) error {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: e.id, Seq: len(e.sent), Data: e.token}}
	if e.to.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	packet, err := m.Marshal(nil) // for ICMPv6 the kernel fills in the checksum
	if err != nil {
		return err
	}
	var to net.Addr = &net.UDPAddr{IP: e.to.AsSlice(), Zone: e.to.Zone()}
	if raw {
		to = &net.IPAddr{IP: e.to.AsSlice(), Zone: e.to.Zone()}
	}
	e.sent = append(e.sent, time.Now())
	_, err = conn.WriteTo(packet, to)
	switch {
	case err == nil, errors.Is(err, net.ErrClosed):
		return nil
	case isOwn(err):
		return own("can't send: %s", reason(err))
	}
	// The kernel tells here what a router said to an earlier packet. This one counts as lost.
	e.said = reason(err)
	return nil
}

// receive takes one packet in, or none until the deadline. It returns false once the connection is closed.
func (e *echo) receive(conn *icmp.PacketConn, raw bool, deadline time.Time) bool {
	if err := conn.SetReadDeadline(deadline); err != nil {
		return false
	}
	n, from, err := conn.ReadFrom(e.buf[:])
	switch {
	case errors.Is(err, net.ErrClosed):
		return false
	case err == nil:
		e.take(e.buf[:n], from.String(), raw, time.Now())
	case !errors.Is(err, os.ErrDeadlineExceeded):
		e.said = reason(err)
	}
	return true
}

// take looks at a packet that came in at the moment at. The kernel chose the id of a socket that isn't raw, and passes
// on only what belongs to it; a raw socket sees everybody's packets.
func (e *echo) take(packet []byte, from string, raw bool, at time.Time) {
	proto := protoICMP
	if e.to.Is6() {
		proto = protoICMPv6
	}
	m, err := icmp.ParseMessage(proto, packet)
	if err != nil {
		return
	}
	switch body := m.Body.(type) {
	case *icmp.Echo:
		reply := m.Type == ipv4.ICMPTypeEchoReply || m.Type == ipv6.ICMPTypeEchoReply
		if !reply || raw && body.ID != e.id || body.Seq >= len(e.sent) || !bytes.Equal(body.Data, e.token) {
			return
		}
		if _, again := e.rtts[body.Seq]; !again {
			e.rtts[body.Seq] = at.Sub(e.sent[body.Seq])
		}
	case *icmp.DstUnreach:
		if e.quotes(body.Data) {
			e.said = fmt.Sprintf("%s says: %s", from, unreachable(m))
		}
	case *icmp.TimeExceeded:
		if e.quotes(body.Data) {
			e.said = from + " says: too many hops"
		}
	}
}

// quotes tells whether the packet that a router complains of is one of ours: its IP header, then our ICMP header with id
// and sequence number.
func (e *echo) quotes(packet []byte) bool {
	header, at := 40, 24 // IPv6: destination at byte 24
	if e.to.Is4() {
		if len(packet) < 20 {
			return false
		}
		header, at = int(packet[0]&0x0f)*4, 16
	}
	addr := e.to.AsSlice()
	if header < at+len(addr) || len(packet) < header+8 {
		return false
	}
	seq := int(binary.BigEndian.Uint16(packet[header+6:]))
	return bytes.Equal(packet[at:at+len(addr)], addr) && int(binary.BigEndian.Uint16(packet[header+4:])) == e.id && seq < len(e.sent)
}

// unreachable names the code of a "destination unreachable" (RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.1).
func unreachable(m *icmp.Message) string {
	names := map[int]string{
		0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable",
		9: "forbidden", 10: "forbidden", 13: "forbidden",
	}
	if m.Type == ipv6.ICMPTypeDestinationUnreachable {
		names = map[int]string{
			0: "no route", 1: "forbidden", 2: "beyond scope", 3: "address unreachable", 4: "port unreachable",
			5: "forbidden", 6: "route rejected",
		}
	}
	if s, ok := names[m.Code]; ok {
		return s
	}
	return fmt.Sprintf("unreachable (code %d)", m.Code)
}

// rta is the average round trip.
func (e *echo) rta() time.Duration {
	var sum time.Duration
	for _, d := range e.rtts {
		sum += d
	}
	return sum / time.Duration(len(e.rtts))
}

// listenICMP opens a socket for echo requests: the unprivileged kind if this node allows it, where the kernel hands over
// only our own replies; else a raw one.
func listenICMP(to netip.Addr) (conn *icmp.PacketConn, raw bool, err error) {
	dgram, rawNet, any := "udp4", "ip4:icmp", "0.0.0.0"
	if to.Is6() {
		dgram, rawNet, any = "udp6", "ip6:ipv6-icmp", "::"
	}
	if conn, err = icmp.ListenPacket(dgram, any); err == nil {
		return conn, false, nil
	}
	if conn, err = icmp.ListenPacket(rawNet, any); err == nil {
		return conn, true, nil
	}
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return nil, false, own(`ICMP is not allowed here; allow it with "sysctl net.ipv4.ping_group_range='0 2147483647'", or give the plugin CAP_NET_RAW`)
	}
	return nil, false, own("open an ICMP socket: %s", reason(err))
}
