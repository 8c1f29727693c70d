package plugins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Limits of a conversation.
const (
	maxTalk   = 64 << 10 // bytes of a server's part in it; more than any of them has to say
	maxTape   = 512      // bytes kept of an answer that went wrong
	maxReason = 160      // bytes of a refusal that are told: why it refuses comes late in it
	leaveWait = time.Second
)

// aGreeting is the first stage of every conversation: these servers speak first.
const aGreeting = "a greeting"

// dialogue is a conversation with a server that greets and then answers commands, line by line. The clients there are for
// these protocols do much more than to greet (they log in, send and fetch), and they don't keep what a server said that
// speaks another protocol, or stopped half-way, which is what people need to know. net/textproto takes what came before
// a connection broke for a whole line, "250 o" as well as "+OK", so that lines are found here.
//
// Its errors are ready to be told: they say where, what was waited for, and what came instead.
type dialogue struct {
	call  *call
	proto string // what it should speak: "SMTP"
	limit int    // bytes of the server's part
	enc   *tlsWish

	conn  *tape
	lines *bufio.Reader
	eol   string        // how lines to the server end
	stage string        // what is being waited for, in words
	hint  string        // what silence may mean
	lost  bool          // there is nobody, or nobody of that protocol, to say more to
	said  string        // the greeting
	shown *findings     // about the server's certificate, if TLS is spoken
	left  time.Duration // until it ends
	notes []string      // what else was found
	warn  []string      // what works, but not as it should
}

// tape is a connection that keeps the beginning of what came since the last question, and reads no more than its limit.
type tape struct {
	net.Conn
	left int
	said []byte
}

// Read implements io.Reader. Its error is errTooMuch when the limit is reached.
func (t *tape) Read(p []byte) (int, error) {
	if t.left <= 0 {
		return 0, errTooMuch
	}
	n, err := t.Conn.Read(p[:min(len(p), t.left)])
	t.left -= n
	t.said = append(t.said, p[:min(n, maxTape-len(t.said))]...)
	return n, err
}

// on goes on with the conversation on another connection: the first one, and later TLS in it.
func (d *dialogue) on(conn net.Conn) {
	d.conn = &tape{Conn: conn, left: d.limit}
	d.lines = bufio.NewReader(d.conn)
}

// wait names what the next reads are for.
func (d *dialogue) wait(stage string) {
	d.stage, d.conn.said = stage, nil
}

// line reads one line, without its end.
func (d *dialogue) line() (string, error) {
	line, err := d.lines.ReadString('\n') // at most d.limit bytes
	if err != nil {
		return "", d.broke(err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// say sends a command. What is waited for from then on is an answer to it.
func (d *dialogue) say(command string) error {
	d.wait("an answer to " + command)
	if _, err := io.WriteString(d.conn, command+d.eol); err != nil {
		return d.broke(err)
	}
	return nil
}

// leave says good-bye and waits until the server hangs up, so that its log has nothing odd. What was to be found out is
// known by now: whatever goes wrong here doesn't matter.
func (d *dialogue) leave(ctx context.Context, command string) {
	_ = d.conn.SetDeadline(sooner(ctx, leaveWait))
	if command != "" && !d.lost && d.say(command) == nil {
		_, _ = io.Copy(io.Discard, d.lines)
	}
	_ = d.conn.Close()
}

// broke says why there is no further line.
func (d *dialogue) broke(err error) error {
	d.lost = true
	at, said, after := portOf(d.conn), string(d.conn.said), ""
	if said != "" {
		after = ", after " + quote(said)
	}
	other := speaks(said)
	switch {
	case isOwn(err):
		return own("%s: no sign of %s: %s", at, d.stage, reason(err))
	case d.stage == aGreeting && other != "" && other != d.proto:
		return d.foreign(said)
	case timedOut(err) && said == "":
		return fmt.Errorf("%s: connected, but no sign of %s within %s%s", at, d.stage, span(d.call.budget), d.hint)
	case timedOut(err):
		return fmt.Errorf("%s: connected, but no end of %s within %s%s", at, d.stage, span(d.call.budget), after)
	case errors.Is(err, errTooMuch):
		return fmt.Errorf("%s: no end of %s within %d KiB%s", at, d.stage, d.limit>>10, after)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s closed the connection instead of %s%s", at, d.stage, after)
	}
	return fmt.Errorf("%s: no sign of %s: %s%s", at, d.stage, reason(err), after)
}

// foreign is the error of a server that said something the protocol doesn't have.
func (d *dialogue) foreign(said string) error {
	d.lost = true
	if other := speaks(said); other != "" && other != d.proto {
		return fmt.Errorf("%s is not %s but %s: it said %s", portOf(d.conn), d.proto, other, quote(said))
	}
	if d.stage == aGreeting {
		return fmt.Errorf("%s is not %s: it said %s", portOf(d.conn), d.proto, quote(said))
	}
	return fmt.Errorf("%s: instead of %s it said %s", portOf(d.conn), d.stage, quote(said))
}

// refused is the error of a server that understands and won't.
func (d *dialogue) refused(said string) error {
	if other := speaks(said); d.stage == aGreeting && other != "" && other != d.proto {
		return d.foreign(said)
	}
	if d.stage == aGreeting {
		return fmt.Errorf("%s refuses service: it said %s", portOf(d.conn), inFull(said))
	}
	return fmt.Errorf("%s answered %s with %s", portOf(d.conn), strings.TrimPrefix(d.stage, "an answer to "), inFull(said))
}

// inFull quotes a refusal.
func inFull(said string) string {
	return `"` + clean(strings.Join(strings.Fields(said), " "), maxReason) + `"`
}
