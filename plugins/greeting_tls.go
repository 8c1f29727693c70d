package plugins

import (
	"crypto/tls"
	"crypto/x509"
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
	certDays    uint
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
	f.UintVarP(&e.certDays, "certificate", "D", 0, "warning if the certificate expires within so many days")
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
	conn := tls.Client(d.conn, &tls.Config{ServerName: e.name, InsecureSkipVerify: true}) // verified below: a bad one may do
	if err := conn.Handshake(); err != nil {
		return d.noTLS(err)
	}
	state := conn.ConnectionState()
	d.state = &state
	d.on(conn)
	d.notes = append(d.notes, tls.VersionName(state.Version))
	if e.trust.insecure {
		return nil
	}
	bad := verified(state, e.name, roots)
	if bad == nil {
		return nil
	}
	err = e.trust.explain(bad, e.name)
	if err == nil {
		err = fmt.Errorf("certificate of %s: %w", e.name, bad)
	}
	if isOwn(err) || e.must || e.wrapped {
		return err
	}
	d.warn = append(d.warn, err.Error())
	return nil
}

// verified is what crypto/tls would say of the server's certificate.
func verified(state tls.ConnectionState, name string, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name})
	return err
}

// noTLS says why there is no handshake.
func (d *dialogue) noTLS(err error) error {
	d.lost = true
	var record tls.RecordHeaderError
	var alert tls.AlertError
	said, _, _ := strings.Cut(string(d.conn.said), "\n")
	switch other := speaks(said); {
	case errors.As(err, &record) && other != "":
		return fmt.Errorf("%s does not speak TLS but %s: it said %s", portOf(d.conn), other, quote(said))
	case errors.As(err, &record):
		return fmt.Errorf("%s does not speak TLS: it said %s", portOf(d.conn), quote(said))
	case errors.As(err, &alert), strings.HasPrefix(err.Error(), "tls: "), strings.Contains(err.Error(), "remote error: tls: "):
		return fmt.Errorf("%s: no TLS with it: %w", portOf(d.conn), err)
	}
	d.conn.said = nil // it is no text
	return d.broke(err)
}

// expiring adds how long the server's certificate is still good.
func expiring(state *tls.ConnectionState, warn uint, o outcome) outcome {
	days := time.Until(state.PeerCertificates[0].NotAfter).Hours() / 24
	o.perf = append(o.perf, fmt.Sprintf("cert_days=%.1f;%d:", days, warn))
	if days < float64(warn) {
		if o.exit == exitOK {
			o.exit = exitWarning
		}
		o.text += fmt.Sprintf(", its certificate expires in %.0f days", days)
	}
	return o
}
