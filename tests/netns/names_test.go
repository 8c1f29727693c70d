//go:build netns

package netns

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

const wwwName = "www.example.com"

// startNames starts a name server beside the watched host. It knows the host's address; servfail is a second one, which
// answers only that it can't say.
func (s *stage) startNames() {
	s.t.Helper()
	for _, more := range []string{servfail, nxdomain} {
		s.machines[web].run("", "ip", "addr", "add", more+"/24", "dev", "eth0")
	}
	for addr, known := range map[string]map[string][4]byte{
		addrs[web] + ":53": {wwwName + ".": [4]byte(net.ParseIP(addrs[web]).To4())},
		servfail + ":53":   {wwwName + ".": {}},
		nxdomain + ":53":   {},
	} {
		var conn net.PacketConn
		var err error
		s.machines[web].inside(func() { conn, err = net.ListenPacket("udp", addr) })
		if err != nil {
			s.t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { defer close(done); serveNames(s.t, conn, known) }()
		s.t.Cleanup(func() { conn.Close(); <-done })
	}
}

// Further name servers beside the host: one that says SERVFAIL, one that knows no name at all; and an address where
// there is nobody.
const (
	servfail = "10.77.0.53"
	nxdomain = "10.77.0.54"
	nobody   = "10.77.0.99"
)

// One node's resolver is dead, in each way a resolver can be. The node abstains, or stands alone with its view; nobody is
// told. When the host is really down, the two others tell it once.
func TestOneNodeHasNoNames(t *testing.T) {
	good := resolver(addrs[web])
	s := newStage(t, settings{name: wwwName, resolv: map[string]string{one: good, two: good, three: good}})
	for _, c := range []struct{ how, server, status, says string }{
		{"gives no answer", nobody, "unknown", "gave no answer"},
		{"isn't there", "127.0.0.1", "unknown", "connection refused"},
		{"says that it can't tell", servfail, "unknown", "server misbehaving"},
		{"knows no name", nxdomain, "fail", "DNS has no such name"},
	} {
		if err := os.WriteFile(s.nodes[one].resolvConf(), []byte(resolver(c.server)), 0o644); err != nil {
			t.Fatal(err)
		}
		rig.Until(t, fmt.Sprintf("node-1 says %s when its resolver %s", c.status, c.how), func() bool {
			looks := s.nodes[two].looks(one)
			last := string(looks[len(looks)-1].Data)
			return strings.Contains(last, `"status":"`+c.status+`"`) && strings.Contains(last, c.says)
		})
		s.looked(3, nodes...)
		s.told(0, 0, nodes...)
	}
	if err := os.WriteFile(s.nodes[one].resolvConf(), []byte(resolver(nobody)), 0o644); err != nil {
		t.Fatal(err)
	}
	s.looked(2, nodes...)
	s.host.Down()
	s.awaitTold(1, 0, nodes...)
	s.looked(2, nodes...)
	s.up()
	s.awaitTold(1, 1, nodes...)
	s.looked(2, nodes...)
	s.told(1, 1, nodes...)
}

func resolver(server string) string {
	return "nameserver " + server + "\noptions timeout:1 attempts:1\n"
}
