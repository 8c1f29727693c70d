package plugins

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// greeter is what check_smtp, check_imap, check_pop3, check_ftp and check_rsync have in common.
type greeter struct {
	call   *call
	slow   *slow
	proto  string // "SMTP"
	limit  int    // bytes of the server's part
	quit   string // how to take leave; empty: by hanging up
	eol    string // how lines to the server end
	port   uint16
	expect string
	enc    tlsWish
}

func newGreeter(c *call, proto string, port uint16, quit string) *greeter {
	g := &greeter{call: c, slow: slowness(c), proto: proto, limit: maxTalk, quit: quit, eol: "\r\n"}
	c.flags.Uint16VarP(&g.port, "port", "p", port, "TCP port")
	c.flags.StringVarP(&g.expect, "expect", "e", "", "this must be in the greeting")
	return g
}

// look connects, lets talk have the conversation, and judges it. What it took is the time until the last answer that
// was needed had come; taking leave is not part of it.
func (g *greeter) look(ctx context.Context, talk func(*dialogue) error) outcome {
	if err := g.enc.check(); err != nil {
		return g.call.misused(err)
	}
	if g.enc.name == "" {
		g.enc.name, _, _ = strings.Cut(g.call.host, "%") // no certificate is for a zone
	}
	conn, err := g.call.dial(ctx, g.call.host, g.port)
	if err != nil {
		return broken(err)
	}
	defer bound(ctx, conn)()
	d := &dialogue{call: g.call, proto: g.proto, limit: g.limit, eol: g.eol, enc: &g.enc}
	d.on(conn)
	err = g.converse(d, talk)
	if errors.Is(ctx.Err(), context.Canceled) {
		return unknown("interrupted while waiting for %s", d.stage)
	}
	took, perf := g.call.took()
	d.leave(ctx, g.quit)
	o := good("%s answered %s in %s", strings.ToLower(g.proto), quote(d.said), span(took))
	if err != nil {
		o = broken(err)
	} else {
		o.perf = []string{perf}
	}
	return g.judge(d, took, o)
}

func (g *greeter) converse(d *dialogue, talk func(*dialogue) error) error {
	switch {
	case g.enc.wrapped:
		if err := d.encrypt(); err != nil {
			return err
		}
	case g.enc.possible && g.port == g.enc.wrappedPort:
		d.hint = "; on this port TLS usually comes first, as with --ssl"
	}
	d.wait(aGreeting)
	if err := talk(d); err != nil {
		return err
	}
	if !strings.Contains(d.said, g.expect) {
		return fmt.Errorf("%s greeted with %s, and %s is not in it", portOf(d.conn), quote(d.said), quote(g.expect))
	}
	return nil
}

// judge adds to an outcome what was found by the way.
func (g *greeter) judge(d *dialogue, took time.Duration, o outcome) outcome {
	if o.exit == exitOK {
		for _, n := range d.notes {
			o.text += ", " + n
		}
		if len(d.warn) > 0 {
			o.exit = exitWarning
			o.text += ", but " + strings.Join(d.warn, "; ")
		}
	}
	if d.shown != nil && o.exit <= exitWarning {
		o = d.expiring(o)
	}
	return g.slow.judge(took, o)
}
