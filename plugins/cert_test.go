package plugins

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"strings"
	"testing"
	"time"
)

// issued is a certificate with its key and what it was made of.
type issued struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

const day = 24 * time.Hour

// issue makes a certificate that was given out so long ago and ends in so long, signed by the parent.
func issue(t *testing.T, parent issued, name string, ca bool, since, until time.Duration) issued {
	t.Helper()
	key := newKey(t)
	now := time.Now()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-since), NotAfter: now.Add(until), IsCA: ca, BasicConstraintsValid: ca}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else if !ca {
		template.DNSNames = []string{name}
	}
	by := parent
	if by.cert == nil {
		by = issued{template, key}
	}
	return issued{sign(t, template, by.cert, key, by.key), key}
}

// shows starts a server that begins with talk and then shows the certificates over TLS, and returns its port.
func shows(t *testing.T, talk func(net.Conn), first issued, others ...issued) string {
	t.Helper()
	chain := [][]byte{first.cert.Raw}
	for _, o := range others {
		chain = append(chain, o.cert.Raw)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: first.key}}}
	return serve(t, func(c net.Conn) {
		if talk != nil {
			talk(c)
		}
		s := tls.Server(c, conf)
		_ = s.Handshake() // the other side says what came of it
		silent(c)
	})
}

func TestCert(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	root := issued{ca.cert, ca.key} // ends in 10 days, as made there
	const ip = "127.0.0.1"
	good := issue(t, root, ip, false, 80*day, 9*day)
	middle := issue(t, root, "Middle CA", true, 300*day, 5*day)
	gone := issue(t, root, "Gone CA", true, 300*day, -2*day)
	long := issue(t, middle, ip, false, day, 60*day)
	cases := []struct {
		rule string
		port string
		args string
		exit int
		want string
	}{
		{"few days left", shows(t, nil, good), "", exitWarning, `certificate of 127.0.0.1:`},
		{"how many, until when and by whom", shows(t, nil, good), "", exitWarning, ` expires in 9 days (` + good.cert.NotAfter.UTC().Format(time.DateOnly) + `), issuer "CN=Test Authority" | cert_days=9.0;14:;7: time=`},
		{"enough days left", shows(t, nil, good), "-w 8 -c 2", exitOK, "cert_days=9.0;8:;2:"},
		{"too few", shows(t, nil, good), "-w 20 -c 10", exitFail, "cert_days=9.0;20:;10:"},
		{"a bound for the warning alone", shows(t, nil, good), "-w 5", exitOK, "cert_days=9.0;5:;5:"},
		{"a bound for the fail alone", shows(t, nil, good), "-c 20", exitFail, "cert_days=9.0;20:;20:"},
		{"bounds the wrong way round", "1", "-w 5 -c 6", exitUnknown, "want more days for the warning"},
		{"no number of days", "1", "-w NaN", exitUnknown, "want 0 to 36500"},
		{"a short life has short bounds", shows(t, nil, issue(t, root, ip, false, 4*day, 2*day)), "", exitOK, "cert_days=2.0;1"},
		{"and ends", shows(t, nil, issue(t, root, ip, false, 6*day, 6*time.Hour)), "", exitFail, "expires in 6 hours"},
		{"expired", shows(t, nil, issue(t, root, ip, false, 80*day, -73*time.Hour)), "", exitFail, "expired 3 days ago ("},
		{"not yet valid", shows(t, nil, issue(t, root, ip, false, -5*time.Hour, 8*day)), "", earlyExit(), "is not valid for another 5 hours"},
		{"for another name", shows(t, nil, issue(t, root, "a.example", false, day, 9*day)), "", exitFail, `is not for 127.0.0.1 but for "a.example"; expires in 9 days`},
		{"expired, and for another name", shows(t, nil, issue(t, root, "a.example", false, 9*day, -3*day)), "", exitFail, `is not for 127.0.0.1 but for "a.example"; expired `},
		{"another name is what is wanted", shows(t, nil, issue(t, root, "a.example", false, day, 9*day)), "--sni a.example -w 8", exitOK, "certificate of a.example:"},
		{"self-signed", shows(t, nil, issue(t, issued{}, ip, false, day, 90*day)), "", exitFail, `is self-signed ("CN=127.0.0.1"); no other certificate came with it; expires in`},
		{"self-signed and expired", shows(t, nil, issue(t, issued{}, ip, false, 9*day, -3*day)), "", exitFail, `is self-signed ("CN=127.0.0.1"); no other certificate came with it; expired`},
		{"self-signed is no matter with --insecure", shows(t, nil, issue(t, issued{}, ip, false, day, 90*day)), "--insecure", exitOK, "expires in 90 days"},
		{"but its end is", shows(t, nil, issue(t, issued{}, ip, false, 9*day, -3*day)), "--insecure", exitFail, "expired 3 days ago"},
		{"an authority of the chain ends sooner", shows(t, nil, long, middle), "", exitFail, `has an authority, "CN=Middle CA", whose certificate expires in 5 days`},
		{"with --insecure as well", shows(t, nil, long, middle), "--insecure", exitFail, `whose certificate expires in 5 days`},
		{"an authority of the chain has ended", shows(t, nil, issue(t, gone, ip, false, day, 60*day), gone), "", exitFail, `has an authority, "CN=Gone CA", whose certificate expired 2 days ago`},
		{"the authority doesn't come with it", shows(t, nil, long), "", exitFail, `signed by an authority unknown here ("CN=Middle CA"); no other certificate came with it`},
		{"another's certificate beside it changes nothing", shows(t, nil, good, gone, middle), "-w 8 -c 2", exitOK, "expires in 9 days"},
		{"plain text", serve(t, says("220 hello\r\n")), "", exitFail, `does not speak TLS: it said "220 h"`},
		{"silence", serve(t, silent), "-t 2", exitFail, "before it showed a certificate: silence for"},
		{"hanging up", serve(t, heard), "", exitFail, "before it showed a certificate: it closed the connection"},
		{"a closed port", closedPort(t), "", exitFail, "connection refused"},
		{"a protocol nobody knows", "1", "--starttls gopher", exitUnknown, "want one of smtp, imap"},
		{"authorities that can't be read", "1", "--ca-file /nonexistent", exitUnknown, "this node can't tell"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			args := []string{ip, "-p", c.port}
			if !strings.Contains(c.args, "--ca-file") {
				args = append(args, "--ca-file", ca.file)
			}
			exit, out := try(t, nil, "check_cert", append(args, strings.Fields(c.args)...)...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
}

// If there are several ways to trusted authorities, the one that holds longest counts.
func TestCertWays(t *testing.T) {
	t.Parallel()
	old := issue(t, issued{}, "Root", true, 900*day, 3*day)
	fresh := issue(t, issued{}, "New Root", true, 90*day, 900*day)
	key := newKey(t)
	between := func(by issued, until time.Duration) *x509.Certificate {
		return sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Between"}, NotBefore: time.Now().Add(-day), NotAfter: time.Now().Add(until), IsCA: true, BasicConstraintsValid: true}, by.cert, key, by.key)
	}
	one, two := between(old, 3*day), between(fresh, 500*day)
	leaf := issue(t, issued{two, key}, "a.example", false, day, 60*day)
	roots := x509.NewCertPool()
	roots.AddCert(old.cert)
	roots.AddCert(fresh.cert)
	f, now := inspect([]*x509.Certificate{leaf.cert, one, two}, "a.example", roots, time.Now())
	if f.trust != nil || f.name != nil || f.last != leaf.cert || f.ends.Sub(now) < 59*day {
		t.Errorf("%+v, want the leaf's own end in 60 days", f)
	}
	f, _ = inspect([]*x509.Certificate{leaf.cert, one}, "a.example", roots, time.Now())
	if f.trust != nil || f.last == leaf.cert || f.ends.Sub(now) > 4*day {
		t.Errorf("%+v, want the old way's end in 3 days", f)
	}
}

// What a certificate is refused for without a word of ours, an extension that must be known and isn't, is said all the same.
func TestUnknownReason(t *testing.T) {
	leaf := issue(t, issued{}, "127.0.0.1", false, day, 90*day).cert
	k := &certCheck{call: &call{start: time.Now()}, name: "127.0.0.1", port: 443}
	o := k.judge(findings{leaf: leaf, last: leaf, begins: leaf.NotBefore, ends: leaf.NotAfter, trust: x509.UnhandledCriticalExtension{}}, time.Now(), clockSynced)
	if o.exit != exitFail || !strings.Contains(o.text, "unhandled critical extension") {
		t.Errorf("%d %s", o.exit, o.text)
	}
}
