package embed

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// A member that is new in the list is dialled, as one member dials another.
func TestSetNodesDials(t *testing.T) {
	own, other := freeAddr(t), freeAddr(t)
	s, err := Start(within(t), Options{
		Name: "n0", Nodes: []string{own, other}, Listen: own, ClientListen: "127.0.0.1:0",
		Data: t.TempDir(), MaxPayload: 1 << 20, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	dialled := make(chan struct{}, 1)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				fmt.Fprintf(conn, "INFO {\"server_id\":\"X\",\"server_name\":\"new\",\"cluster\":%q,\"max_payload\":1048576}\r\n", Cluster)
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if strings.HasPrefix(lines.Text(), "CONNECT ") {
						select {
						case dialled <- struct{}{}:
						default:
						}
					}
				}
			}()
		}
	}()
	nodes := []string{own, other, ln.Addr().String()}
	if err := s.SetNodes(nodes); err != nil {
		t.Fatal(err)
	}
	select {
	case <-dialled:
	case <-within(t).Done():
		t.Error("the new member is not dialled")
	}
	if got := s.Nodes(); len(got) != 3 {
		t.Errorf("members %q", got)
	}
	if err := s.SetNodes([]string{own}); err == nil {
		t.Error("a member of a cluster was left alone while it runs")
	}
	if err := s.SetNodes([]string{own, "nonsense"}); err == nil || len(s.Nodes()) != 3 {
		t.Errorf("a list that is wrong: %v, members %q", err, s.Nodes())
	}
}
