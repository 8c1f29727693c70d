package plugins

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// certCheck is what check_cert was asked.
type certCheck struct {
	call  *call
	port  uint16
	start string // the protocol that leads to TLS; empty: TLS from the first byte on
	name  string
	trust trust
	given dayBounds // -w and -c; 0: as due has it
}

// cert is check_cert: the certificate a server shows, how long it and the chain it needs are still good, whether it is
// for the name, and whether it is trusted. Each is found out by itself, so that an expired certificate of the wrong
// authority says both.
func cert(c *call) func(context.Context) outcome {
	k := &certCheck{call: c}
	f := c.flags
	f.Uint16VarP(&k.port, "port", "p", 0, "TCP port (443, or the usual one of --starttls)")
	f.StringVar(&k.start, "starttls", "", "begin with this protocol: "+strings.Join(starttlsNames(), ", "))
	f.StringVar(&k.name, "sni", "", "name to ask for, which the certificate has to be for (default: HOST)")
	f.Float64VarP(&k.given.warn, "warning", "w", 0, "warning if it ends within so many days (default: 14, or a sixth of its life if that is less)")
	f.Float64VarP(&k.given.crit, "critical", "c", 0, "fail if it ends within so many days (default: 7, or a twelfth of its life if that is less)")
	f.StringVar(&k.trust.caFile, "ca-file", "", "trust the certificate authorities in this PEM file instead of the system's")
	f.BoolVar(&k.trust.insecure, "insecure", false, "look at its days only, not at whom it is for and who signed it")
	return k.look
}

func (k *certCheck) look(ctx context.Context) outcome {
	if err := k.check(); err != nil {
		return k.call.misused(err)
	}
	roots, err := k.trust.roots()
	if err != nil {
		return broken(err)
	}
	conn, err := k.call.dial(ctx, k.call.host, k.port)
	if err != nil {
		return broken(err)
	}
	defer bound(ctx, conn)()
	connected := time.Since(k.call.start)
	if start := starttlsOf(k.start); start.talk != nil {
		said, err := start.talk(conn)
		if refusal, ok := errors.AsType[noTLSError](err); ok {
			return fail("%s offers no TLS: %s", portOf(conn), refusal)
		}
		if err != nil {
			return k.call.broke(ctx, conn, connected, "before it agreed to TLS", said, err)
		}
	}
	certs, err := k.handshake(ctx, conn)
	if len(certs) == 0 {
		return k.noCertificate(ctx, conn, connected, err)
	}
	f, now := inspect(certs, k.name, roots, time.Now())
	return k.judge(f, now, ownClock())
}

// check fills in what wasn't given, and finds what makes no sense.
func (k *certCheck) check() error {
	start := starttlsOf(k.start)
	switch {
	case k.start != "" && start.talk == nil:
		return fmt.Errorf("--starttls %s: want one of %s", quote(k.start), strings.Join(starttlsNames(), ", "))
	case !(k.given.warn >= 0 && k.given.warn <= maxDays), !(k.given.crit >= 0 && k.given.crit <= maxDays):
		return fmt.Errorf("days: want 0 to %d", maxDays)
	case k.given.warn > 0 && k.given.crit > k.given.warn:
		return errors.New("want more days for the warning than for the fail")
	}
	if k.port == 0 {
		k.port = start.port
	}
	k.name = strings.TrimSuffix(orElse(k.name, k.call.host), ".")
	return nil
}

// handshake returns the certificates the server showed, even if the handshake failed after that: it may want one of us.
func (k *certCheck) handshake(ctx context.Context, conn net.Conn) ([]*x509.Certificate, error) {
	var shown []*x509.Certificate
	name, _, _ := strings.Cut(k.name, "%") // no zone of an address
	client := tls.Client(conn, &tls.Config{
		ServerName:         name,
		MinVersion:         tls.VersionTLS10, // nothing secret is said
		InsecureSkipVerify: true,             // inspect does that
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			for _, der := range raw {
				c, err := x509.ParseCertificate(der)
				if err != nil {
					return err
				}
				shown = append(shown, c)
			}
			return nil
		},
	})
	err := client.HandshakeContext(ctx)
	return shown, err
}

// noCertificate says why none was seen.
func (k *certCheck) noCertificate(ctx context.Context, conn net.Conn, connected time.Duration, err error) outcome {
	at := portOf(conn)
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fail("%s does not speak TLS: it said %s", at, quote(string(record.RecordHeader[:])))
	}
	if why := handshakeFailed(err); why != "" {
		return fail("%s: the TLS handshake failed: %s", at, why)
	}
	return k.call.broke(ctx, conn, connected, "before it showed a certificate", "", err)
}

// judge makes an outcome of what was found: what is wrong first, then how long it is good, and who issued it. What is wrong
// by this node's clock alone counts as far as mine says that the clock is right.
func (k *certCheck) judge(f findings, now time.Time, mine clockState) outcome {
	left := f.ends.Sub(now)
	bounds := k.given.due(f.last)
	o := outcome{exit: bounds.judge(left), perf: []string{bounds.perf(left)}}
	var wrong []string
	if !k.trust.insecure {
		for _, err := range []error{f.name, f.trust} {
			if err == nil {
				continue
			}
			why := k.trust.explain(err, k.name)
			if why == nil { // such as an extension that nobody knows, and that must be known
				why = err
			}
			if isOwn(why) {
				return broken(why)
			}
			o.exit = exitFail
			text := strings.TrimPrefix(why.Error(), "certificate ")
			text = strings.TrimPrefix(text, "of "+k.name)
			wrong = append(wrong, strings.TrimLeft(text, ": "))
		}
		if f.trust != nil && f.alone {
			wrong = append(wrong, "no other certificate came with it")
		}
	}
	if now.Before(f.begins) {
		text := "is not valid for another " + days(f.begins.Sub(now).Round(time.Minute))
		if err := early(fmt.Errorf("certificate of %s %s", k.name, text), mine); isOwn(err) && len(wrong) == 0 {
			return broken(err)
		}
		o.exit = exitFail
		wrong = append(wrong, text)
	}
	wrong = append(wrong, f.life(left))
	at := net.JoinHostPort(k.name, fmt.Sprint(k.port))
	o.text = fmt.Sprintf("certificate of %s %s, issuer %s", at, strings.Join(wrong, "; "), quote(f.leaf.Issuer.String()))
	_, perf := k.call.took()
	o.perf = append(o.perf, perf)
	return o
}

// due fills in the bounds that weren't given, for this certificate: 14 and 7 days. ACME clients renew when a third of a
// certificate's life is left, which for 90 days is 30 before the end (Let's Encrypt, "Integration Guide"), so that 14
// days left mean that renewing has failed for half of that time. For those that live shorter it is the same half: a
// sixth, and a twelfth of their life.
func (b dayBounds) due(c *x509.Certificate) dayBounds {
	life := c.NotAfter.Sub(c.NotBefore).Hours() / 24
	warn, crit := min(14, life/6), min(7, life/12)
	if b.warn == 0 {
		b.warn = max(warn, b.crit)
	}
	if b.crit == 0 {
		b.crit = min(crit, b.warn)
	}
	return b
}

// starttlsNames are what --starttls takes.
func starttlsNames() []string {
	var names []string
	for _, s := range starttlsKnown() {
		names = append(names, s.name)
	}
	return names
}

// starttlsOf returns the protocol of that name; without talk if there is none.
func starttlsOf(name string) starttls {
	all := starttlsKnown()
	if i := slices.IndexFunc(all, func(s starttls) bool { return s.name == name }); i >= 0 {
		return all[i]
	}
	return starttls{port: 443}
}
