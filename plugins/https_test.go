package plugins

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for the tests; its own stands in a PEM file.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{key: newKey(t), file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert = sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Test Authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour),
	}, nil, a.key, a.key)
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	if err := os.WriteFile(a.file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// serveTLS starts the site with a certificate for the names, valid from and to so long from now, and returns its port.
func (a *authority) serveTLS(t *testing.T, from, to time.Duration, selfSigned bool, names ...string) string {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "site"}, NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to)}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	parent, by := a.cert, a.key
	if selfSigned {
		parent, by = nil, key
	}
	cert := sign(t, template, parent, key, by)
	srv := httptest.NewUnstartedServer(site())
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = quiet
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return portOfURL(t, srv.URL)
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	const hour = time.Hour
	fine := ca.serveTLS(t, -hour, 72*hour, false, "127.0.0.1", "vhost.example")
	plain := httptest.NewServer(site())
	t.Cleanup(plain.Close)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mine := "--ca-file " + ca.file
	cases := []struct {
		rule string
		args string
		exit int
		want string
	}{
		{"a good certificate is ok", mine + " -p " + fine, exitWarning, `https://127.0.0.1:` + fine + ` answered "404 Not Found"`},
		{"and the page too", mine + " -u /200 -p " + fine, exitOK, `"200 OK" in `},
		{"the days left are kept", mine + " -u /200 -p " + fine, exitOK, ` cert_days=3.0;0:`},
		{"few days left are a warning if asked for", mine + " -C 14 -u /200 -p " + fine, exitWarning, `its certificate expires in 3 days`},
		{"check_http -S is the same", mine + " -u /200 -p " + fine, exitOK, `"200 OK" in `},
		{"the name counts, not the address", mine + " -H vhost.example -I 127.0.0.1 -u /200 -p " + fine, exitOK, "https://vhost.example:"},
		{"expired", mine + " -p " + ca.serveTLS(t, -96*hour, -73*hour, false, "127.0.0.1"), exitFail, "certificate of 127.0.0.1 expired 3 days ago ("},
		{"not yet valid", mine + " -p " + ca.serveTLS(t, 5*hour+time.Minute, 9*hour, false, "127.0.0.1"), earlyExit(), "is not valid for another 5 hours (from "},
		{"for another name", mine + " -p " + ca.serveTLS(t, -hour, hour, false, "a.example", "b.example"), exitFail, `is not for 127.0.0.1 but for "a.example, b.example"`},
		{"for many other names", mine + " -p " + ca.serveTLS(t, -hour, hour, false, "a.example", "b.example", "c.example", "d.example"), exitFail, `and 1 more`},
		{"for no name", mine + " -p " + ca.serveTLS(t, -hour, hour, false), exitFail, `no name at all`},
		{"self-signed", mine + " -p " + ca.serveTLS(t, -hour, hour, true, "127.0.0.1"), exitFail, `is self-signed ("CN=site")`},
		{"signed by somebody else", "-p " + fine, exitFail, `signed by an authority unknown here ("CN=Test Authority")`},
		{"--insecure takes it anyway", "--insecure -u /200 -p " + fine, exitOK, "200 OK"},
		{"authorities that can't be read", "--ca-file /nonexistent -p " + fine, exitUnknown, "this node can't tell: read certificate authorities"},
		{"authorities that are none", "--ca-file " + empty + " -p " + fine, exitUnknown, "no certificate in"},
		{"plain HTTP", "-p " + portOfURL(t, plain.URL), exitFail, "does not speak TLS but plain HTTP"},
		{"another protocol", "-p " + serve(t, says("SSH-2.0-OpenSSH\r\n")), exitFail, `does not speak TLS: it said "SSH-2"`},
		{"silence", "-t 2 -p " + serve(t, silent), exitFail, "no sign of the TLS handshake within"},
		{"hanging up", "-p " + serve(t, heard), exitFail, "closed the connection instead of the TLS handshake"},
		{"a reset", "-p " + serve(t, heardReset), exitFail, "connection reset by peer"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			name := "check_https"
			args := strings.Fields(c.args)
			if strings.Contains(c.rule, "-S") {
				name, args = "check_http", append(args, "-S")
			}
			exit, out := try(t, map[string]string{"DMONITOR_HOST": "127.0.0.1"}, name, args...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
}

// A node without any certificate authority would find every certificate bad: that is its own fault.
func TestNoAuthoritiesHere(t *testing.T) {
	t.Parallel()
	if !haveRoots() {
		t.Fatal("this machine has no certificate authorities; install ca-certificates")
	}
	roots := x509.SystemRootsError{}
	if err := new(trust).explain(roots, "x.example"); !isOwn(err) {
		t.Errorf("explain(%v) = %v, want the node's own fault", roots, err)
	}
}
