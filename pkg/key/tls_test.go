package key

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const patience = time.Minute

// always is a source that never changes.
func always(r *Ring) Source { return func() *Ring { return r } }

// meet has two ends shake hands over a real connection, and say a word to each other: only then does a client know that
// it was accepted (TLS 1.3). The errors are those of the two ends.
func meet(t testing.TB, server, client *tls.Config) (s, c tls.ConnectionState, serr, cerr error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	end := func(conn *tls.Conn) (tls.ConnectionState, error) {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		if err := conn.Handshake(); err != nil {
			return tls.ConnectionState{}, err
		}
		if _, err := conn.Write([]byte("x")); err != nil {
			return tls.ConnectionState{}, err
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			return tls.ConnectionState{}, err
		}
		return conn.ConnectionState(), nil
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			serr = err
			return
		}
		s, serr = end(tls.Server(conn, server))
	})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if client.ServerName == "" {
		client = client.Clone()
		client.ServerName = "127.0.0.1" // as NATS does
	}
	c, cerr = end(tls.Client(conn, client))
	wait.Wait()
	return s, c, serr, cerr
}

// Two members with the same key know each other by name, whoever dials; the key that vouched is told.
func TestRoutes(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	told := map[string]int{}
	verified := func(conn net.Conn, id string) {
		mu.Lock()
		defer mu.Unlock()
		told[fmt.Sprintf("%s dialled:%v", id, conn == nil)]++
	}
	r := ringOf(t, 1)
	s, c, serr, cerr := meet(t, RouteTLS(always(r), "tokyo-1", verified), RouteTLS(always(ringOf(t, 1)), "frankfurt-1", verified))
	if serr != nil || cerr != nil {
		t.Fatal(serr, cerr)
	}
	peer, err := PeerNode(s)
	other, err2 := PeerNode(c)
	if err != nil || err2 != nil || peer != "frankfurt-1" || other != "tokyo-1" {
		t.Errorf("who is there: %q, %q, %v, %v", peer, other, err, err2)
	}
	if s.Version != tls.VersionTLS13 {
		t.Errorf("version %x", s.Version)
	}
	id := r.IDs()[0]
	if len(told) != 2 || told[id+" dialled:true"] != 1 || told[id+" dialled:false"] != 1 {
		t.Errorf("verified was told %v", told)
	}
	if _, err := PeerNode(tls.ConnectionState{}); err == nil {
		t.Error("nobody has a name")
	}
}

// stranger is somebody who would like to be a member, and what they show.
type stranger struct {
	name string
	conf *tls.Config
}

// selfMade is a certificate that somebody signed with a key of their own, if parent is nil as its own authority.
func selfMade(t *testing.T, template x509.Certificate, parent *x509.Certificate) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(5)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent = &template
	}
	der, err := x509.CreateCertificate(nil, &template, parent, public, private)
	if err != nil {
		// CreateCertificate notices that the parent isn't ours; then nothing can be shown.
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

// shows is a configuration that shows a certificate and trusts everybody.
func shows(certs ...tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: certs, InsecureSkipVerify: true}
}

func strangers(t *testing.T) []stranger {
	ours := ringOf(t, 1)
	node := x509.Certificate{
		Subject: pkix.Name{CommonName: "tokyo-1"}, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	ca := node
	ca.IsCA, ca.KeyUsage, ca.Subject = true, x509.KeyUsageCertSign, ours.RouteCAs()[0].Subject
	ca.SubjectKeyId = ours.RouteCAs()[0].SubjectKeyId
	// What any client is shown: a certificate of the other authority, with its key.
	client, err := (&shown{node: "tokyo-1", names: []string{"localhost"}, of: func(k *derived) authority { return k.clients }}).certificate(ours, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	// A certificate of the right authority that is for one direction only, or for signing others.
	public, private, _ := ed25519.GenerateKey(nil)
	oneWay, err := ours.keys[0].routes.leaf("tokyo-1", []string{"localhost"}, public, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	member, err := (&shown{node: "tokyo-1", of: func(k *derived) authority { return k.routes }}).certificate(ours, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	below, err := x509.CreateCertificate(nil, &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "tokyo-1"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: node.ExtKeyUsage,
	}, member.Leaf, public, member.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return []stranger{
		{"without a certificate", shows()},
		{"self-signed, in our name", shows(selfMade(t, node, nil))},
		{"an authority of their own in our authority's name", shows(selfMade(t, ca, nil))},
		{"a member of another cluster", RouteTLS(always(ringOf(t, 2)), "tokyo-1", nil)},
		{"with a certificate of the clients' port", shows(*client)},
		{"with a certificate of clients', beside the routes' authority", shows(tls.Certificate{
			Certificate: [][]byte{client.Certificate[0], ours.RouteCAs()[0].Raw}, PrivateKey: client.PrivateKey,
		})},
		{"with a certificate that a member signed", shows(tls.Certificate{
			Certificate: [][]byte{below, member.Certificate[0]}, PrivateKey: private,
		})},
		{"with a certificate that isn't for clients", shows(tls.Certificate{Certificate: [][]byte{oneWay.Raw}, PrivateKey: private})},
		{"with TLS 1.2", &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*member}}},
		{"a member that has no ring", RouteTLS(always(nil), "tokyo-1", nil)},
	}
}

// Nobody gets in who doesn't hold the key, whichever end dials, and a member that has none in force lets nobody in.
func TestStrangers(t *testing.T) {
	t.Parallel()
	for _, s := range strangers(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			told := func(net.Conn, string) { t.Error("was told to be verified") }
			us := RouteTLS(always(ringOf(t, 1)), "frankfurt-1", told)
			if _, _, serr, _ := meet(t, us, s.conf); serr == nil {
				t.Error("was let in")
			}
			if s.name == "with a certificate that isn't for clients" {
				return // it is for servers
			}
			if _, _, _, cerr := meet(t, s.conf, us); cerr == nil {
				t.Error("was dialled, and trusted")
			}
		})
	}
}

// A stranger reads nothing before it has shown a certificate that is good.
func TestNothingForStrangers(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = tls.Server(conn, RouteTLS(always(ringOf(t, 1)), "tokyo-1", nil)).Write([]byte("INFO secret"))
			conn.Close()
		}
	}()
	conn, err := tls.Dial("tcp", ln.Addr().String(), shows())
	if err != nil {
		return // refused in the handshake
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if n, err := conn.Read(make([]byte, 100)); n > 0 || err == nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// steps are those of a change from key 1 to key 2, as doc.go has them.
func steps(t *testing.T) []*Ring {
	return []*Ring{ringOf(t, 1), ringOf(t, 1, 2), ringOf(t, 2, 1), ringOf(t, 2)}
}

// Nodes at the same step or at two neighbouring ones understand each other, in both directions; at a greater distance
// they don't, which is why each step has to be complete before the next.
func TestKeyChangeOnRoutes(t *testing.T) {
	t.Parallel()
	all := steps(t)
	for i, a := range all {
		for j, b := range all {
			_, _, serr, cerr := meet(t, RouteTLS(always(a), "a", nil), RouteTLS(always(b), "b", nil))
			near := max(i-j, j-i) <= 1
			if fine := serr == nil && cerr == nil; fine != near {
				t.Errorf("a at step %d, b at step %d: %v, %v", i, j, serr, cerr)
			}
			if !near && !errors.Is(serr, ErrOtherKey) && !errors.Is(cerr, ErrOtherKey) {
				t.Errorf("steps %d and %d: nobody says why: %v, %v", i, j, serr, cerr)
			}
		}
	}
}

// Clients too: those that hold the key, at a neighbouring step at least, and credentials of any step that isn't over yet. Those of
// the old key go on until the old key is removed; those of the new one, made where it is in use, are good at once. The same
// holds for clients that know nothing of dmonitor.
func TestKeyChangeForClients(t *testing.T) {
	t.Parallel()
	all := steps(t)
	for i, server := range all {
		port := ClientPortTLS(always(server), "tokyo-1", nil)
		for j, client := range all {
			if _, _, serr, cerr := meet(t, port, client.DialTLS()); (serr == nil && cerr == nil) != client.Accepts(server.IDs()[0]) {
				t.Errorf("member at step %d, key holder at step %d: %v, %v", i, j, serr, cerr)
			}
			file, c, err := client.Mint("prober", "osaka-1", time.Now(), time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			creds, err := ParseCreds("f", file)
			if err != nil {
				t.Fatal(err)
			}
			good := server.Accepts(c.KeyID)
			if _, _, serr, cerr := meet(t, port, creds.TLS()); (serr == nil && cerr == nil) != good {
				t.Errorf("member at step %d, credentials of step %d: %v, %v", i, j, serr, cerr)
			}
			if _, _, serr, cerr := meet(t, port, foreign(t, file, "localhost")); (serr == nil && cerr == nil) != good {
				t.Errorf("member at step %d, somebody else's client with credentials of step %d: %v, %v", i, j, serr, cerr)
			}
			if _, err := present(t, server, creds); (err == nil) != good {
				t.Errorf("member at step %d, credentials of step %d: %v", i, j, err)
			}
		}
	}
}

// foreign is a client that was given the file as its authorities, and knows a server by its name.
func foreign(t *testing.T, file []byte, name string) *tls.Config {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(file) {
		t.Fatalf("no certificate in\n%s", file)
	}
	return &tls.Config{RootCAs: roots, ServerName: name}
}

// A foreign client knows a member by the names it was given, and always by its usual ones.
func TestNames(t *testing.T) {
	t.Parallel()
	r := ringOf(t, 1)
	file, _, err := r.Mint("reader", "grafana", time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	port := ClientPortTLS(always(r), "tokyo-1", []string{"tokyo.example.com", "192.0.2.7", "2001:db8::7", "localhost"})
	for name, want := range map[string]bool{
		"dmonitor": true, "localhost": true, "127.0.0.1": true, "::1": true,
		"tokyo.example.com": true, "192.0.2.7": true, "2001:db8::7": true,
		"frankfurt.example.com": false, "192.0.2.8": false,
	} {
		if _, _, serr, cerr := meet(t, port, foreign(t, file, name)); (serr == nil && cerr == nil) != want {
			t.Errorf("%s: %v, %v", name, serr, cerr)
		}
	}
}

// A member's own certificate is of no use on the clients' port, nor that of another cluster.
func TestFalseClientPort(t *testing.T) {
	t.Parallel()
	r := ringOf(t, 1)
	file, _, err := r.Mint("prober", "osaka-1", time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	creds, err := ParseCreds("f", file)
	if err != nil {
		t.Fatal(err)
	}
	member, err := (&shown{node: "tokyo-1", of: func(k *derived) authority { return k.routes }}).certificate(r, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, server := range map[string]*tls.Config{
		"a route's certificate":   shows(*member),
		"another cluster":         ClientPortTLS(always(ringOf(t, 2)), "tokyo-1", nil),
		"a certificate of nobody": shows(selfMade(t, x509.Certificate{Subject: pkix.Name{CommonName: "dmonitor"}, DNSNames: []string{"dmonitor"}}, nil)),
	} {
		for who, client := range map[string]*tls.Config{"credentials": creds.TLS(), "a key holder": r.DialTLS()} {
			if _, _, _, cerr := meet(t, server, client); !errors.Is(cerr, ErrOtherKey) {
				t.Errorf("%s, shown to %s: %v", name, who, cerr)
			}
		}
	}
}

// A removed key lets nobody in from that moment on, also not one who was there before and would like to resume.
func TestRemovedKey(t *testing.T) {
	t.Parallel()
	var now atomic.Pointer[Ring]
	now.Store(ringOf(t, 1, 2))
	server := RouteTLS(now.Load, "tokyo-1", nil)
	port := ClientPortTLS(now.Load, "tokyo-1", nil)
	peer := RouteTLS(always(ringOf(t, 2, 1)), "frankfurt-1", nil)
	peer.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	client := ringOf(t, 1).DialTLS()
	client.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	for range 2 {
		for _, pair := range [][2]*tls.Config{{server, peer}, {port, client}} {
			s, c, serr, cerr := meet(t, pair[0], pair[1])
			if serr != nil || cerr != nil {
				t.Fatal(serr, cerr)
			}
			if s.DidResume || c.DidResume {
				t.Error("resumed: what was verified then is not what is accepted now")
			}
		}
	}
	now.Store(ringOf(t, 1))
	if _, _, serr, cerr := meet(t, server, peer); serr == nil && cerr == nil {
		t.Error("let in by a key that was removed")
	}
	now.Store(ringOf(t, 2))
	if _, _, serr, cerr := meet(t, port, client); serr == nil && cerr == nil {
		t.Error("trusted by one who knows the removed key only")
	}
	if _, _, serr, cerr := meet(t, server, peer); serr != nil || cerr != nil {
		t.Errorf("and the key that is in force now: %v, %v", serr, cerr)
	}
}

// Clocks: members don't mind; a foreign client does, but not for weeks.
func TestClocks(t *testing.T) {
	t.Parallel()
	r := ringOf(t, 1, 2)
	real := time.Now()
	for name, off := range map[string]time.Duration{
		"in 1970": real.Sub(time.Unix(0, 0)) * -1, "a year behind": -365 * 24 * time.Hour, "hours behind": -5 * time.Hour,
		"hours ahead": 5 * time.Hour, "a century ahead": 100 * 365 * 24 * time.Hour,
	} {
		c := &shown{node: "tokyo-1", of: func(k *derived) authority { return k.routes }}
		cert, err := c.certificate(r, real.Add(off))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		us := RouteTLS(always(r), "frankfurt-1", nil)
		if _, _, serr, cerr := meet(t, us, shows(*cert)); serr != nil || cerr != nil {
			t.Errorf("dialled by a member whose clock is %s: %v, %v", name, serr, cerr)
		}
	}
	file, _, err := ringOf(t, 2).Mint("reader", "grafana", real, time.Time{}) // has to follow the cross certificate
	if err != nil {
		t.Fatal(err)
	}
	for off, want := range map[time.Duration]bool{
		0: true, -47 * time.Hour: true, 47 * time.Hour: true, 29 * 24 * time.Hour: true, 31 * 24 * time.Hour: false, -10 * 24 * time.Hour: false,
	} {
		// As old as it ever gets.
		c := &shown{node: "tokyo-1", names: []string{"localhost"}, of: func(k *derived) authority { return k.clients }}
		cert, err := c.certificate(r, real.Add(off-leafRenew))
		if err != nil {
			t.Fatal(err)
		}
		if off > 24*time.Hour { // made by a clock that is ahead: at its youngest it is worst
			c = &shown{node: "tokyo-1", names: []string{"localhost"}, of: func(k *derived) authority { return k.clients }}
			if cert, err = c.certificate(r, real.Add(off)); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, serr, cerr := meet(t, shows(*cert), foreign(t, file, "localhost")); (serr == nil && cerr == nil) != want {
			t.Errorf("a member whose clock is off by %v: %v, %v", off, serr, cerr)
		}
	}
}

// A process that runs for years always shows a fresh certificate; otherwise one is made once.
func TestRenewal(t *testing.T) {
	t.Parallel()
	r := ringOf(t, 1)
	c := &shown{node: "tokyo-1", of: func(k *derived) authority { return k.routes }}
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	var last *tls.Certificate
	for _, step := range []struct {
		name  string
		after time.Duration
		ring  *Ring
		fresh bool
	}{
		{"the first", 0, r, true},
		{"a moment later", time.Second, r, false},
		{"shortly before it is a day old", leafRenew - 2*time.Second, r, false},
		{"a day old", time.Second, r, true},
		{"ten years later", 10 * 365 * 24 * time.Hour, r, true},
		{"the clock is put back", -time.Hour, r, true},
		{"the same key, read again", time.Second, ringOf(t, 1), true},
		{"another key", time.Second, ringOf(t, 2), true},
	} {
		now = now.Add(step.after)
		got, err := c.certificate(step.ring, now)
		if err != nil {
			t.Fatal(err)
		}
		if (got != last) != step.fresh {
			t.Errorf("%s: made anew: %v", step.name, got != last)
		}
		if left := got.Leaf.NotAfter.Sub(now); left < leafAfter-leafRenew || got.Leaf.NotAfter.Sub(got.Leaf.NotBefore) > 398*24*time.Hour {
			t.Errorf("%s: valid for %v", step.name, left)
		}
		last = got
	}
	if _, err := c.certificate(nil, now); !errors.Is(err, errNoKey) {
		t.Errorf("without a ring: %v", err)
	}
}

// Many handshakes at once, while the keys change.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	rings := []*Ring{ringOf(t, 1, 2), ringOf(t, 2, 1)}
	var n atomic.Int64
	source := func() *Ring { return rings[n.Add(1)%2] }
	server, client := RouteTLS(source, "a", nil), RouteTLS(source, "b", nil)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, _, serr, cerr := meet(t, server, client); serr != nil || cerr != nil {
				t.Error(serr, cerr)
			}
		})
	}
	wait.Wait()
}

// Nothing that is printed has a key in it.
func TestNothingSecretIsPrinted(t *testing.T) {
	t.Parallel()
	r := ringOf(t, 1, 2)
	file, c, err := r.Mint("operator", "ann", time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	creds, err := ParseCreds("f", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{r, c, creds, *creds} {
			got := fmt.Sprintf(format, v)
			for _, secret := range [][]byte{creds.seed, r.keys[0].routes.key, r.keys[0].clients.key, secretOf(1)} {
				if strings.Contains(got, string(secret)) || strings.Contains(got, asNumbers(secret[:8])) {
					t.Errorf("%s of %T: %s", format, v, got)
				}
			}
		}
	}
}

// asNumbers is how a part of a list of bytes is printed.
func asNumbers(b []byte) string {
	var out []string
	for _, c := range b {
		out = append(out, strconv.Itoa(int(c)))
	}
	return strings.Join(out, " ")
}
