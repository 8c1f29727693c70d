package plugins

import (
	"context"
	"fmt"
	"strings"
)

// The ports of FTP: RFC 959, and what IANA has for TLS from the first byte on.
const (
	ftpPort  = 21
	ftpsPort = 990
)

// ftp is check_ftp: the server must greet. It does not log in.
func ftp(c *call) func(context.Context) outcome {
	g := newGreeter(c, "FTP", ftpPort, "QUIT")
	g.encrypted(false, ftpsPort, "S", "")
	return func(ctx context.Context) outcome { return g.look(ctx, ftpTalk) }
}

// ftpTalk is the conversation: RFC 959, RFC 2389 for FEAT and RFC 4217 for AUTH TLS.
func ftpTalk(d *dialogue) error {
	hi, err := d.reply()
	if err == nil && hi.code == 120 { // "ready in some minutes": the greeting itself is still to come
		hi, err = d.reply()
	}
	if err != nil {
		return err
	}
	d.said = hi.String()
	if hi.code != 220 {
		return d.refused(d.said)
	}
	features, err := d.ask("FEAT")
	if err == nil && features.code/100 == 5 { // An old server, one that wants a login first, or one for mail.
		err = ftpNoop(d)
	}
	if err != nil {
		return err
	}
	offered := false
	for _, line := range features.lines {
		words := strings.FieldsFunc(strings.ToUpper(line), func(r rune) bool { return r == ' ' || r == ';' })
		if len(words) > 1 && words[0] == "AUTH" {
			for _, w := range words[1:] {
				offered = offered || w == "TLS" || w == "SSL" // one command for both, RFC 4217, appendix A
			}
		}
	}
	encrypted, err := d.upgrade(offered && features.code == 211, "AUTH TLS", func() (string, bool, error) {
		r, err := d.ask("AUTH TLS")
		return r.String(), r.code == 234, err
	})
	if err == nil && encrypted {
		err = ftpNoop(d)
	}
	return err
}

// ftpNoop asks for nothing. Whatever the answer is, the server is there; but 250 isn't among those of RFC 959, section 5.4:
// that is how mail servers say it, which greet in the same way.
func ftpNoop(d *dialogue) error {
	r, err := d.ask("NOOP")
	if err == nil && r.code == 250 && speaks(d.said) != d.proto {
		return fmt.Errorf("%s is not FTP but SMTP: it said %s, and to NOOP %s", portOf(d.conn), quote(d.said), quote(r.String()))
	}
	return err
}
