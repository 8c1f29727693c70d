package plugins

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	dnsPort = 53
	// maxTold is how many records of an answer are told.
	maxTold = 3
	// maxExpects is how many values may be expected.
	maxExpects = 100
)

// dnsCheck is what check_dns was asked. Option letters are those of Nagios' check_dig and check_dns where they agree with
// the host being the server.
type dnsCheck struct {
	call   *call
	slow   *slow
	server string // ask this one about the host, as check_dns of Nagios has it
	port   uint16
	query  string
	typ    dnsType
	expect []string
	all    bool // the answer is what is expected and nothing else
	none   bool // the name must not exist

	tcp, norec, authority, dnssec bool

	name  dnsmessage.Name
	plain bool // no name was given: any answer will do
}

// dns is check_dns: the host is a DNS server, and must answer a question. Which one is up to the options; without any it is
// for the root's servers, and that it answers is enough.
func dns(c *call) func(context.Context) outcome {
	d := &dnsCheck{call: c, slow: slowness(c)}
	maps.Copy(c.aliases, map[string]string{
		"query_address": "query", "record_type": "type", "querytype": "type", "expected_address": "expect", "expected-address": "expect",
		"expect-authority": "authoritative", "expect-nxdomain": "nxdomain",
	})
	f := c.flags
	f.Uint16VarP(&d.port, "port", "p", dnsPort, "port, UDP and TCP")
	f.StringVarP(&d.query, "query", "l", "", "name to ask for, or address to find the name of (default: the root's servers)")
	f.VarP(&d.typ, "type", "T", "type of record: "+strings.Join(dnsTypeNames(), ", ")+" (default: A; for addresses PTR; for the root NS)")
	f.StringVarP(&d.server, "server", "s", "", "ask this server instead, about HOST")
	f.StringArrayVarP(&d.expect, "expect", "a", nil, "the answer must have this value, or an address in this network; of several, any")
	f.BoolVarP(&d.all, "all", "L", false, "the answer must have all of them and no others")
	f.BoolVarP(&d.none, "nxdomain", "n", false, "the name must not exist")
	f.BoolVar(&d.tcp, "tcp", false, "ask over TCP only")
	f.BoolVar(&d.norec, "norec", false, "don't ask it to ask others")
	f.BoolVarP(&d.authority, "authoritative", "A", false, "it must answer by its own authority")
	f.BoolVar(&d.dnssec, "dnssec", false, "the answer must be validated by it, or signed if it is the authority")
	return d.look
}

func (d *dnsCheck) look(ctx context.Context) outcome {
	if err := d.check(); err != nil {
		return d.call.misused(err)
	}
	r, err := d.ask(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return unknown("interrupted while waiting for an answer")
	}
	if err != nil {
		return broken(err)
	}
	o := d.judge(r)
	took, perf := d.call.took()
	if r.retried {
		o.text += ", over TCP as it is long,"
	}
	o.text += " in " + span(took)
	o.perf = append(o.perf, perf)
	return d.slow.judge(took, o)
}

// whom is the server that is asked.
func (d *dnsCheck) whom() string { return orElse(d.server, d.call.host) }

// check fills in what wasn't given, and finds what makes no sense.
func (d *dnsCheck) check() error {
	if d.server != "" {
		if err := validHost(d.server); err != nil {
			return fmt.Errorf("--server: %w", err)
		}
		d.query = orElse(d.query, d.call.host)
	}
	switch {
	case d.none && len(d.expect) > 0:
		return errors.New("either --nxdomain or --expect, please")
	case d.all && len(d.expect) == 0:
		return errors.New("--all needs --expect")
	case len(d.expect) > maxExpects:
		return fmt.Errorf("%d values expected: at most %d", len(d.expect), maxExpects)
	case slices.Contains(d.expect, ""):
		return errors.New("--expect: an empty value is none")
	}
	d.plain = d.query == "" && len(d.expect) == 0 && !d.none
	if a, err := netip.ParseAddr(d.query); err == nil && (d.typ == 0 || d.typ == dnsType(dnsmessage.TypePTR)) {
		d.query, d.typ = reverse(a.Unmap()), dnsType(dnsmessage.TypePTR)
	}
	name := strings.TrimSuffix(d.query, ".") + "."
	if d.typ == 0 {
		d.typ = dnsType(dnsmessage.TypeA)
		if name == "." {
			d.typ = dnsType(dnsmessage.TypeNS)
		}
	}
	return d.setName(name)
}

func (d *dnsCheck) setName(name string) error {
	for _, r := range name {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("name %s: want ASCII (a name in another script is written xn--…)", quote(name))
		}
	}
	var err error
	if d.name, err = dnsmessage.NewName(name); err == nil {
		_, err = d.question(0, false) // labels that are too long, or empty
	}
	if err != nil {
		return fmt.Errorf("name %s: is none: %w", quote(name), err)
	}
	return nil
}

// reverse is the name under which an address is looked up (RFC 1035, section 3.5; RFC 3596, section 2.5).
func reverse(a netip.Addr) string {
	var b strings.Builder
	for _, c := range slices.Backward(a.AsSlice()) {
		if a.Is4() {
			fmt.Fprintf(&b, "%d.", c)
		} else {
			fmt.Fprintf(&b, "%x.%x.", c&15, c>>4)
		}
	}
	if a.Is4() {
		return b.String() + "in-addr.arpa."
	}
	return b.String() + "ip6.arpa."
}

// asked is the question, for people.
func (d *dnsCheck) asked() string { return d.name.String() + " " + d.typ.String() }

// dnsType is a type of record; 0 if none was given.
type dnsType dnsmessage.Type

const (
	typeCAA   = dnsmessage.Type(257) // RFC 8659
	typeRRSIG = dnsmessage.Type(46)  // RFC 4034
)

// dnsTypes lists the types that can be asked for.
func dnsTypes() []dnsmessage.Type {
	return []dnsmessage.Type{
		dnsmessage.TypeA, dnsmessage.TypeAAAA, typeCAA, dnsmessage.TypeCNAME, dnsmessage.TypeMX, dnsmessage.TypeNS,
		dnsmessage.TypePTR, dnsmessage.TypeSOA, dnsmessage.TypeSRV, dnsmessage.TypeTXT,
	}
}

func dnsTypeNames() []string {
	var names []string
	for _, t := range dnsTypes() {
		names = append(names, typeName(t))
	}
	return names
}

// typeName is written out, as the library's own table would be filled at each start.
func typeName(t dnsmessage.Type) string {
	switch t {
	case dnsmessage.TypeA:
		return "A"
	case dnsmessage.TypeAAAA:
		return "AAAA"
	case typeCAA:
		return "CAA"
	case dnsmessage.TypeCNAME:
		return "CNAME"
	case dnsmessage.TypeMX:
		return "MX"
	case dnsmessage.TypeNS:
		return "NS"
	case dnsmessage.TypePTR:
		return "PTR"
	case dnsmessage.TypeSOA:
		return "SOA"
	case dnsmessage.TypeSRV:
		return "SRV"
	case dnsmessage.TypeTXT:
		return "TXT"
	}
	return "TYPE" + strconv.Itoa(int(t)) // RFC 3597, section 5
}

// Set implements pflag.Value.
func (t *dnsType) Set(s string) error {
	for _, known := range dnsTypes() {
		if strings.EqualFold(s, typeName(known)) {
			*t = dnsType(known)
			return nil
		}
	}
	return fmt.Errorf("%s: want one of %s", quote(s), strings.Join(dnsTypeNames(), ", "))
}

// String implements pflag.Value.
func (t *dnsType) String() string {
	if *t == 0 {
		return ""
	}
	return typeName(dnsmessage.Type(*t))
}

// Type implements pflag.Value; it names the value in --help.
func (t *dnsType) Type() string { return "type" }
