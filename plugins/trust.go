package plugins

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// maxNames is how many of the names in a certificate are told.
const maxNames = 3

// trust is which certificates are believed.
type trust struct {
	caFile   string // PEM; empty: the system's authorities
	insecure bool
}

// flags declares the options.
func (t *trust) flags(f *pflag.FlagSet) {
	f.StringVar(&t.caFile, "ca-file", "", "trust the certificate authorities in this PEM file instead of the system's")
	f.BoolVar(&t.insecure, "insecure", false, "don't verify the certificate")
}

func (t *trust) config() (*tls.Config, error) {
	roots, err := t.roots()
	if err != nil {
		return nil, err
	}
	return &tls.Config{InsecureSkipVerify: t.insecure, RootCAs: roots}, nil // only where --insecure says so
}

// roots returns the authorities of --ca-file, and nil if the system's count. Its errors are the node's own.
func (t *trust) roots() (*x509.CertPool, error) {
	if t.caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(t.caFile)
	if err != nil {
		return nil, own("read certificate authorities: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, own("no certificate in %s", t.caFile)
	}
	return roots, nil
}

// explain says in words what is wrong with a certificate, and returns nil if that isn't what the error is about. It is
// the node's own fault where the node has no authorities to compare with.
func (t *trust) explain(err error, host string) error {
	var (
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
		who     x509.UnknownAuthorityError
		roots   x509.SystemRootsError
		verify  *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &roots):
		return own("it has no certificate authorities to verify %s with: %w", host, err)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return untimely(invalid.Cert, host, time.Now(), ownClock())
	case errors.As(err, &name):
		return fmt.Errorf("certificate is not for %s but for %s", host, forNames(name.Certificate))
	case errors.As(err, &who):
		if t.caFile == "" && !haveRoots() {
			return own("it has no certificate authorities to verify %s with; Debian has them in the package ca-certificates", host)
		}
		return fmt.Errorf("certificate of %s is %s", host, signedBy(who.Cert))
	case errors.As(err, &verify), errors.As(err, &invalid):
		return fmt.Errorf("certificate of %s: %w", host, err)
	}
	return nil
}

// untimely says that a certificate isn't valid at this time.
func untimely(cert *x509.Certificate, host string, now time.Time, mine clockState) error {
	if now.Before(cert.NotBefore) {
		return early(fmt.Errorf("certificate of %s is not valid for another %s (from %s on)", host, days(cert.NotBefore.Sub(now)), cert.NotBefore.UTC().Format(time.RFC3339)), mine)
	}
	return fmt.Errorf("certificate of %s expired %s ago (%s)", host, days(now.Sub(cert.NotAfter)), cert.NotAfter.UTC().Format(time.RFC3339))
}

// early makes a certificate that isn't valid yet the node's own fault where nobody keeps the node's clock right: servers
// rarely show one that is too new, and a clock that is behind sees one wherever a certificate has just been renewed. One
// that has expired stays the host's fault: many virtual machines have such a clock, and it is right all the same.
func early(err error, mine clockState) error {
	if mine == clockUnsynced {
		return own("its own clock is not synchronised, and by that the %w", err)
	}
	return err
}

// days writes a span in the largest unit that fits.
func days(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	default:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
}

func forNames(cert *x509.Certificate) string {
	names := cert.DNSNames
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "no name at all (subject " + quote(cert.Subject.String()) + ")"
	case len(names) > maxNames:
		return quote(strings.Join(names[:maxNames], ", ")) + fmt.Sprintf(" and %d more", len(names)-maxNames)
	}
	return quote(strings.Join(names, ", "))
}

func signedBy(cert *x509.Certificate) string {
	switch {
	case cert == nil:
		return "signed by an unknown authority"
	case cert.Subject.String() == cert.Issuer.String():
		return "self-signed (" + quote(cert.Subject.String()) + ")"
	}
	return "signed by an authority unknown here (" + quote(cert.Issuer.String()) + ")"
}

// haveRoots tells whether this system has any certificate authority: without one every certificate looks bad.
func haveRoots() bool {
	pool, err := x509.SystemCertPool()
	return err == nil && !pool.Equal(x509.NewCertPool())
}

// handshakeFailed says why two didn't agree on how to speak TLS; empty if that isn't what the error is about.
func handshakeFailed(err error) string {
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return "it said " + quote(strings.TrimPrefix(alert.Error(), "tls: "))
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return "it said " + quote(strings.TrimPrefix(op.Err.Error(), "tls: "))
	}
	if why, ok := strings.CutPrefix(err.Error(), "tls: "); ok {
		return why
	}
	return ""
}
