package plugins

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// dialStagger is the head start an address has before the next one is tried as well (RFC 8305, section 8).
const dialStagger = 250 * time.Millisecond

type attempt struct {
	addr netip.Addr
	conn net.Conn
	err  error
}

// dial opens a TCP connection to the first address of the host that takes one. Its error says where and why; it is the
// node's own only if no address could be tried.
func (c *call) dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	addrs, err := c.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	conn, failed := race(ctx, addrs, port)
	if conn != nil {
		return conn, nil
	}
	return nil, c.refused(ctx, host, port, failed)
}

// race tries the addresses one after the other, dialStagger apart or sooner if one fails, and returns the first
// connection. It waits for every attempt it started.
func race(ctx context.Context, addrs []netip.Addr, port uint16) (won net.Conn, failed []attempt) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan attempt)
	started, running := 0, 0
	next := time.NewTimer(0)
	defer next.Stop()
	for running > 0 || won == nil && started < len(addrs) {
		select {
		case <-next.C:
			if won != nil || started == len(addrs) {
				continue
			}
			go func(a netip.Addr) {
				conn, err := new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(a, port).String())
				done <- attempt{a, conn, err}
			}(addrs[started])
			started++
			running++
			next.Reset(dialStagger)
		case a := <-done:
			running--
			switch {
			case a.err != nil:
				failed = append(failed, a)
				next.Reset(0)
			case won != nil:
				_ = a.conn.Close()
			default:
				won = a.conn
				cancel()
			}
		}
	}
	return won, failed
}

// refused makes one error of the attempts: the host's fault if at least one attempt says so.
func (c *call) refused(ctx context.Context, host string, port uint16, failed []attempt) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return own("interrupted while connecting to %s port %d", host, port)
	}
	var theirs, ours []string
	for _, a := range failed {
		switch {
		case timedOut(a.err):
			theirs = append(theirs, fmt.Sprintf("%s: no answer within %s", a.addr, span(c.budget)))
		case isOwn(a.err):
			ours = append(ours, fmt.Sprintf("%s: %s", a.addr, reason(a.err)))
		default:
			theirs = append(theirs, fmt.Sprintf("%s: %s", a.addr, reason(a.err)))
		}
	}
	if len(theirs) == 0 {
		return own("can't connect to %s port %d: %s", host, port, oneHost(host, ours))
	}
	return fmt.Errorf("connect to %s port %d: %s", host, port, oneHost(host, append(theirs, ours...)))
}

// oneHost joins the reasons and leaves out an address that is the host itself.
func oneHost(host string, reasons []string) string {
	return strings.ReplaceAll(strings.Join(reasons, "; "), host+": ", "")
}

func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// bound makes every read and write on the connection end with the context. The caller calls release when done.
func bound(ctx context.Context, conn net.Conn) (release func()) {
	if d, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(d) // fails only on a closed connection, and then the next read says so
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() {
		stop()
		_ = conn.Close() // all we wanted has been read
	}
}
