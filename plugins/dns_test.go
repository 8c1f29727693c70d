package plugins

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is a DNS server for tests: names, and how to answer them.
type zone func(q dnsmessage.Message, tcp bool) (answers []dnsmessage.Message)

// serveDNS answers on 127.0.0.1 over UDP and TCP until the test ends, and returns the port.
func serveDNS(t *testing.T, answer zone) string {
	t.Helper()
	port := serve(t, func(c net.Conn) {
		var n [2]byte
		if _, err := io.ReadFull(c, n[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(n[:]))
		_, _ = io.ReadFull(c, b)
		for _, a := range replies(b, true, answer) {
			_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
		}
	})
	pc, err := net.ListenPacket("udp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { pc.Close(); all.Wait() })
	all.Go(func() {
		b := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			for _, a := range replies(b[:n], false, answer) {
				_, _ = pc.WriteTo(a, from)
			}
		}
	})
	return port
}

func replies(b []byte, tcp bool, answer zone) [][]byte {
	var q dnsmessage.Message
	if q.Unpack(b) != nil {
		return nil
	}
	var all [][]byte
	for _, a := range answer(q, tcp) {
		packed, err := a.Pack()
		if err != nil {
			packed = []byte(err.Error())
		}
		all = append(all, packed)
	}
	return all
}

func dnsName(s string) dnsmessage.Name { return dnsmessage.MustNewName(s) }

func rr(typ dnsmessage.Type, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsName("x.example."), Type: typ, Class: dnsmessage.ClassINET, TTL: 60}, Body: body}
}

// answersOf are the answers of the tests' server, by the first label of the name.
func answersOf(q dnsmessage.Message, tcp bool) []dnsmessage.Message {
	a := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true}, Questions: q.Questions}
	one := func(records ...dnsmessage.Resource) []dnsmessage.Message {
		a.Answers = records
		return []dnsmessage.Message{a}
	}
	failing := func(code dnsmessage.RCode, extra ...dnsmessage.Resource) []dnsmessage.Message {
		a.RCode, a.Additionals = code, extra
		return []dnsmessage.Message{a}
	}
	v4 := func(last byte) dnsmessage.Resource {
		return rr(dnsmessage.TypeA, &dnsmessage.AResource{A: [4]byte{192, 0, 2, last}})
	}
	signed := func(until time.Duration) dnsmessage.Resource {
		b := make([]byte, 18, 40)
		now := time.Now()
		binary.BigEndian.PutUint16(b, uint16(dnsmessage.TypeA))
		binary.BigEndian.PutUint32(b[8:], uint32(now.Add(until).Unix()))
		binary.BigEndian.PutUint32(b[12:], uint32(now.Add(-90*day).Unix()))
		return rr(typeRRSIG, &dnsmessage.UnknownResource{Type: typeRRSIG, Data: append(b, 0, 1, 2, 3)})
	}
	name := q.Questions[0].Name.String()
	label, _, _ := strings.Cut(name, ".")
	switch q.Questions[0].Type {
	case dnsmessage.TypeMX:
		return one(rr(dnsmessage.TypeMX, &dnsmessage.MXResource{Pref: 10, MX: dnsName("Mail.x.example.")}))
	case dnsmessage.TypeTXT:
		return one(rr(dnsmessage.TypeTXT, &dnsmessage.TXTResource{TXT: []string{"v=spf1 ", "\x1b[31m|-all"}}))
	case dnsmessage.TypeSOA:
		return one(rr(dnsmessage.TypeSOA, &dnsmessage.SOAResource{NS: dnsName("ns1."), MBox: dnsName("hostmaster."), Serial: 2026112201}))
	case dnsmessage.TypeSRV:
		return one(rr(dnsmessage.TypeSRV, &dnsmessage.SRVResource{Priority: 1, Weight: 2, Port: 389, Target: dnsName("dc.x.example.")}))
	case dnsmessage.TypePTR:
		return one(rr(dnsmessage.TypePTR, &dnsmessage.PTRResource{PTR: dnsName("host.x.example.")}))
	case dnsmessage.TypeAAAA:
		return one(rr(dnsmessage.TypeAAAA, &dnsmessage.AAAAResource{AAAA: [16]byte{0x20, 1, 0xd, 0xb8, 15: 7}}))
	case typeCAA:
		return one(rr(typeCAA, &dnsmessage.UnknownResource{Type: typeCAA, Data: []byte("\x00\x05issueca.example")}))
	case dnsmessage.TypeNS:
		var all []dnsmessage.Resource
		for _, l := range "abcde" {
			all = append(all, rr(dnsmessage.TypeNS, &dnsmessage.NSResource{NS: dnsName(string(l) + ".root-servers.net.")}))
		}
		return one(all...)
	}
	switch label {
	case "www":
		return one(rr(dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: dnsName("web.x.example.")}), v4(2), v4(1))
	case "cname":
		return one(rr(dnsmessage.TypeCNAME, &dnsmessage.CNAMEResource{CNAME: dnsName("gone.x.example.")}))
	case "empty":
		return one()
	case "lame":
		a.RecursionAvailable = false
		return one()
	case "nx":
		return failing(dnsmessage.RCodeNameError)
	case "servfail":
		opt := dnsmessage.OPTResource{Options: []dnsmessage.Option{{Code: 15, Data: []byte("\x00\x07two weeks ago")}}}
		return failing(dnsmessage.RCodeServerFailure, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsName("."), Type: dnsmessage.TypeOPT, Class: 1232}, Body: &opt})
	case "refused":
		return failing(dnsmessage.RCodeRefused)
	case "strange":
		return failing(dnsmessage.RCode(13))
	case "old":
		if len(q.Additionals) > 0 {
			a.Questions = nil
			return failing(dnsmessage.RCodeFormatError)
		}
		return one(v4(9))
	case "long":
		if !tcp {
			a.Truncated = true
			return one()
		}
		return one(v4(3))
	case "auth":
		a.Authoritative = true
		return one(v4(4))
	case "norec":
		if q.RecursionDesired {
			return failing(dnsmessage.RCodeRefused)
		}
		return one(v4(5))
	case "valid":
		a.AuthenticData = len(q.Additionals) > 0 && q.Additionals[0].Header.DNSSECAllowed()
		return one(v4(6))
	case "signed":
		a.Authoritative = true
		return one(v4(7), signed(9*day+time.Hour))
	case "expired":
		a.Authoritative = true
		return one(v4(7), signed(-3*day))
	case "liar": // what others say doesn't count
		other := a
		other.ID++
		third := a
		third.Questions = []dnsmessage.Question{{Name: dnsName("y.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
		a.Answers = []dnsmessage.Resource{v4(8)}
		return []dnsmessage.Message{other, third, a}
	case "wrong":
		a.ID++
		return one(v4(8))
	case "hangup":
		return nil
	}
	return failing(dnsmessage.RCodeNameError)
}

func TestDNS(t *testing.T) {
	t.Parallel()
	port := serveDNS(t, answersOf)
	onlyRefuses := serveDNS(t, func(q dnsmessage.Message, _ bool) []dnsmessage.Message {
		return []dnsmessage.Message{{Header: dnsmessage.Header{ID: q.ID, Response: true, RCode: dnsmessage.RCodeRefused}, Questions: q.Questions}}
	})
	cases := []struct {
		rule string
		args string
		exit int
		want string
	}{
		{"the root's servers", "", exitOK, `127.0.0.1 answered . NS: a.root-servers.net., b.root-servers.net., c.root-servers.net. and 2 more in `},
		{"who serves its own names only is up", "-p " + onlyRefuses, exitOK, "127.0.0.1 answered: it won't say . NS"},
		{"but not if it was asked for one", "-p " + onlyRefuses + " -l www.x.example", exitFail, "127.0.0.1 won't answer www.x.example. A: REFUSED"},
		{"addresses, in order", "-l www.x.example", exitOK, "answered www.x.example. A: 192.0.2.1, 192.0.2.2 in "},
		{"the host can be what is asked about", "-H www.x.example -s 127.0.0.1", exitOK, "127.0.0.1 answered www.x.example. A: 192.0.2.1"},
		{"of the other family", "-l www.x.example -T aaaa", exitOK, "2001:db8::7"},
		{"mail servers", "-l x.example -T MX", exitOK, "MX: 10 Mail.x.example."},
		{"text, escaped", "-l x.example -T TXT", exitOK, `TXT: v=spf1 \x1b[31m\x7c-all in`},
		{"the zone's number", "-l x.example -T SOA -a 2026112201", exitOK, "SOA: ns1. hostmaster. 2026112201"},
		{"a service", "-l _ldap._tcp.x.example -T SRV -a dc.X.example", exitOK, "SRV: 1 2 389 dc.x.example."},
		{"who may issue certificates", "-l x.example -T CAA -a ca.example", exitOK, "CAA: 0 issue ca.example"},
		{"the name of an address", "-l 192.0.2.7", exitOK, "7.2.0.192.in-addr.arpa. PTR: host.x.example."},
		{"the name of a long address", "-l 2001:db8::7", exitOK, "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR: host"},
		{"expected", "-l www.x.example -a 192.0.2.2", exitOK, "192.0.2.2"},
		{"one of several", "-l www.x.example -a 192.0.2.77 -a 192.0.2.2", exitOK, "192.0.2.2"},
		{"in a network", "-l www.x.example -a 192.0.2.0/24", exitOK, "192.0.2.2"},
		{"something else", "-l www.x.example -a 192.0.2.3 -a 10.0.0.0/8", exitFail, `192.0.2.1, 192.0.2.2, but "192.0.2.3" or "10.0.0.0/8" is expected`},
		{"all of them", "-l www.x.example -L -a 192.0.2.2 -a 192.0.2.1", exitOK, "192.0.2.2"},
		{"one more than expected", "-l www.x.example -L -a 192.0.2.1", exitFail, `nobody expects "192.0.2.2"`},
		{"one less than expected", "-l www.x.example -L -a 192.0.2.1 -a 192.0.2.2 -a 192.0.2.3", exitFail, `"192.0.2.3" is missing`},
		{"capitals don't count in names", "-l x.example -T MX -a mail.X.example", exitOK, "MX:"},
		{"they do in text", "-l x.example -T TXT -a V=SPF1", exitFail, "is expected"},
		{"no such name", "-l nx.example", exitFail, "127.0.0.1 says that there is no name nx.example. (NXDOMAIN)"},
		{"as expected", "-l nx.example -n", exitOK, "there is no such name, as expected"},
		{"there should be none", "-l www.x.example -n", exitFail, "with NOERROR, and it should not exist"},
		{"it fails", "-l servfail.example", exitFail, `127.0.0.1 can't answer servfail.example. A: SERVFAIL (signature expired: "two weeks ago")`},
		{"it refuses", "-l refused.example", exitFail, "won't answer refused.example. A: REFUSED"},
		{"a code nobody knows", "-l strange.example", exitFail, "RCODE13"},
		{"a name without such a record", "-l empty.example", exitFail, "127.0.0.1 has no record empty.example. A"},
		{"a name that leads nowhere", "-l cname.example", exitFail, `the name leads to "gone.x.example." and ends there`},
		{"a server that knows nothing about it", "-l lame.example", exitFail, "neither knows the name itself nor asks others"},
		{"a server from before EDNS", "-l old.example", exitOK, "192.0.2.9"},
		{"a long answer", "-l long.example", exitOK, "192.0.2.3, over TCP as it is long, in "},
		{"TCP only", "-l long.example --tcp", exitOK, "192.0.2.3 in "},
		{"by its own authority", "-l auth.example -A", exitOK, "192.0.2.4"},
		{"by hearsay", "-l www.x.example -A", exitFail, "not by its own authority: 192.0.2.1"},
		{"asked for what it knows itself", "-l norec.example --norec", exitOK, "192.0.2.5"},
		{"and not", "-l norec.example", exitFail, "REFUSED"},
		{"validated", "-l valid.example --dnssec", exitOK, "192.0.2.6, validated in "},
		{"not validated", "-l www.x.example --dnssec", exitFail, "it does not say that it validated that (no AD)"},
		{"signed by the authority", "-l signed.example --dnssec", exitOK, "signed for another 9 days"},
		{"signed too long ago", "-l expired.example --dnssec", exitFail, "its signature expired 3 days ago"},
		{"not signed", "-l auth.example --dnssec", exitFail, "it is not signed"},
		{"others talk, too", "-l liar.example", exitOK, "192.0.2.8"},
		{"only others talk", "-l wrong.example -t 2", exitFail, "no answer, only something else: "},
		{"over TCP as well", "-l wrong.example --tcp", exitFail, "it answered something else"},
		{"silence", "-l hangup.example -t 2", exitFail, "ask 127.0.0.1 about hangup.example. A: no answer from port " + port + " within 2.0 s"},
		{"hanging up", "-l hangup.example --tcp", exitFail, "closed the connection instead of answering about hangup.example. A"},
		{"slow", "-w 1ns", exitWarning, "slower than"},
		{"a type nobody knows", "-T ANY", exitUnknown, "want one of A, AAAA, CAA"},
		{"a name that is none", "-l a..b", exitUnknown, `name "a..b.": is none`},
		{"a label that is too long", "-l " + strings.Repeat("a", 64), exitUnknown, "is none"},
		{"another script", "-l müller.example", exitUnknown, "is written xn--"},
		{"all of nothing", "-L", exitUnknown, "--all needs --expect"},
		{"none, and one expected", "-l x -n -a 1", exitUnknown, "either --nxdomain or --expect"},
		{"a server that is none", "-s http://x", exitUnknown, "--server: "},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(c.args)
			if !strings.Contains(c.args, "-p ") {
				args = append(args, "-p", port)
			}
			if !strings.Contains(c.args, "-H ") {
				args = append(args, "127.0.0.1")
			}
			exit, out := try(t, nil, "check_dns", args...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
	t.Run("a closed port", func(t *testing.T) {
		t.Parallel()
		exit, out := try(t, nil, "check_dns", "127.0.0.1", "-p", closedPort(t))
		expect(t, exit, out, exitFail, "ask 127.0.0.1 about . NS: connection refused")
	})
	t.Run("one of two addresses answers", func(t *testing.T) {
		t.Parallel()
		o := run(t.Context(), "check_dns", []string{"ns.example", "-p", port, "-l", "www.x.example"}, func(string) string { return "" }, fakeNames{"127.0.0.9", "127.0.0.1"})
		expect(t, o.exit, o.String(), exitOK, "ns.example answered www.x.example. A: 192.0.2.1")
	})
}

// fakeNames is a resolver that says the same of every name.
type fakeNames []string

func (f fakeNames) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, a := range f {
		all = append(all, netip.MustParseAddr(a))
	}
	return all, nil
}

// A datagram that gets lost is sent again.
func TestDNSResends(t *testing.T) {
	t.Parallel()
	var once sync.Once
	port := serveDNS(t, func(q dnsmessage.Message, tcp bool) []dnsmessage.Message {
		lost := false
		once.Do(func() { lost = true })
		if lost {
			return nil
		}
		return answersOf(q, tcp)
	})
	exit, out := try(t, nil, "check_dns", "127.0.0.1", "-p", port, "-t", "60")
	expect(t, exit, out, exitOK, "a.root-servers.net.")
}

// Whatever a server sends, it is understood or it isn't, and what is told of it is one line.
func FuzzDNSReply(f *testing.F) {
	d := &dnsCheck{call: newCall(plugin{name: "check_dns"}, nil, nil), query: "www.x.example"}
	if err := d.check(); err != nil {
		f.Fatal(err)
	}
	for _, label := range []string{"www", "servfail", "signed", "long", "old"} {
		q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{{Name: dnsName(label + ".x.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
		for _, a := range answersOf(q, true) {
			a.Questions = []dnsmessage.Question{{Name: d.name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}
			b, err := a.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ours, err := d.understand(7, b)
		if !ours && err != nil {
			t.Errorf("%q: not ours, and %v", b, err)
		}
		if err != nil || !ours {
			return
		}
		if len(r.records) > maxRecords {
			t.Errorf("%d records", len(r.records))
		}
		for _, other := range []dnsCheck{{}, {all: true, expect: []string{"192.0.2.1"}}, {dnssec: true}, {none: true}, {plain: true}} {
			other.call, other.name, other.typ = d.call, d.name, d.typ
			o := other.judge(r)
			checkForm(t, o.exit, o.String())
		}
	})
}

// A tag's length is a byte, and what comes after it may be far behind.
func TestLongCAA(t *testing.T) {
	long := append([]byte{0, 255}, bytes.Repeat([]byte{'t'}, 255)...)
	if got := readCAA(append(long, 'v')); len(got) != 3 || len(got[1]) != 255 || got[2] != "v" {
		t.Errorf("got %q", got)
	}
}

func FuzzDNSData(f *testing.F) {
	f.Add([]byte("\x00\x05issueca.example"))
	f.Add([]byte("\x00\xffx"))
	f.Add(make([]byte, 18))
	f.Fuzz(func(t *testing.T, b []byte) {
		if fields := readCAA(b); len(fields) != 1 && len(strings.Join(fields, "")) > len(b)+3 {
			t.Errorf("readCAA(%q) = %q", b, fields)
		}
		if s, ok := readSignature(b); ok {
			now := time.Unix(1795000000, 0)
			if d := s.end(now).Sub(now); d > 69*365*day || d < -69*365*day {
				t.Errorf("ends in %v", d)
			}
		}
		if s := explainDNS([]dnsmessage.Option{{Code: 15, Data: b}}); len(s) > 8*maxQuoted {
			t.Errorf("%d bytes", len(s))
		}
	})
}
