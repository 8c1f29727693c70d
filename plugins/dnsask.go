package plugins

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsPayload is how long an answer over UDP may be, in bytes, so that it needn't be cut in pieces on its way (the default
// that was agreed on for the DNS flag day of 2020).
const dnsPayload = 1232

// question is the message to send. Without EDNS (RFC 6891) it is for servers that don't know that.
func (d *dnsCheck) question(id uint16, edns bool) ([]byte, error) {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: !d.norec, AuthenticData: d.dnssec})
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	q := dnsmessage.Question{Name: d.name, Type: dnsmessage.Type(d.typ), Class: dnsmessage.ClassINET}
	if err := b.Question(q); err != nil {
		return nil, err
	}
	if edns {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(dnsPayload, dnsmessage.RCodeSuccess, d.dnssec); err != nil {
			return nil, err
		}
		if err := b.StartAdditionals(); err != nil {
			return nil, err
		}
		if err := b.OPTResource(h, dnsmessage.OPTResource{}); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// ask asks over UDP, and over TCP if the answer doesn't fit or if that is wanted.
func (d *dnsCheck) ask(ctx context.Context) (dnsReply, error) {
	r, err := d.askOnce(ctx, true)
	if err == nil && r.rcode == formatError && !d.dnssec {
		return d.askOnce(ctx, false) // so says a server from before EDNS
	}
	return r, err
}

func (d *dnsCheck) askOnce(ctx context.Context, edns bool) (dnsReply, error) {
	id := uint16(rand.Uint32())
	question, err := d.question(id, edns)
	if err != nil {
		return dnsReply{}, own("write a question: %w", err)
	}
	understand := func(b []byte) (dnsReply, bool, error) { return d.understand(id, b) }
	if d.tcp {
		return d.askTCP(ctx, d.whom(), question, understand)
	}
	r, at, err := firstOf(ctx, d.call, d.whom(), d.port, byUDP(question, understand))
	if err != nil {
		return r, fmt.Errorf("ask %s about %s: %w", d.whom(), d.asked(), err)
	}
	if !r.truncated {
		return r, nil
	}
	r, err = d.askTCP(ctx, at.String(), question, understand)
	if err != nil && !isOwn(err) {
		err = fmt.Errorf("%s's answer about %s is too long for UDP, and over TCP: %w", d.whom(), d.asked(), err)
	}
	r.retried = true
	return r, err
}

// askTCP asks one server over a connection.
func (d *dnsCheck) askTCP(ctx context.Context, host string, question []byte, understand func([]byte) (dnsReply, bool, error)) (dnsReply, error) {
	conn, err := d.call.dial(ctx, host, d.port)
	if err != nil {
		return dnsReply{}, err
	}
	defer bound(ctx, conn)()
	r, err := overTCP(conn, question, understand)
	switch {
	case err == nil || isOwn(err):
		return r, err
	case timedOut(err):
		return r, fmt.Errorf("connected to %s, but no answer about %s within %s", portOf(conn), d.asked(), span(d.call.budget))
	case errors.Is(err, io.EOF):
		return r, fmt.Errorf("%s closed the connection instead of answering about %s", portOf(conn), d.asked())
	}
	return r, fmt.Errorf("%s, asked about %s: %s", portOf(conn), d.asked(), reason(err))
}

// overTCP sends a message and reads one, each with its length before it (RFC 1035, section 4.2.2).
func overTCP(conn net.Conn, question []byte, understand func([]byte) (dnsReply, bool, error)) (dnsReply, error) {
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(question)))
	if _, err := conn.Write(append(framed, question...)); err != nil {
		return dnsReply{}, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return dnsReply{}, err
	}
	b := make([]byte, binary.BigEndian.Uint16(length[:]))
	if n, err := io.ReadFull(conn, b); err != nil {
		return dnsReply{}, fmt.Errorf("%d of %d bytes came, then: %w", n, len(b), err)
	}
	r, ours, err := understand(b)
	if err == nil && !ours {
		err = errors.New("it answered something else: " + quote(string(b[:min(len(b), maxQuoted)])))
	}
	return r, err
}

// rcodeName is what people call a response code.
func rcodeName(r rcode) string {
	names := []string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"}
	if int(r) < len(names) {
		return names[r]
	}
	return "RCODE" + strconv.Itoa(int(r))
}
