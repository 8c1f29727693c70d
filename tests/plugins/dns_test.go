//go:build plugins

package plugins

import (
	"fmt"
	"strings"
	"testing"
)

// zoneFile is a zone with a record of each kind, and one answer that doesn't fit into a datagram.
const zoneFile = `$ORIGIN example.test.
$TTL 300
@      SOA ns1 hostmaster 2026112201 3600 600 86400 300
@      NS ns1
@      MX 10 mail
@      TXT "v=spf1 -all"
@      CAA 0 issue "ca.example"
ns1    A 127.0.0.1
ns1    AAAA ::1
www    CNAME web
web    A 192.0.2.1
web    A 192.0.2.2
_ldap._tcp SRV 0 0 389 web
`

// longText makes www2 a name with more text than a datagram takes.
func longText() string {
	s := ""
	for i := range 30 {
		s += fmt.Sprintf("long TXT \"%04d%0200d\"\n", i, 0)
	}
	return s
}

// authorityRows is what every server of the zone has to answer.
func authorityRows(port string) []row {
	ask := func(args ...string) []string { return append([]string{"127.0.0.1", "-p", port}, args...) }
	return []row{
		{"it is there", ask(), 0, "127.0.0.1 answered"},
		{"over IPv6", []string{"::1", "-p", port, "-l", "web.example.test"}, 0, "192.0.2.1, 192.0.2.2 in"},
		{"an address, by authority", ask("-l", "web.example.test", "-A", "-a", "192.0.2.0/24"), 0, "192.0.2.1, 192.0.2.2 in"},
		{"an alias", ask("-l", "www.example.test"), 0, "192.0.2.1, 192.0.2.2 in"},
		{"the zone", ask("-l", "example.test", "-T", "SOA", "-a", "2026112201"), 0, "2026112201"},
		{"mail", ask("-l", "example.test", "-T", "MX", "-a", "mail.example.test"), 0, "10 mail.example.test."},
		{"text", ask("-l", "example.test", "-T", "TXT", "-a", "v=spf1 -all"), 0, "v=spf1"},
		{"who may issue", ask("-l", "example.test", "-T", "CAA", "-a", "ca.example"), 0, "0 issue ca.example"},
		{"a service", ask("-l", "_ldap._tcp.example.test", "-T", "SRV"), 0, "0 0 389 web.example.test."},
		{"a long answer", ask("-l", "long.example.test", "-T", "TXT"), 0, "over TCP as it is long"},
		{"over TCP", ask("-l", "web.example.test", "--tcp"), 0, "192.0.2.1"},
		{"no such name", ask("-l", "nobody.example.test"), 2, "(NXDOMAIN)"},
		{"as it should be", ask("-l", "nobody.example.test", "-n"), 0, "as expected"},
		{"no such record", ask("-l", "web.example.test", "-T", "AAAA"), 2, "has no record web.example.test. AAAA"},
		{"another's name", ask("-l", "www.example.org"), 2, "REFUSED"},
		{"not signed", ask("-l", "web.example.test", "--dnssec"), 2, "it is not signed"},
	}
}

func TestNSD(t *testing.T) {
	t.Parallel()
	d := server(t, "nsd")
	port := d.port()
	d.write("example.test", zoneFile+longText())
	d.write("nsd.conf", fmt.Sprintf(`
server:
  ip-address: 127.0.0.1
  ip-address: ::1
  port: %[2]s
  username: ""
  chroot: ""
  zonesdir: "%[1]s"
  pidfile: ""
  database: ""
  zonelistfile: "%[1]s/zone.list"
  xfrdfile: "%[1]s/xfrd.state"
  xfrdir: "%[1]s"
remote-control:
  control-enable: no
zone:
  name: example.test
  zonefile: example.test
`, d.dir, port))
	d.start("nsd", "-d", "-c", d.path("nsd.conf"))
	d.listens(port)
	checks(t, "check_dns", authorityRows(port))
}

// BIND signs the zone itself, and serves a second one whose signatures nobody renewed.
func TestBIND(t *testing.T) {
	t.Parallel()
	d := server(t, "bind9")
	port := d.port()
	d.write("example.test", zoneFile+longText())
	d.write("signed.test", strings.ReplaceAll(zoneFile, "example.test", "signed.test"))
	d.mkdir("keys")
	d.write("named.conf", fmt.Sprintf(`
options {
  directory "%[1]s"; key-directory "%[1]s/keys"; pid-file none; session-keyfile none; managed-keys-directory "%[1]s";
  listen-on port %[2]s { 127.0.0.1; }; listen-on-v6 port %[2]s { ::1; };
  recursion no; dnssec-validation no; minimal-responses yes;
};
controls { };
zone "example.test" { type primary; file "%[1]s/example.test"; };
zone "signed.test" { type primary; file "%[1]s/signed.test"; dnssec-policy default; inline-signing yes; };
`, d.dir, port))
	d.start("named", "-g", "-c", d.path("named.conf"))
	d.listens(port)
	checks(t, "check_dns", authorityRows(port))
	d.until("the zone is signed", func() bool {
		code, _ := check(t, "check_dns", "127.0.0.1", "-p", port, "-l", "signed.test", "-T", "NS", "--dnssec")
		return code == 0
	})
	checks(t, "check_dns", []row{
		{"signed", []string{"127.0.0.1", "-p", port, "-l", "signed.test", "-T", "NS", "--dnssec", "-A"}, 0, "signed for another "},
	})
}

// Unbound may not ask anybody here, and says so. What it knows itself it answers.
func TestUnbound(t *testing.T) {
	t.Parallel()
	d := server(t, "unbound")
	port := d.port()
	d.write("unbound.conf", fmt.Sprintf(`
server:
  directory: "%[1]s"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  interface: 127.0.0.1
  interface: ::1
  port: %[2]s
  do-daemonize: no
  ede: yes
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
  access-control: ::1 allow
  local-zone: "home.test." static
  local-data: "nas.home.test. A 192.0.2.9"
  local-zone: "refused.test." refuse
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1 # it doesn't ask itself
`, d.dir, port))
	d.start("unbound", "-d", "-c", d.path("unbound.conf"))
	d.listens(port)
	checks(t, "check_dns", []row{
		{"it can't reach others", []string{"127.0.0.1", "-p", port}, 2, "127.0.0.1 can't answer . NS: SERVFAIL"},
		{"its own names", []string{"127.0.0.1", "-p", port, "-l", "nas.home.test", "-a", "192.0.2.9", "-L"}, 0, "192.0.2.9 in"},
		{"over IPv6", []string{"::1", "-p", port, "-l", "nas.home.test"}, 0, "192.0.2.9 in"},
		{"the host's name", []string{"nas.home.test", "-s", "127.0.0.1", "-p", port}, 0, "127.0.0.1 answered nas.home.test. A: 192.0.2.9"},
		{"no such name", []string{"127.0.0.1", "-p", port, "-l", "tv.home.test"}, 2, "NXDOMAIN"},
		{"refused", []string{"127.0.0.1", "-p", port, "-l", "refused.test"}, 2, "REFUSED"},
		{"not validated", []string{"127.0.0.1", "-p", port, "-l", "nas.home.test", "--dnssec"}, 2, "127.0.0.1 answered"},
	})
	d.stop()
	checks(t, "check_dns", []row{
		{"nobody there any more", []string{"127.0.0.1", "-p", port}, 2, "connection refused"},
	})
}
