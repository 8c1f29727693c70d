package key

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

var errNoKey = errors.New("no cluster key is in force")

// authority signs certificates of one purpose.
type authority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

// An authority is valid always: from a date before there was dmonitor to the one that RFC 5280 (4.1.2.5) has for "no
// expiry". The dates and the serial are fixed because the certificate is to be the same on every node; signatures of
// Ed25519 are deterministic.
var (
	authorityFrom = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	authorityTo   = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

func newAuthority(secret []byte, label, name string) (authority, error) {
	seed, err := expand(secret, label)
	if err != nil {
		return authority{}, err
	}
	a := authority{key: ed25519.NewKeyFromSeed(seed)}
	public := a.key.Public()
	der, err := x509.CreateCertificate(nil, authorityTemplate(name, a.key, 1), authorityTemplate(name, a.key, 1), public, a.key)
	if err != nil {
		return authority{}, fmt.Errorf("make the authority: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return authority{}, fmt.Errorf("make the authority: %w", err)
	}
	return a, nil
}

// authorityTemplate is an authority under which there may be pathLen others.
func authorityTemplate(name string, key ed25519.PrivateKey, pathLen int) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, SubjectKeyId: keyID(key),
		NotBefore: authorityFrom, NotAfter: authorityTo,
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: pathLen, MaxPathLenZero: pathLen == 0,
		KeyUsage: x509.KeyUsageCertSign,
	}
}

// keyID names a public key in certificates. It is written down here because what the library fills in has changed once.
func keyID(key ed25519.PrivateKey) []byte {
	sum := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return sum[:20]
}

// A leaf is made anew when it is a day old. Clocks may be a month behind or most of a year ahead of each other before a
// foreign client refuses it; some refuse certificates that are valid for longer than 398 days.
const (
	leafBefore = 30 * 24 * time.Hour
	leafAfter  = 365 * 24 * time.Hour
	leafRenew  = 24 * time.Hour
)

// A cross certificate has the authority of the key in use signed by that of another accepted key: a client that knows only
// the other authority can follow it. It is short-lived, because while a key is changed there are also those that vouch
// for the old key by the new one, and they have to be worthless soon after the old key was removed.
const crossAfter = 3 * 24 * time.Hour

// sign makes a certificate for a public key.
func (a authority) sign(template *x509.Certificate, public ed25519.PublicKey, now time.Time) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	_, _ = rand.Read(serial)
	serial[0] &= 0x7f // RFC 5280 (4.1.2.2): positive, and at most 20 bytes
	serial[15] |= 1
	template.SerialNumber = new(big.Int).SetBytes(serial)
	template.NotBefore = latest(now.Add(-leafBefore), authorityFrom)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// leaf makes a certificate for a node. Addresses among the names are entered as such.
func (a authority) leaf(node string, names []string, public ed25519.PublicKey, now time.Time) (*x509.Certificate, error) {
	t := &x509.Certificate{
		Subject: pkix.Name{CommonName: node}, NotAfter: latest(now, authorityFrom).Add(leafAfter),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if len(names) == 0 { // a route: both of its ends show one
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	return a.sign(t, public, now)
}

// cross makes a short-lived certificate of another authority.
func (a authority) cross(other authority, now time.Time) (*x509.Certificate, error) {
	t := authorityTemplate(other.cert.Subject.CommonName, other.key, 0)
	t.NotAfter = latest(now, authorityFrom).Add(crossAfter)
	return a.sign(t, other.key.Public().(ed25519.PublicKey), now)
}
