//go:build mta

package mta

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// writeIdentity makes an authority and a certificate for the server's address that it signs: ca.pem, cert.pem and key.pem.
func writeIdentity(t *testing.T, dir string) {
	t.Helper()
	valid := x509.Certificate{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true}
	ca := valid
	ca.SerialNumber, ca.Subject = big.NewInt(1), pkix.Name{CommonName: "authority of the tests"}
	ca.IsCA, ca.KeyUsage = true, x509.KeyUsageCertSign
	leaf := valid
	leaf.SerialNumber, leaf.Subject, leaf.IPAddresses = big.NewInt(2), pkix.Name{CommonName: "mail.example.com"}, []net.IP{net.ParseIP(address)}
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	caKey, key := newKey(t), newKey(t)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "key.pem"), "EC PRIVATE KEY", der)
	writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", sign(t, &ca, &ca, caKey, caKey))
	writePEM(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", sign(t, &leaf, &ca, key, caKey))
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, c, by *x509.Certificate, key, byKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	rig.Write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}
