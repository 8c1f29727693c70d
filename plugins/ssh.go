package plugins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// What a server may say before its version: RFC 4253, section 4.2, allows other lines first, but they come at once.
const (
	sshPort     = 22
	maxGreeting = 20  // lines
	maxSSHLine  = 255 // bytes, with its end: RFC 4253, section 4.2
	nextLine    = 2 * time.Second
)

// sshHello is what this client calls itself, so that the server's log says who it was.
const sshHello = "SSH-2.0-dmonitor_check_ssh\r\n"

var errNotSSH = errors.New("not SSH")

// ssh is check_ssh: the server must say its version, as RFC 4253 has it. It does not log in.
func ssh(c *call) func(context.Context) outcome {
	port := c.flags.Uint16P("port", "p", sshPort, "TCP port")
	software := c.flags.StringP("remote-version", "r", "", "fail unless it is this software, such as OpenSSH_9.2p1")
	protocol := c.flags.StringP("remote-protocol", "P", "", "fail unless it is this version of the protocol, such as 2.0")
	slow := slowness(c)
	return func(ctx context.Context) outcome {
		conn, err := c.dial(ctx, c.host, *port)
		if err != nil {
			return broken(err)
		}
		defer bound(ctx, conn)()
		connected := time.Since(c.start)
		other := false // something other than a version has come
		hurry := func() {
			other = true
			_ = conn.SetReadDeadline(sooner(ctx, nextLine)) // fails only on a closed connection: the next read says so
		}
		version, first, err := greeting(conn, hurry)
		switch {
		case errors.Is(err, errNotSSH), other && timedOut(err) && !errors.Is(ctx.Err(), context.Canceled):
			return fail("%s is not SSH: it said %s", portOf(conn), quote(first))
		case err != nil:
			return c.broke(ctx, conn, connected, "before it said its SSH version", first, err)
		}
		_, _ = io.WriteString(conn, sshHello) // a courtesy: the answer is already here
		if err := sshWanted(version, *software, *protocol); err != nil {
			return fail("%s answered %s: %v", portOf(conn), quote(version), err)
		}
		took, perf := c.took()
		return slow.judge(took, outcome{text: fmt.Sprintf("ssh answered %s in %s", quote(version), span(took)), perf: []string{perf}})
	}
}

// sshWanted compares a version with what was asked for, if anything. The line is "SSH-protocol-software comment" (RFC 4253,
// section 4.2); the software may be given with or without its comment.
func sshWanted(version, software, protocol string) error {
	isProtocol, rest, _ := strings.Cut(strings.TrimPrefix(version, "SSH-"), "-")
	isSoftware, _, _ := strings.Cut(rest, " ")
	switch {
	case protocol != "" && protocol != isProtocol:
		return fmt.Errorf("its protocol is not %s", quote(protocol))
	case software != "" && software != isSoftware && software != rest:
		return fmt.Errorf("its software is not %s", quote(software))
	}
	return nil
}

// greeting reads to the line that starts with "SSH-" and returns it, and the first line that didn't. It calls hurry once
// a line has come that is something else: who doesn't speak SSH now waits for us. Its error is errNotSSH if too much
// came.
func greeting(r io.Reader, hurry func()) (version, first string, err error) {
	lines := bufio.NewReaderSize(r, maxSSHLine+1)
	for range maxGreeting {
		line, err := lines.ReadSlice('\n')
		text := strings.TrimRight(string(line), "\r\n")
		if err == nil && strings.HasPrefix(text, "SSH-") {
			return text, first, nil
		}
		if first == "" {
			first = text
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return "", first, errNotSSH
		case err != nil:
			return "", first, err
		}
		hurry()
	}
	return "", first, errNotSSH
}
