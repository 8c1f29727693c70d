package plugins

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// maxAddrs is how many addresses of a host are tried.
const maxAddrs = 8

// ownError is a fault of this node, not of the host: the node abstains.
type ownError struct{ error }

func (e ownError) Unwrap() error { return e.error }

func own(format string, a ...any) error { return ownError{fmt.Errorf(format, a...)} }

// ownErrnos are system errors that say that this node couldn't even ask: not allowed, or out of something.
// ENETUNREACH is not one of them: once routed has found a way, it was a router on that way who said so.
var ownErrnos = []syscall.Errno{
	syscall.EACCES, syscall.EPERM, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.ENETDOWN, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT,
}

func isOwn(err error) bool {
	var e ownError
	if errors.As(err, &e) || errors.Is(err, context.Canceled) {
		return true
	}
	return slices.ContainsFunc(ownErrnos, func(n syscall.Errno) bool { return errors.Is(err, n) })
}

// addresses finds where the host is: at most maxAddrs addresses this node has a way to, the families taking turns.
// A name DNS doesn't have is the host's fault; a resolver that doesn't answer and a route that is missing are the node's.
func (c *call) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := c.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	family := slices.DeleteFunc(slices.Clone(all), func(a netip.Addr) bool { return c.v4 && !a.Is4() || c.v6 && a.Is4() })
	if len(family) == 0 {
		return nil, fmt.Errorf("%s has no %s address, only %s", host, map[bool]string{true: "IPv4", false: "IPv6"}[c.v4], all[0])
	}
	addrs := takeTurns(family)
	addrs = addrs[:min(len(addrs), maxAddrs)]
	var noWay error
	usable := slices.DeleteFunc(addrs, func(a netip.Addr) bool {
		err := routed(ctx, a)
		if err != nil && noWay == nil {
			noWay = own("no way from here to %s: %s", a, reason(err))
		}
		return err != nil
	})
	if len(usable) == 0 {
		return nil, noWay
	}
	return usable, nil
}

// lookup may take half of the time there is: what is left must be a fair chance for the host itself.
func (c *call) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.budget/2)
	defer cancel()
	addrs, err := c.names.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) > 0 {
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		return addrs, nil
	}
	var dns *net.DNSError
	switch {
	case err == nil || errors.As(err, &dns) && dns.IsNotFound:
		return nil, fmt.Errorf("host name %s not found: DNS has no such name, or no address for it", host)
	case ctx.Err() != nil || dns != nil && dns.IsTimeout:
		return nil, own("the resolver gave no answer about %s within %s", host, span(c.budget/2))
	case dns != nil:
		return nil, own("the resolver can't say where %s is: %s", host, resolverSaid(dns))
	default:
		return nil, own("the resolver can't say where %s is: %w", host, err)
	}
}

func resolverSaid(dns *net.DNSError) string {
	if dns.Server == "" {
		return dns.Err
	}
	return fmt.Sprintf("%s (asked %s)", dns.Err, dns.Server)
}

// takeTurns keeps the order the resolver chose within a family, and alternates the families: a family that is broken
// on the way must not use up all attempts.
func takeTurns(addrs []netip.Addr) []netip.Addr {
	var first, second []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	var turns []netip.Addr
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			turns = append(turns, first[i])
		}
		if i < len(second) {
			turns = append(turns, second[i])
		}
	}
	return turns
}

// routed tells why this node has no way to the address, if so. Connecting a UDP socket sends nothing: it only makes the
// kernel look for a route and a source address. That separates "this node has no route" from "a router said no".
func routed(ctx context.Context, a netip.Addr) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", netip.AddrPortFrom(a, 9).String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// reason says in a few words why a network operation failed.
func reason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno) && errno == syscall.EHOSTUNREACH:
		return "host unreachable" // the system's "no route to host" sounds like this node's fault
	case errors.As(err, &errno):
		return errno.Error()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return strings.TrimPrefix(err.Error(), "read tcp ")
}
