//go:build netns

package netns

import (
	"net"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// serveNames answers DNS questions on a socket until it is closed: A for the names it has, "no such name" for others.
func serveNames(t testing.TB, conn net.PacketConn, names map[string][4]byte) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return // the test has ended
		}
		answer, err := answerName(buf[:n], names)
		if err != nil {
			t.Errorf("the name server was asked something odd: %v", err)
			continue
		}
		_, _ = conn.WriteTo(answer, from) // an answer may be lost on the way as well as here
	}
}

func answerName(question []byte, names map[string][4]byte) ([]byte, error) {
	var p dnsmessage.Parser
	head, err := p.Start(question)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	a, has := names[q.Name.String()]
	msg := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: head.ID, Response: true, Authoritative: true, RecursionDesired: head.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	switch {
	case !has:
		msg.RCode = dnsmessage.RCodeNameError
	case a == [4]byte{}:
		msg.RCode = dnsmessage.RCodeServerFailure
	case q.Type == dnsmessage.TypeA:
		msg.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: a},
		}}
	}
	return msg.Pack()
}
