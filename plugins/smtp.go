package plugins

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// The ports of mail between servers, and of submission with TLS from the first byte on (RFC 8314).
const (
	smtpPort  = 25
	smtpsPort = 465
)

// maxMailbox is how long an address may be: RFC 5321, section 4.5.3.1.3, with its angle brackets.
const maxMailbox = 254

// mailServer is what check_smtp and check_smtps were asked.
type mailServer struct {
	*greeter
	fqdn, from, rcpt string
}

func smtp(c *call) func(context.Context) outcome  { return newMailServer(c, smtpPort, false).look }
func smtps(c *call) func(context.Context) outcome { return newMailServer(c, smtpsPort, true).look }

func newMailServer(c *call, port uint16, wrapped bool) *mailServer {
	m := &mailServer{greeter: newGreeter(c, "SMTP", port, "QUIT")}
	m.encrypted(wrapped, smtpsPort, "s", "S")
	c.flags.StringVarP(&m.fqdn, "fqdn", "F", "", "name to say EHLO with (default: the address it connects from)")
	c.flags.StringVarP(&m.rcpt, "rcpt", "r", "", "ask whether mail to this address would be taken; none is sent")
	c.flags.StringVarP(&m.from, "from", "f", "", "sender to ask with (default: the empty one, <>)")
	return m
}

func (m *mailServer) look(ctx context.Context) outcome {
	for _, word := range []string{m.fqdn, m.from, m.rcpt} {
		if err := mailWord(word); err != nil {
			return m.call.misused(err)
		}
	}
	return m.greeter.look(ctx, m.talk)
}

// mailWord finds what would end an address or a name early, or make two commands of one.
func mailWord(s string) error {
	if len(s) > maxMailbox {
		return fmt.Errorf("%d bytes are too many for an address", len(s))
	}
	for _, r := range s {
		if r <= ' ' || r > '~' || r == '<' || r == '>' {
			return fmt.Errorf("%s: %q is not allowed in it", quote(s), r)
		}
	}
	return nil
}

// talk is the conversation: RFC 5321, and RFC 3207 for STARTTLS.
func (m *mailServer) talk(d *dialogue) error {
	hi, err := d.reply()
	if err != nil {
		return err
	}
	d.said = hi.String()
	if hi.code != 220 {
		return d.refused(d.said)
	}
	offers, err := m.hello(d)
	if err != nil {
		return err
	}
	encrypted, err := d.upgrade(offers["STARTTLS"], "STARTTLS", func() (string, bool, error) {
		r, err := d.ask("STARTTLS")
		return r.String(), r.code == 220, err
	})
	if err != nil {
		return err
	}
	if encrypted { // What was said before may have come from anybody: RFC 3207, section 4.2.
		if _, err := m.hello(d); err != nil {
			return err
		}
	}
	if m.rcpt == "" {
		return nil
	}
	for _, command := range []string{"MAIL FROM:<" + m.from + ">", "RCPT TO:<" + m.rcpt + ">"} {
		r, err := d.ask(command)
		if err != nil {
			return err
		}
		if r.code/100 != 2 {
			return d.refused(r.String())
		}
	}
	d.notes = append(d.notes, "would take mail to "+clean(m.rcpt, maxQuoted))
	return nil
}

// hello introduces this node and returns what the server offers. A server that doesn't know EHLO is asked in the old
// way, and offers nothing.
func (m *mailServer) hello(d *dialogue) (offers map[string]bool, err error) {
	name := m.fqdn
	if name == "" {
		name = literal(d.conn.LocalAddr())
	}
	r, err := d.ask("EHLO " + name)
	if err == nil && r.code/100 == 5 {
		r, err = d.ask("HELO " + name)
	}
	if err != nil {
		return nil, err
	}
	switch other := speaks(d.said); {
	case r.code/100 == 5 && other != "" && other != d.proto:
		return nil, d.foreign(d.said)
	case r.code/100 != 2:
		return nil, fmt.Errorf("%w, after the greeting %s", d.refused(r.String()), quote(d.said))
	}
	offers = map[string]bool{}
	for _, line := range r.lines[1:] {
		word, _, _ := strings.Cut(strings.ToUpper(line), " ")
		offers[word] = true
	}
	return offers, nil
}

// literal is an address as EHLO wants it where there is no name: RFC 5321, section 4.1.3.
func literal(a net.Addr) string {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return "[127.0.0.1]"
	}
	ip := ap.Addr().Unmap().WithZone("")
	if ip.Is4() {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}
