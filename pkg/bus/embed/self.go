package embed

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// selfWait is how long looking up the members' names may hold up a start.
const selfWait = time.Second

// warnStranger warns if surely none of the members' addresses is this node's: then the others never dial it, and don't
// count it in the majority that they need. It is no error, because behind a router that translates addresses a node may
// not know its own.
func (o Options) warnStranger(ctx context.Context, cluster listener) {
	if cluster.port == -1 || slices.Contains(o.Nodes, o.Listen) || slices.Contains(o.Nodes, o.Advertise) {
		return // on any free port nobody can name it beforehand
	}
	here := interfaceAddrs()
	ctx, stop := context.WithTimeout(ctx, selfWait)
	defer stop()
	maybe := make(chan bool, len(o.Nodes)) // one place for each, so that none waits when the answer is known
	for _, n := range o.Nodes {
		go func() { maybe <- cluster.maybeAt(ctx, n, here) }()
	}
	for range o.Nodes {
		if <-maybe {
			return
		}
	}
	o.Log.Warn().Msgf("this node (%s) is not among the members (%s): add it to nodes.txt on every host, "+
		"else a first start may form without it", o.Listen, strings.Join(o.Nodes, ", "))
}

// maybeAt tells whether a member's address can be this listener's. What can't be looked up can be anybody's.
func (l listener) maybeAt(ctx context.Context, member string, here []netip.Addr) bool {
	return l.isAt(ctx, member, here, true)
}

// at tells whether a member's address is this listener's. What can't be looked up is not.
func (l listener) at(ctx context.Context, member string, here []netip.Addr) bool {
	return l.isAt(ctx, member, here, false)
}

func (l listener) isAt(ctx context.Context, member string, here []netip.Addr, unknown bool) bool {
	host, port, err := net.SplitHostPort(member)
	if err != nil {
		return unknown // routes says it better
	}
	if n, err := strconv.Atoi(port); err == nil && n != l.port {
		return false
	}
	own, ok := lookUp(ctx, l.host)
	if !ok {
		return unknown
	}
	ips, ok := lookUp(ctx, host)
	if !ok {
		return unknown
	}
	return reaches(own, ips, here)
}

// lookUp returns the addresses of a host, which may be an address; false if nobody knows them.
func lookUp(ctx context.Context, host string) ([]netip.Addr, bool) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, true
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	return ips, err == nil
}

// reaches tells whether one who listens on own can be reached at one of ips, on a host that has the addresses here. A
// loopback address is also what many hosts have in /etc/hosts for their own name, whatever they listen on.
func reaches(own, ips, here []netip.Addr) bool {
	return slices.ContainsFunc(own, func(l netip.Addr) bool {
		return slices.ContainsFunc(ips, func(ip netip.Addr) bool {
			switch {
			case ip.WithZone("") == l.WithZone(""):
				return true
			case l.IsUnspecified():
				return ip.IsLoopback() || ip.IsUnspecified() || slices.Contains(here, ip.WithZone(""))
			default:
				return ip.IsLoopback() && !l.IsLoopback()
			}
		})
	})
}

// interfaceAddrs lists the addresses of this host.
func interfaceAddrs() []netip.Addr {
	all, _ := net.InterfaceAddrs() // without them a node on all interfaces may be warned in vain
	var out []netip.Addr
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out
}
