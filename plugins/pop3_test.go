package plugins

import (
	"net"
	"testing"
	"time"
)

func TestPOP3(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	mine := "--ca-file " + ca.file
	cert := ca.certificate(t, 49*time.Hour, "127.0.0.1")
	server := func(hello string, answers ...string) func(net.Conn) {
		return clerk{hello: hello, tls: cert, answers: append(answers, "CAPA", "-ERR what?\r\n", "QUIT", "+OK\r\nBYE")}.talk
	}
	offer := []string{"CAPA", "+OK\r\nTOP\r\nSTLS\r\n.\r\n", "STLS", "+OK go\r\nTLS"}
	tryTalks(t, "check_pop3", []talkCase{
		{"a greeting is enough", server("+OK Dovecot ready. <1.2@x>\r\n"), "", exitOK, `pop3 answered "+OK Dovecot ready. <1.2@x>" in `},
		{"that there is no TLS is told", server("+OK\r\n", "CAPA", "+OK\r\nTOP\r\n.\r\n"), "", exitOK, "no TLS offered"},
		{"with --starttls that is a fail", server("+OK\r\n"), "--starttls", exitFail, "doesn't offer STLS"},
		{"TLS is used where it is offered", server("+OK\r\n", offer...), mine, exitOK, ", TLS 1.3 | time="},
		{"a bad certificate is a warning", server("+OK\r\n", offer...), "", exitWarning, "signed by an authority unknown here"},
		{"with --starttls a fail", server("+OK\r\n", offer...), "--starttls", exitFail, "signed by an authority unknown here"},
		{"TLS that is refused is a warning", server("+OK\r\n", offer[0], offer[1], "STLS", "-ERR later\r\n"), mine, exitWarning, `offers STLS and answers it with "-ERR later"`},
		{"nothing comes after the handshake", clerk{hello: "+OK\r\n", answers: []string{"CAPA", "+OK\r\nSTLS\r\n.\r\n", "STLS", "+OK\r\nTLS"}, tls: cert, deaf: true}.talk, mine, exitFail, "closed the connection instead of an answer to CAPA"},
		{"no service, and why", quits("-ERR [SYS/TEMP] too many connections\r\n"), "", exitFail, `refuses service: it said "-ERR [SYS/TEMP] too many connections"`},
		{"almost a greeting", says("+OKAY\r\n"), "", exitFail, `is not POP3: it said "+OKAY"`},
		{"a server that only greets", says("+OK\r\n"), "", exitFail, "no sign of an answer to CAPA within 1.0 s"},
		{"capabilities without an end", server("+OK\r\n", "CAPA", "+OK\r\nTOP\r\n"), "", exitFail, "no end of an answer to CAPA within 1.0 s"},
		{"an IMAP server", says("* OK IMAP4rev1\r\n"), "", exitFail, `is not POP3 but IMAP: it said "* OK IMAP4rev1"`},
	})
}
