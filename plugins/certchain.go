package plugins

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// maxShown is how many certificates of a server are looked at.
const maxShown = 20

// findings are what is known about the certificates a server showed. Each stands for itself.
type findings struct {
	leaf, last   *x509.Certificate // the server's own; the one of its chain that ends first
	begins, ends time.Time         // the whole chain is valid from and to
	name         error             // it is for another name
	trust        error             // its chain leads to no authority that is trusted
	alone        bool              // no other certificate came with it
}

// inspect looks at the certificates a server showed, its own first. If they lead to trusted authorities on several ways,
// the one that holds longest counts, as clients look for any that holds.
func inspect(certs []*x509.Certificate, name string, roots *x509.CertPool, now time.Time) (findings, time.Time) {
	certs = certs[:min(len(certs), maxShown)]
	leaf := certs[0]
	f := findings{leaf: leaf, alone: len(certs) == 1, name: leaf.VerifyHostname(name)}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	at := now
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		at = leaf.NotAfter // whether it would be trusted is another matter than whether it is valid today
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at})
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		f.hold(append(sentChain(certs), invalid.Cert)) // one of the others isn't valid today
		return f, now
	case err != nil:
		f.trust = err
		f.hold(sentChain(certs))
		return f, now
	}
	for _, chain := range chains {
		other := f
		other.hold(chain)
		if other.ends.After(f.ends) {
			f = other
		}
	}
	return f, now
}

// hold notes how long all certificates of a chain are valid.
func (f *findings) hold(chain []*x509.Certificate) {
	f.last, f.begins, f.ends = chain[0], chain[0].NotBefore, chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(f.ends) {
			f.last, f.ends = c, c.NotAfter
		}
		if c.NotBefore.After(f.begins) {
			f.begins = c.NotBefore
		}
	}
}

// sentChain is the way from the server's own certificate up, as far as the server showed it.
func sentChain(certs []*x509.Certificate) []*x509.Certificate {
	chain := certs[:1:1]
	for range certs {
		last := chain[len(chain)-1]
		for _, c := range certs[1:] {
			if c != last && string(c.RawSubject) == string(last.RawIssuer) && last.CheckSignatureFrom(c) == nil {
				chain = append(chain, c)
				break
			}
		}
		if chain[len(chain)-1] == last {
			break
		}
	}
	return chain
}

// life says how long it is, or was, valid.
func (f *findings) life(left time.Duration) string {
	day := f.ends.UTC().Format(time.DateOnly)
	whose := ""
	if f.last != f.leaf {
		whose = "has an authority, " + quote(f.last.Subject.String()) + ", whose certificate "
	}
	if left < 0 {
		return fmt.Sprintf("%sexpired %s ago (%s)", whose, days(-left), day)
	}
	return fmt.Sprintf("%sexpires in %s (%s)", whose, days(left.Round(time.Minute)), day)
}
