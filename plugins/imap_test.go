package plugins

import (
	"net"
	"testing"
	"time"
)

func TestIMAP(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	mine := "--ca-file " + ca.file
	cert := ca.certificate(t, 49*time.Hour, "127.0.0.1")
	const plain = "* CAPABILITY IMAP4rev1 IDLE\r\nc1 OK done\r\n"
	server := func(hello string, answers ...string) func(net.Conn) {
		return clerk{hello: hello, tls: cert, answers: append(answers, "c3 CAPABILITY", "* CAPABILITY IMAP4rev1\r\nc3 OK done\r\n", "bye LOGOUT", "* BYE\r\nbye OK\r\nBYE")}.talk
	}
	offer := []string{"c1 CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\nc1 OK done\r\n", "c2 STARTTLS", "c2 OK go\r\nTLS"}
	tryTalks(t, "check_imap", []talkCase{
		{"a greeting and its capabilities are enough", server("* OK Dovecot ready.\r\n", "c1 CAPABILITY", plain), "", exitOK, `imap answered "* OK Dovecot ready." in `},
		{"that there is no TLS is told", server("* OK hi\r\n", "c1 CAPABILITY", plain), "", exitOK, "no TLS offered"},
		{"with --starttls that is a fail", server("* OK hi\r\n", "c1 CAPABILITY", plain), "--starttls", exitFail, "doesn't offer STARTTLS"},
		{"TLS is used where it is offered", server("* OK hi\r\n", offer...), mine, exitOK, ", TLS 1.3 | time="},
		{"a bad certificate is a warning", server("* OK hi\r\n", offer...), "", exitWarning, "signed by an authority unknown here"},
		{"with --starttls a fail", server("* OK hi\r\n", offer...), "--starttls", exitFail, "signed by an authority unknown here"},
		{"TLS that is refused is a warning", server("* OK hi\r\n", offer[0], offer[1], "c2 STARTTLS", "c2 NO later\r\n"), mine, exitWarning, `offers STARTTLS and answers it with "NO later"`},
		{"nothing comes after the handshake", clerk{hello: "* OK hi\r\n", answers: offer, tls: cert}.talk, mine, exitFail, "closed the connection instead of an answer to CAPABILITY"},
		{"small letters are fine", server("* ok hi\r\n", "c1 CAPABILITY", "* capability imap4rev1 starttls\r\nc1 ok\r\n", "c2 STARTTLS", "c2 ok\r\nTLS"), mine, exitOK, "TLS 1.3"},
		{"who is logged in already can't begin TLS", server("* PREAUTH hi\r\n", offer...), "--starttls", exitFail, "doesn't offer STARTTLS"},
		{"and needn't", server("* PREAUTH hi\r\n", offer...), "", exitOK, `"* PREAUTH hi"`},
		{"no service, and why", quits("* BYE too many connections from your IP\r\n"), "", exitFail, `refuses service: it said "* BYE too many connections from your IP"`},
		{"a greeting that IMAP doesn't have", says("* HELLO\r\n"), "", exitFail, `is not IMAP: it said "* HELLO"`},
		{"a server that only greets", says("* OK hi\r\n"), "", exitFail, "no sign of an answer to CAPABILITY within 1.0 s"},
		{"a server that can't say what it can", server("* OK hi\r\n", "c1 CAPABILITY", "c1 BAD what?\r\n"), "", exitFail, `answered CAPABILITY with "BAD what?"`},
		{"nonsense", server("* OK hi\r\n", "c1 CAPABILITY", "what?\r\n"), "", exitFail, `instead of an answer to CAPABILITY it said "what?"`},
		{"capabilities without an end", server("* OK hi\r\n", "c1 CAPABILITY", "* CAPABILITY IMAP4rev1\r\n"), "", exitFail, `no end of an answer to CAPABILITY within 1.0 s, after "* CAPABILITY IMAP4rev1"`},
		{"a POP3 server", says("+OK Dovecot ready.\r\n"), "", exitFail, `is not IMAP but POP3: it said "+OK Dovecot ready."`},
	})
}
