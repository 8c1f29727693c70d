package plugins

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Datagrams get lost: a question is sent again after resendAfter, and then at twice the time each.
const (
	resendAfter = 1 * time.Second
	maxDatagram = 4096 // bytes; what is longer is cut, and then not understood
)

// asking asks one address until an answer comes or the context ends.
type asking[T any] func(ctx context.Context, to netip.AddrPort) (T, error)

// understanding reads an answer. ours is false for what isn't an answer to our question; that is passed over, as anybody
// can send it. An error ends the waiting.
type understanding[T any] func(datagram []byte) (answer T, ours bool, err error)

type heardFrom[T any] struct {
	addr   netip.Addr
	answer T
	err    error
}

// firstOf asks the addresses of a host, dialStagger apart, and returns the first answer and who gave it. Its error says why
// there is none; it is the node's own only if no address could be asked.
func firstOf[T any](ctx context.Context, c *call, host string, port uint16, ask asking[T]) (T, netip.Addr, error) {
	var none T
	addrs, err := c.addresses(ctx, host)
	if err != nil {
		return none, netip.Addr{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan heardFrom[T])
	started, running := 0, 0
	defer func() {
		cancel()
		for ; running > 0; running-- {
			<-done
		}
	}()
	next := time.NewTimer(0)
	defer next.Stop()
	var failed []attempt
	for running > 0 || started < len(addrs) {
		select {
		case <-next.C:
			if started == len(addrs) {
				continue
			}
			go func(a netip.Addr) {
				h := heardFrom[T]{addr: a}
				defer func() {
					if p := recover(); p != nil { // uncaught it would end the process with what reads as "the host is down"
						h.err = own("%s itself broke: %v", c.plugin.name, p)
					}
					done <- h
				}()
				h.answer, h.err = ask(ctx, netip.AddrPortFrom(a, port))
			}(addrs[started])
			started++
			running++
			next.Reset(dialStagger)
		case h := <-done:
			running--
			if h.err == nil {
				return h.answer, h.addr, nil
			}
			failed = append(failed, attempt{addr: h.addr, err: h.err})
			next.Reset(0)
		}
	}
	return none, netip.Addr{}, c.unanswered(ctx, host, port, failed)
}

// unanswered makes one error of the attempts: the host's fault if at least one says so.
func (c *call) unanswered(ctx context.Context, host string, port uint16, failed []attempt) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return own("interrupted while waiting for an answer of %s port %d", host, port)
	}
	var theirs, ours []string
	for _, a := range failed {
		why := fmt.Sprintf("%s: %s", a.addr, reason(a.err))
		switch {
		case timedOut(a.err):
			theirs = append(theirs, fmt.Sprintf("%s: no answer from port %d within %s", a.addr, port, span(c.budget)))
		case isOwn(a.err):
			ours = append(ours, why)
		default:
			theirs = append(theirs, why)
		}
	}
	if len(theirs) == 0 {
		return own("can't send to port %d: %s", port, oneHost(host, ours))
	}
	return errors.New(oneHost(host, append(theirs, ours...)))
}

// byUDP asks with a question in one datagram.
func byUDP[T any](question []byte, read understanding[T]) asking[T] {
	return func(ctx context.Context, to netip.AddrPort) (T, error) { return askUDP(ctx, to, question, read) }
}

func askUDP[T any](ctx context.Context, to netip.AddrPort, question []byte, read understanding[T]) (T, error) {
	var none T
	conn, err := new(net.Dialer).DialContext(ctx, "udp", to.String())
	if err != nil {
		return none, err
	}
	defer bound(ctx, conn)()
	other, buf := "", make([]byte, maxDatagram)
	for wait := resendAfter; ctx.Err() == nil; wait *= 2 {
		switch _, err := conn.Write(question); {
		case timedOut(err):
			return none, onlyOther(ctx, other)
		case err != nil:
			return none, err
		}
		until := sooner(ctx, wait)
		for ctx.Err() == nil {
			_ = conn.SetReadDeadline(until) // fails only on a closed connection: the next read says so
			n, err := conn.Read(buf)
			if timedOut(err) {
				break
			}
			if err != nil {
				return none, err
			}
			answer, ours, err := read(buf[:n])
			if ours || err != nil {
				return answer, err
			}
			other = string(buf[:min(n, maxQuoted)])
		}
	}
	return none, onlyOther(ctx, other)
}

// onlyOther is the error of an address that gave no answer until the context ended; other is what it said instead.
func onlyOther(ctx context.Context, other string) error {
	if other != "" && !errors.Is(ctx.Err(), context.Canceled) {
		return errors.New("no answer, only something else: " + quote(other))
	}
	if ctx.Err() == nil {
		return context.DeadlineExceeded // the connection's came a moment earlier
	}
	return ctx.Err()
}
