package plugins

import (
	"context"
	"strconv"
	"strings"
)

// The ports of IMAP: RFC 9051, section 2.1, and RFC 8314.
const (
	imapPort  = 143
	imapsPort = 993
)

func imap(c *call) func(context.Context) outcome  { return newIMAP(c, imapPort, false) }
func imaps(c *call) func(context.Context) outcome { return newIMAP(c, imapsPort, true) }

func newIMAP(c *call, port uint16, wrapped bool) func(context.Context) outcome {
	g := newGreeter(c, "IMAP", port, "bye LOGOUT")
	g.encrypted(wrapped, imapsPort, "S", "")
	return func(ctx context.Context) outcome { return g.look(ctx, new(mailbox).talk) }
}

// mailbox is one conversation with an IMAP server, as RFC 9051 (and RFC 3501) have it. It does not log in.
type mailbox struct {
	asked int // commands so far
}

func (m *mailbox) talk(d *dialogue) error {
	hi, err := d.line()
	if err != nil {
		return err
	}
	d.said = hi
	known := false
	switch kind, _, _ := strings.Cut(strings.ToUpper(strings.TrimPrefix(hi, "* ")), " "); {
	case !strings.HasPrefix(hi, "* "):
		return d.foreign(hi)
	case kind == "BYE":
		return d.refused(hi)
	case kind == "PREAUTH":
		known = true
	case kind != "OK":
		return d.foreign(hi)
	}
	offers, err := m.capabilities(d)
	if err != nil {
		return err
	}
	// Who is logged in by the connection alone can't begin TLS: RFC 9051, section 6.2.1.
	encrypted, err := d.upgrade(offers["STARTTLS"] && !known, "STARTTLS", func() (string, bool, error) {
		said, _, err := m.ask(d, "STARTTLS")
		return said, imapOK(said), err
	})
	if err == nil && encrypted { // What was said before may have come from anybody.
		_, err = m.capabilities(d)
	}
	return err
}

// capabilities asks what the server offers.
func (m *mailbox) capabilities(d *dialogue) (map[string]bool, error) {
	said, data, err := m.ask(d, "CAPABILITY")
	if err != nil {
		return nil, err
	}
	if !imapOK(said) {
		return nil, d.refused(said)
	}
	offers := map[string]bool{}
	for _, line := range data {
		if words := strings.Fields(strings.ToUpper(line)); len(words) > 1 && words[1] == "CAPABILITY" {
			for _, w := range words[2:] {
				offers[w] = true
			}
		}
	}
	return offers, nil
}

// ask sends a command and returns how it ended, "OK ..." say, and the lines that came before.
func (m *mailbox) ask(d *dialogue, command string) (said string, data []string, err error) {
	m.asked++
	tag := "c" + strconv.Itoa(m.asked)
	if err := d.say(tag + " " + command); err != nil {
		return "", nil, err
	}
	d.stage = "an answer to " + command
	for {
		line, err := d.line()
		if err != nil {
			return "", nil, err
		}
		if end, ok := strings.CutPrefix(line, tag+" "); ok {
			return end, data, nil
		}
		if !strings.HasPrefix(line, "* ") {
			return "", nil, d.foreign(line)
		}
		data = append(data, line)
	}
}

// imapOK tells whether a command ended well.
func imapOK(said string) bool {
	word, _, _ := strings.Cut(said, " ")
	return strings.EqualFold(word, "OK")
}
