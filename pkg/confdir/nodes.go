package confdir

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// DefaultPort is the cluster port of a node whose line names none.
const DefaultPort = 2929

// ParseNodes reads nodes.txt: one node a line, '#' comments. Nodes in the order of the file, as ParseNode writes them.
// With a problem there are no nodes: half a list would make another cluster.
func ParseNodes(file string, data []byte) ([]string, Problems) {
	var nodes []string
	l := &lines{file: file}
	first := map[string]int{}
	n := 0
	for line := range bytes.Lines(bytes.TrimPrefix(data, bom)) {
		n++
		text, _, _ := strings.Cut(string(line), "#")
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		node, err := ParseNode(text)
		if err != nil {
			l.report(n, err.Error(), "")
			continue
		}
		if at, twice := first[node]; twice {
			l.report(n, fmt.Sprintf("%s stands on line %d already", node, at), "remove one of the two")
			continue
		}
		first[node] = n
		nodes = append(nodes, node)
	}
	if len(l.problems) > 0 {
		return nil, l.problems
	}
	return nodes, nil
}

// ParseNode reads one node, "host" or "host:port" with an IPv6 address in brackets, and returns "host:port" with the
// host in lower case: two ways to write a node give one.
func ParseNode(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%q is not UTF-8", clip(s))
	}
	if strings.ContainsAny(s, " \t,;") {
		return "", fmt.Errorf("%q: want one node a line", clip(s))
	}
	if strings.Contains(s, "/") {
		return "", fmt.Errorf("%q: want host or host:port, without a scheme or a path", clip(s))
	}
	host, port, err := splitPort(s)
	if err != nil {
		return "", err
	}
	if err := events.ValidateHost(host); err != nil {
		return "", err
	}
	return net.JoinHostPort(strings.ToLower(host), strconv.Itoa(port)), nil
}

func splitPort(s string) (host string, port int, err error) {
	rest, bracketed := strings.CutPrefix(s, "[")
	if bracketed {
		var ok bool
		host, rest, ok = strings.Cut(rest, "]")
		if !ok {
			return "", 0, fmt.Errorf("%q: the closing ] is missing", clip(s))
		}
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", 0, fmt.Errorf("%q: %q is no IPv6 address; only those stand in brackets", clip(s), clip(host))
		}
		host = addr.String()
		if rest == "" {
			return host, DefaultPort, nil
		}
		if rest[0] != ':' {
			return "", 0, fmt.Errorf("%q: want nothing or :port after the ]", clip(s))
		}
		rest = rest[1:]
	} else {
		if strings.Count(s, ":") > 1 {
			return "", 0, fmt.Errorf("%q: write an IPv6 address in brackets, such as [2001:db8::1]:%d", clip(s), DefaultPort)
		}
		var ok bool
		host, rest, ok = strings.Cut(s, ":")
		if !ok {
			return host, DefaultPort, nil
		}
	}
	port, err = strconv.Atoi(rest)
	if err != nil || port < 1 || port > 65535 || rest[0] == '+' {
		return "", 0, fmt.Errorf("%q: %q is no port; write 1 to 65535", clip(s), clip(rest))
	}
	return host, port, nil
}
