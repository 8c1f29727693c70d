package plugins

import (
	"context"
	"strings"
)

// The ports of POP3: RFC 1939, section 3, and RFC 8314.
const (
	pop3Port  = 110
	pop3sPort = 995
)

func pop3(c *call) func(context.Context) outcome  { return newPOP3(c, pop3Port, false) }
func pop3s(c *call) func(context.Context) outcome { return newPOP3(c, pop3sPort, true) }

func newPOP3(c *call, port uint16, wrapped bool) func(context.Context) outcome {
	g := newGreeter(c, "POP3", port, "QUIT")
	g.encrypted(wrapped, pop3sPort, "S", "")
	return func(ctx context.Context) outcome { return g.look(ctx, pop3Talk) }
}

// pop3Talk is the conversation: RFC 1939, RFC 2449 for CAPA and RFC 2595 for STLS. It does not log in.
func pop3Talk(d *dialogue) error {
	hi, ok, err := pop3Status(d)
	if err != nil {
		return err
	}
	d.said = hi
	if !ok {
		return d.refused(hi)
	}
	offers, err := pop3Offers(d)
	if err != nil {
		return err
	}
	encrypted, err := d.upgrade(offers["STLS"], "STLS", func() (string, bool, error) {
		if err := d.say("STLS"); err != nil {
			return "", false, err
		}
		return pop3Status(d)
	})
	if err == nil && encrypted { // What was said before may have come from anybody.
		_, err = pop3Offers(d)
	}
	return err
}

// pop3Status reads the line that begins an answer.
func pop3Status(d *dialogue) (line string, ok bool, err error) {
	line, err = d.line()
	if err != nil {
		return "", false, err
	}
	word, _, _ := strings.Cut(strings.ToUpper(line), " ")
	if word != "+OK" && word != "-ERR" {
		return "", false, d.foreign(line)
	}
	return line, word == "+OK", nil
}

// pop3Offers asks what the server can do. One that doesn't know the question is an old one, and offers nothing.
func pop3Offers(d *dialogue) (map[string]bool, error) {
	if err := d.say("CAPA"); err != nil {
		return nil, err
	}
	_, ok, err := pop3Status(d)
	if err != nil || !ok {
		return nil, err
	}
	offers := map[string]bool{}
	for {
		line, err := d.line()
		if err != nil || line == "." {
			return offers, err
		}
		word, _, _ := strings.Cut(strings.ToUpper(line), " ")
		offers[word] = true
	}
}
