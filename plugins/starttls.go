package plugins

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of what a server says before TLS begins. SMTP's lines have at most 512 bytes (RFC 5321, section 4.5.3.1.5);
// others don't say.
const (
	maxStartLine  = 1 << 10
	maxStartLines = 100
)

// starttls is a protocol that begins without TLS and then goes on with it.
type starttls struct {
	name string
	port uint16
	// talk speaks until TLS may begin. Its error is a noTLSError if the server won't; said is the last it heard.
	talk func(io.ReadWriter) (said string, err error)
}

// noTLSError is what a server said instead of agreeing.
type noTLSError string

func (r noTLSError) Error() string { return "it said " + quote(string(r)) }

// starttlsKnown lists the protocols.
func starttlsKnown() []starttls {
	return []starttls{
		{"smtp", 25, startSMTP},           // RFC 3207
		{"imap", 143, startIMAP},          // RFC 9051, section 6.2.1
		{"pop3", 110, startPOP3},          // RFC 2595, section 4
		{"ftp", 21, startFTP},             // RFC 4217, section 4.1
		{"ldap", 389, startLDAP},          // RFC 4511, section 4.14
		{"postgres", 5432, startPostgres}, // PostgreSQL, "Message Flow", SSL session encryption
		{"mysql", 3306, startMySQL},       // MySQL, "Connection Phase", SSLRequest
	}
}

// startLines is a conversation in lines.
type startLines struct {
	w    io.Writer
	r    *bufio.Reader
	said string
}

func newStartLines(c io.ReadWriter) *startLines {
	return &startLines{w: c, r: bufio.NewReaderSize(c, maxStartLine)}
}

// until sends a command, if there is one, and reads lines until one for which last tells so. That line must begin with
// want, or it is a refusal.
func (l *startLines) until(command, want string, last func(line string) bool) error {
	if command != "" {
		if _, err := io.WriteString(l.w, command+"\r\n"); err != nil {
			return err
		}
	}
	for range maxStartLines {
		line, err := l.r.ReadSlice('\n')
		if text := strings.TrimRight(string(line), "\r\n"); text != "" || err == nil {
			l.said = text
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return noTLSError(l.said)
		case err != nil:
			return err
		case !last(l.said):
			continue
		case !strings.HasPrefix(l.said, want):
			return noTLSError(l.said)
		}
		return nil
	}
	return noTLSError(l.said)
}

// end makes sure that nothing has come that TLS would take for its own.
func (l *startLines) end(err error) (string, error) {
	if n := l.r.Buffered(); err == nil && n > 0 {
		more, _ := l.r.Peek(n) // they are there
		return l.said, noTLSError(l.said + " and then " + string(more))
	}
	return l.said, err
}

// lastOfReply returns what tells whether a line of SMTP or FTP is the last one of a reply: after "220-" that is the next
// one that begins with "220 ", whatever comes between (RFC 959, section 4.2).
func lastOfReply() func(line string) bool {
	code := ""
	return func(line string) bool {
		if code == "" && len(line) > 3 && line[3] == '-' && line[0] >= '1' && line[0] <= '5' {
			code = line[:3]
			return false
		}
		return code == "" || line == code || strings.HasPrefix(line, code+" ")
	}
}

func anyLine(string) bool { return true }

func startSMTP(c io.ReadWriter) (string, error) {
	l := newStartLines(c)
	err := l.until("", "220", lastOfReply())
	if err == nil {
		err = l.until("EHLO dmonitor", "250", lastOfReply())
	}
	if err == nil {
		err = l.until("STARTTLS", "220", lastOfReply())
	}
	return l.end(err)
}

func startFTP(c io.ReadWriter) (string, error) {
	l := newStartLines(c)
	err := l.until("", "220", lastOfReply())
	if err == nil {
		err = l.until("AUTH TLS", "234", lastOfReply())
	}
	return l.end(err)
}

func startIMAP(c io.ReadWriter) (string, error) {
	l := newStartLines(c)
	err := l.until("", "* ", anyLine)
	if err == nil && strings.HasPrefix(l.said, "* BYE") {
		err = noTLSError(l.said)
	}
	if err == nil {
		err = l.until("a STARTTLS", "a OK", func(line string) bool { return !strings.HasPrefix(line, "* ") })
	}
	return l.end(err)
}

func startPOP3(c io.ReadWriter) (string, error) {
	l := newStartLines(c)
	err := l.until("", "+OK", anyLine)
	if err == nil {
		err = l.until("STLS", "+OK", anyLine)
	}
	return l.end(err)
}

// startPostgres sends an SSLRequest and reads one byte.
func startPostgres(c io.ReadWriter) (string, error) {
	if _, err := c.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}); err != nil {
		return "", err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(c, answer); err != nil {
		return "", err
	}
	if answer[0] != 'S' {
		return "", noTLSError(answer)
	}
	return "", nil
}

// startMySQL reads the server's greeting and answers that TLS comes next.
func startMySQL(c io.ReadWriter) (string, error) {
	head := make([]byte, 4) // length in three bytes, number
	if _, err := io.ReadFull(c, head); err != nil {
		return "", err
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if n > maxStartLine || head[3] != 0 {
		return "", noTLSError(head)
	}
	greeting := make([]byte, n)
	if read, err := io.ReadFull(c, greeting); err != nil {
		return string(head) + string(greeting[:read]), err
	}
	if err := mysqlOffersTLS(greeting); err != nil {
		return "", err
	}
	const protocol41, ssl, secureConnection = 0x200, 0x800, 0x8000
	request := []byte{32, 0, 0, 1, 0, (protocol41 | ssl | secureConnection) >> 8, 0, 0, 0, 0, 0, 1, 45}
	_, err := c.Write(append(request, make([]byte, 23)...))
	return "", err
}

// mysqlOffersTLS reads a greeting: protocol version 10, a version that ends with a zero byte, four bytes of thread, eight of
// salt, a zero byte, and what the server can.
func mysqlOffersTLS(greeting []byte) error {
	const failure, version, ssl = 0xff, 10, 0x800
	if len(greeting) > 3 && greeting[0] == failure {
		return noTLSError(greeting[3:])
	}
	if len(greeting) == 0 || greeting[0] != version {
		return noTLSError(greeting)
	}
	name, rest, ok := strings.Cut(string(greeting[1:]), "\x00")
	if !ok || len(rest) < 4+8+1+2 {
		return noTLSError(greeting)
	}
	if can := int(rest[13]) | int(rest[14])<<8; can&ssl == 0 {
		return noTLSError(fmt.Sprintf("%s, and no word of TLS", name))
	}
	return nil
}
