//go:build netns

package netns

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// lan is a switch with a cable to each of its machines. Faults are rules of the switch.
type lan struct {
	t        testing.TB
	bridge   *space
	machines map[string]*space
}

// newLAN joins machines: their names, and their addresses in 10.77.0.0/24. Those named in slow get a cable whose delay
// can be set.
func newLAN(t testing.TB, addrs map[string]string, slow map[string]*slowCable) *lan {
	t.Helper()
	l := &lan{t: t, bridge: newSpace(t, "the switch"), machines: map[string]*space{}}
	l.bridge.run("", "ip", "link", "add", "br0", "type", "bridge")
	l.bridge.run("", "ip", "link", "set", "br0", "up")
	for name, addr := range addrs {
		m := newSpace(t, name)
		l.machines[name] = m
		if cable := slow[name]; cable != nil {
			cable.connect(t, m, "eth0", l.bridge, port(name))
		} else {
			l.bridge.run("", "ip", "link", "add", port(name), "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(m.holder.Process.Pid))
		}
		l.bridge.run("", "ip", "link", "set", port(name), "master", "br0", "up")
		m.run("", "ip", "addr", "add", addr+"/24", "dev", "eth0")
		m.run("", "ip", "link", "set", "eth0", "up")
	}
	l.faults()
	return l
}

// port is the switch's end of the cable to a machine.
func port(name string) string { return "p-" + name }

// pull pulls a machine's cable out of the switch. The machine sees that it has no carrier, as with a real cable.
func (l *lan) pull(name string) {
	l.t.Helper()
	l.bridge.run("", "ip", "link", "set", port(name), "down")
}

// plug puts it back.
func (l *lan) plug(name string) {
	l.t.Helper()
	l.bridge.run("", "ip", "link", "set", port(name), "up")
}

// faults makes the switch behave as these rules say, and forget those it had before; without any it is in order.
func (l *lan) faults(rules ...string) {
	l.t.Helper()
	l.bridge.run(fmt.Sprintf(`add table bridge faults
delete table bridge faults
table bridge faults {
	chain way {
		type filter hook forward priority 0; policy accept;
		%s
	}
}
`, strings.Join(rules, "\n\t\t")), "nft", "-f", "-")
}

// drop loses what one machine sends to another. The other way stays open.
func drop(from, to string) string {
	return fmt.Sprintf("iifname %s oifname %s counter drop", port(from), port(to))
}

// cut loses what two machines send each other.
func cut(a, b string) []string { return []string{drop(a, b), drop(b, a)} }

// lose loses some percent of what one machine sends to another, by chance. ARP is spared: on the long lines on which
// packets get lost there is none, and here three lost questions in a row would be a host that is unreachable.
func lose(percent int, from, to string) string {
	return fmt.Sprintf("iifname %s oifname %s ether type ip numgen random mod 100 < %d counter drop", port(from), port(to), percent)
}

var packets = regexp.MustCompile(`counter packets (\d+)`)

// lost counts the frames that the present faults have swallowed.
func (l *lan) lost() int {
	l.t.Helper()
	n := 0
	for _, m := range packets.FindAllStringSubmatch(l.bridge.run("", "nft", "list", "table", "bridge", "faults"), -1) {
		k, err := strconv.Atoi(m[1])
		if err != nil {
			l.t.Fatal(err)
		}
		n += k
	}
	return n
}

// heal ends all faults. They must have hit something: a fault that wasn't there shows nothing.
func (l *lan) heal() {
	l.t.Helper()
	n := l.lost()
	l.faults()
	l.t.Logf("the switch has swallowed %d frames", n)
	if n == 0 {
		l.t.Error("the faults have swallowed no frame at all: the test has shown nothing")
	}
}
