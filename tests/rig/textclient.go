package rig

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/key"
)

// TextClient is a plain client that speaks just enough of the NATS text protocol to subscribe: what another tool in any
// language would do. With a cluster key it shows a credential that allows everything, over TLS.
type TextClient struct {
	mu   sync.Mutex
	seen []TextEvent
}

// TextEvent is one message: the subject it came on, its headers as they stood, its body.
type TextEvent struct {
	Subject, Headers string
	Body             struct{ Outage, Event, Host, Test string }
	Data             []byte // the body as it stood
}

// Subscribe connects to a node and subscribes.
func Subscribe(t testing.TB, addr, subject string) *TextClient {
	t.Helper()
	var conn net.Conn
	var in *bufio.Reader
	var connect string
	Until(t, addr+" greets", func() bool { // A node that has just opened its port may still hang up.
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		if conn, in, connect, err = open(c, nil); err == nil {
			return true
		}
		c.Close()
		return false
	})
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "%sSUB %s 1\r\nPING\r\n", connect, subject)
	c := &TextClient{}
	ready := make(chan struct{})
	go c.read(t, conn, in, ready)
	<-ready
	return c
}

// open reads the node's greeting, and returns the connection, TLS or not, and the line that answers it. What the node says
// next is read from in.
func open(c net.Conn, as *key.Creds) (conn net.Conn, in *bufio.Reader, connect string, err error) {
	var info []byte
	for one := make([]byte, 1); !bytes.HasSuffix(info, []byte("\n")); info = append(info, one...) { // what follows may be TLS
		if _, err := c.Read(one); err != nil {
			return nil, nil, "", err
		}
	}
	conn, connect, err = greet(c, string(info), as)
	if err != nil {
		return nil, nil, "", err
	}
	return conn, bufio.NewReader(conn), connect, nil
}

func (c *TextClient) read(t testing.TB, conn net.Conn, in *bufio.Reader, ready chan struct{}) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return // the node or the test has ended
		}
		switch words := strings.Fields(line); words[0] {
		case "PING":
			fmt.Fprint(conn, "PONG\r\n")
		case "PONG":
			close(ready)
		case "MSG", "HMSG":
			c.message(t, in, words)
		}
	}
}

func (c *TextClient) message(t testing.TB, in *bufio.Reader, words []string) {
	head, total := 0, number(t, words[len(words)-1])
	if words[0] == "HMSG" {
		head = number(t, words[len(words)-2])
	}
	data := make([]byte, total+2)
	if _, err := io.ReadFull(in, data); err != nil {
		return
	}
	e := TextEvent{Subject: words[1], Headers: string(data[:head]), Data: data[head:total]}
	if err := json.Unmarshal(data[head:total], &e.Body); err != nil {
		t.Errorf("body on %s: %v", e.Subject, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, e)
}

func number(t testing.TB, word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		t.Errorf("the server said %q where a number belongs", word)
	}
	return n
}

// Events lists what came so far.
func (c *TextClient) Events() []TextEvent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]TextEvent(nil), c.seen...)
}

// Since lists what came after the first n.
func (c *TextClient) Since(n int) []TextEvent {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]TextEvent(nil), c.seen[n:]...)
}

// Count tells how many came so far.
func (c *TextClient) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// Publish connects to a node and publishes messages, and returns when the node has taken them all.
func Publish(t testing.TB, addr string, messages map[string][]byte, times int) {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	conn, in, connect, err := open(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(conn)
	fmt.Fprint(out, connect)
	for range times {
		for subject, body := range messages {
			fmt.Fprintf(out, "PUB %s %d\r\n%s\r\n", subject, len(body), body)
		}
	}
	fmt.Fprint(out, "PING\r\n")
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "-ERR") {
			t.Fatalf("publish: the node says %q (%v)", line, err)
		}
		if strings.HasPrefix(line, "PONG") {
			return
		}
	}
}
