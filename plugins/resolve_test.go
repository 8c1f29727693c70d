package plugins

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a real DNS server on loopback, and a resolver that asks only it. Names start with what they answer.
func nameServer(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := answerDNS(buf[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func answerDNS(query []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	word, _, _ := strings.Cut(q.Name.String(), ".")
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}
	switch v4 := q.Type == dnsmessage.TypeA; {
	case word == "mute":
		return nil
	case word == "nxdomain":
		m.RCode = dnsmessage.RCodeNameError
	case word == "servfail":
		m.RCode = dnsmessage.RCodeServerFailure
	case word == "refused":
		m.RCode = dnsmessage.RCodeRefused
	case (word == "here" || word == "both") && v4:
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
	case word == "both":
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("::1").As16()}}}
	}
	packed, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return packed
}

// What DNS says about the host is the host's; what the resolver does wrong is the node's.
func TestResolving(t *testing.T) {
	t.Parallel()
	names, open, closed := nameServer(t), serve(t, silent), closedPort(t)
	cases := []struct {
		rule string
		args string
		exit int
		want string
	}{
		{"a name leads to its address", "here.example -p " + open, exitOK, "port 127.0.0.1:" + open + " answered"},
		{"a name and why its address failed", "here.example -p " + closed, exitFail, "connect to here.example port " + closed + ": 127.0.0.1: connection refused"},
		{"one of two addresses is enough", "both.example -p " + open, exitOK, "answered"},
		{"all addresses are told", "both.example -p " + closed, exitFail, "::1: connection refused"},
		{"only the family asked for", "both.example -4 -p " + open, exitOK, "127.0.0.1:" + open},
		{"a name without that family", "here.example -6 -p " + open, exitFail, "has no IPv6 address"},
		{"a name that does not exist is a fail", "nxdomain.example -p 1", exitFail, "host name nxdomain.example not found"},
		{"a name without addresses is a fail", "empty.example -p 1", exitFail, "host name empty.example not found"},
		{"SERVFAIL says nothing about the host", "servfail.example -p 1", exitUnknown, "this node can't tell: the resolver can't say where servfail.example is"},
		{"REFUSED neither", "refused.example -p 1", exitUnknown, "this node can't tell: the resolver can't say"},
		{"nor does a silent resolver", "mute.example -p 1 -t 0.4", exitUnknown, "the resolver gave no answer about mute.example within 200 ms"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			o := run(t.Context(), "check_tcp", strings.Fields(c.args), func(string) string { return "" }, names)
			checkForm(t, o.exit, o.String())
			expect(t, o.exit, o.String(), c.exit, c.want)
		})
	}
}

// Every plugin asks for addresses in the same way.
func TestResolvingEverywhere(t *testing.T) {
	t.Parallel()
	names := nameServer(t)
	for _, name := range Names() {
		for host, want := range map[string]int{"nxdomain.example": exitFail, "servfail.example": exitUnknown} {
			args := []string{host}
			if name == "check_tcp" {
				args = append(args, "-p", "1")
			}
			o := run(t.Context(), name, args, func(string) string { return "" }, names)
			expect(t, o.exit, o.String(), want, host)
		}
	}
}

func TestTakeTurns(t *testing.T) {
	addrs := func(s string) (all []netip.Addr) {
		for w := range strings.FieldsSeq(s) {
			all = append(all, netip.MustParseAddr(w))
		}
		return all
	}
	for in, want := range map[string]string{
		"10.0.0.1":                               "10.0.0.1",
		"::1 ::2 ::3 10.0.0.1":                   "::1 10.0.0.1 ::2 ::3",
		"10.0.0.1 10.0.0.2 ::1 ::2 ::3 10.0.0.3": "10.0.0.1 ::1 10.0.0.2 ::2 10.0.0.3 ::3",
	} {
		if got := strings.Trim(fmt.Sprint(takeTurns(addrs(in))), "[]"); got != want {
			t.Errorf("takeTurns(%s) = %s, want %s", in, got, want)
		}
	}
}

// The node is to blame for what its own kernel refuses; a host or router for what it answers.
func TestWhoseFault(t *testing.T) {
	for _, n := range ownErrnos {
		if err := fmt.Errorf("x: %w", os.NewSyscallError("connect", n)); !isOwn(err) {
			t.Errorf("%v: want the node's own", n)
		}
	}
	for _, n := range []syscall.Errno{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ETIMEDOUT, syscall.EPIPE} {
		if isOwn(os.NewSyscallError("connect", n)) {
			t.Errorf("%v: want the host's", n)
		}
	}
	if err := errors.New("anything"); isOwn(err) {
		t.Errorf("%v: want the host's", err)
	}
}
