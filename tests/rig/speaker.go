package rig

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/key"
)

// Speaker says lines of the NATS protocol to a node and hears what it answers, in order: what is refused is known by the
// time the answer is there.
type Speaker struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader

	// Heard are the subjects of the messages that came, in order.
	Heard []string
}

// Speak connects to an address, as a node's ClientURL or host:port, with credentials.
func Speak(t testing.TB, addr string, c *key.Creds) *Speaker {
	t.Helper()
	addr = addr[strings.LastIndexByte(addr, '/')+1:]
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	if err := raw.SetDeadline(time.Now().Add(Patience)); err != nil {
		t.Fatal(err)
	}
	s := &Speaker{t: t}
	var connect string
	if s.conn, s.in, connect, err = open(raw, c); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(s.conn, connect)
	return s
}

// Say says lines, and returns the errors that the node answers with. Over means that it hung up.
func (s *Speaker) Say(lines ...string) (errs []string, over bool) {
	s.t.Helper()
	for _, l := range append(lines, "PING") {
		if _, err := fmt.Fprintf(s.conn, "%s\r\n", l); err != nil {
			over = true // what it has said before can still be read
		}
	}
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return errs, true
		}
		switch words := strings.Fields(line); words[0] {
		case "PONG":
			return errs, over
		case "PING":
			fmt.Fprint(s.conn, "PONG\r\n")
		case "-ERR":
			errs = append(errs, strings.TrimSpace(line))
		case "MSG", "HMSG":
			s.Heard = append(s.Heard, words[1])
			if _, err := io.CopyN(io.Discard, s.in, int64(number(s.t, words[len(words)-1]))+2); err != nil {
				return errs, true
			}
		}
	}
}
