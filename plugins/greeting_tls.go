package plugins

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"
)

// tlsWish is what was asked about TLS, and what came of it.
type tlsWish struct {
	possible    bool // this protocol can have it
	wrapped     bool // from the first byte on
	wrappedPort uint16
	must, never bool // --starttls, --no-starttls
	name        string
	trust       trust
	certDays    dayBounds
}

// encrypted declares the options of a protocol that can have TLS. wrapped says that it begins at once, wrappedPort where
// it usually does; ssl and starttls are the letters of those two options, as Nagios' plugin of that name has them.
func (g *greeter) encrypted(wrapped bool, wrappedPort uint16, ssl, starttls string) {
	e, f := &g.enc, g.call.flags
	e.possible, e.wrapped, e.wrappedPort = true, wrapped, wrappedPort
	f.BoolVarP(&e.wrapped, "ssl", ssl, wrapped, "TLS from the first byte on")
	f.BoolVarP(&e.must, "starttls", starttls, false, "fail if it doesn't offer STARTTLS, or if its certificate is bad")
	f.BoolVar(&e.never, "no-starttls", false, "don't use STARTTLS even if it is offered")
	f.StringVar(&e.name, "sni", "", "name to ask for, which the certificate has to be for (default: HOST)")
	f.VarP(&e.certDays, "certificate", "D", "warning if the certificate expires within so many days; 14,7 also fails within 7")
	e.trust.flags(f)
	g.call.aliases["tls"] = "ssl" // as in Nagios' check_smtp
}

// check finds options that exclude each other.
func (e *tlsWish) check() error {
	switch {
	case e.must && e.never:
		return errors.New("only one of --starttls and --no-starttls, please")
	case e.wrapped && e.must:
		return errors.New("--starttls begins without TLS, --ssl with it: only one of them, please")
	}
	return nil
}

// upgrade asks for TLS if the server offers it and nothing speaks against that, and tells whether it is there now.
// command is how to ask; ok tells whether the server's answer, which ask returns for a refusal to be told, agrees.
func (d *dialogue) upgrade(offered bool, command string, ask func() (said string, ok bool, err error)) (bool, error) {
	e := d.enc
	switch {
	case e.wrapped, e.never:
		return false, nil
	case !offered && e.must:
		return false, fmt.Errorf("%s doesn't offer %s", portOf(d.conn), command)
	case !offered:
		d.notes = append(d.notes, "no TLS offered")
		return false, nil
	}
	said, ok, err := ask()
	switch {
	case err != nil:
		return false, err
	case !ok && e.must:
		return false, d.refused(said)
	case !ok:
		d.warn = append(d.warn, fmt.Sprintf("it offers %s and answers it with %s", command, inFull(said)))
		return false, nil
	case d.lines.Buffered() > 0:
		// What comes before the handshake may be anybody's: a client that goes on reading it as part of what is
		// encrypted would believe it.
		rest, _ := d.lines.Peek(d.lines.Buffered())
		return false, fmt.Errorf("%s goes on talking without TLS after it agreed to %s: it said %s", portOf(d.conn), command, quote(string(rest)))
	}
	return true, d.encrypt()
}

// encrypt goes on with TLS. A bad certificate is an error if TLS was asked for, and a warning if it was only offered:
// who uses it because it is there would do without it as well.
func (d *dialogue) encrypt() error {
	e := d.enc
	roots, err := e.trust.roots()
	if err != nil {
		return err
	}
	d.wait("the TLS handshake")
	conn := tls.Client(d.conn, &tls.Config{
		ServerName:         e.name,
		MinVersion:         tls.VersionTLS10, // nothing secret is said
		InsecureSkipVerify: true,             // verified below: a bad one may do
	})
	if err := conn.Handshake(); err != nil {
		return d.noTLS(err)
	}
	state := conn.ConnectionState()
	f, now := inspect(state.PeerCertificates, e.name, roots, time.Now())
	d.shown, d.left = &f, f.ends.Sub(now)
	d.on(conn)
	d.notes = append(d.notes, tls.VersionName(state.Version))
	if state.Version < tls.VersionTLS12 {
		d.warn = append(d.warn, tls.VersionName(state.Version)+" is obsolete (RFC 8996)")
	}
	if e.trust.insecure {
		return nil
	}
	wrong, err := e.wrong(f, now, ownClock())
	switch {
	case err != nil || len(wrong) == 0:
		return err
	case e.must || e.wrapped:
		return errors.New(strings.Join(wrong, "; "))
	}
	d.warn = append(d.warn, wrong...)
	return nil
}

// wrong is all that is wrong with the server's certificate. The error is this node's own.
func (e *tlsWish) wrong(f findings, now time.Time, mine clockState) (wrong []string, err error) {
	for _, bad := range []error{f.name, f.trust} {
		if bad == nil {
			continue
		}
		why := e.trust.explain(bad, e.name)
		if why == nil {
			why = fmt.Errorf("certificate of %s: %w", e.name, bad)
		}
		if isOwn(why) {
			return nil, why
		}
		wrong = append(wrong, why.Error())
	}
	switch {
	case now.Before(f.begins):
		why := early(fmt.Errorf("certificate of %s is not valid for another %s", e.name, days(f.begins.Sub(now).Round(time.Minute))), mine)
		if isOwn(why) && len(wrong) == 0 && (e.must || e.wrapped) { // else it is only a warning, which takes nothing away
			return nil, why
		}
		wrong = append(wrong, why.Error())
	case now.After(f.ends):
		wrong = append(wrong, fmt.Sprintf("certificate of %s %s", e.name, f.life(f.ends.Sub(now))))
	}
	return wrong, nil
}

// noTLS says why there is no handshake.
func (d *dialogue) noTLS(err error) error {
	d.lost = true
	at := portOf(d.conn)
	said, _, _ := strings.Cut(string(d.conn.said), "\n")
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if other := speaks(said); other != "" {
			return fmt.Errorf("%s does not speak TLS but %s: it said %s", at, other, quote(said))
		}
		return fmt.Errorf("%s does not speak TLS: it said %s", at, quote(said))
	}
	if why := handshakeFailed(err); why != "" {
		return fmt.Errorf("%s: the TLS handshake failed: %s", at, why)
	}
	d.conn.said = nil // it is no text
	return d.broke(err)
}

// expiring adds how long the server's certificate is still good.
func (d *dialogue) expiring(o outcome) outcome {
	bounds := &d.enc.certDays
	o.perf = append(o.perf, bounds.perf(d.left))
	if exit := bounds.judge(d.left); exit != exitOK {
		o.exit = max(o.exit, exit)
		if d.left > 0 || d.enc.trust.insecure { // else it was told already
			o.text += ", its certificate " + d.shown.life(d.left)
		}
	}
	return o
}
