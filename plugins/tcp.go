package plugins

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

// maxExpect bounds what check_tcp reads while it waits for --expect.
const maxExpect = 64 << 10

var errTooMuch = errors.New("too much else came")

// tcp is check_tcp: a connection is opened; with --send something is said, and with --expect something must come back.
func tcp(c *call) func(context.Context) outcome {
	port := c.flags.Uint16P("port", "p", 0, "TCP port (needed)")
	send := c.flags.StringP("send", "s", "", `say this once connected; \r \n \t \\ are understood`)
	expect := c.flags.StringP("expect", "e", "", "this must be in the answer")
	c.flags.BoolP("escape", "E", false, "changes nothing: taken because the check_tcp of Nagios has it")
	slow := slowness(c)
	return func(ctx context.Context) outcome {
		if *port == 0 {
			return c.misused(errors.New("the port is missing"))
		}
		conn, err := c.dial(ctx, c.host, *port)
		if err != nil {
			return broken(err)
		}
		defer bound(ctx, conn)()
		connected := time.Since(c.start)
		if *send != "" {
			if _, err := io.WriteString(conn, unescape(*send)); err != nil {
				return c.broke(ctx, conn, connected, "while it was spoken to", "", err)
			}
		}
		answered := ""
		if *expect != "" {
			got, err := readUntil(conn, []byte(unescape(*expect)), maxExpect)
			if err != nil {
				return c.broke(ctx, conn, connected, "before it said "+quote(*expect), string(got), err)
			}
			answered = " and said " + quote(*expect)
		}
		took, perf := c.took()
		return slow.judge(took, outcome{text: "port " + portOf(conn) + " answered in " + span(connected) + answered, perf: []string{perf}})
	}
}

// readUntil reads until want has come, and returns what came if it did not: the error is errTooMuch if limit bytes came.
func readUntil(r io.Reader, want []byte, limit int) ([]byte, error) {
	var got []byte
	buf := make([]byte, 4096)
	for len(got) < limit {
		n, err := r.Read(buf)
		from := max(0, len(got)-len(want)) // want may have begun in what came before
		got = append(got, buf[:n]...)
		if bytes.Contains(got[from:], want) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
	return got, errTooMuch
}

// broke is the outcome of a connection that ended, or fell silent, too early: when is what had not happened yet, said
// what came until then.
func (c *call) broke(ctx context.Context, conn net.Conn, connected time.Duration, when, said string, err error) outcome {
	if said != "" {
		said = ", after " + quote(said)
	}
	where := "connected to " + portOf(conn) + " in " + span(connected)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return unknown("interrupted %s", when)
	case timedOut(err):
		return fail("%s, but %s: silence for %s%s", where, when, span(c.budget-connected), said)
	case errors.Is(err, io.EOF):
		return fail("%s, but %s: it closed the connection%s", where, when, said)
	default:
		return fail("%s, but %s: %s%s", where, when, reason(err), said)
	}
}

// portOf is the far end of a connection, for people.
func portOf(conn net.Conn) string {
	a, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return conn.RemoteAddr().String()
	}
	return a.AddrPort().String()
}

func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\r`, "\r", `\n`, "\n", `\t`, "\t").Replace(s)
}
