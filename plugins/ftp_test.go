package plugins

import (
	"net"
	"testing"
	"time"
)

func TestFTP(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	mine := "--ca-file " + ca.file
	cert := ca.certificate(t, 49*time.Hour, "127.0.0.1")
	server := func(hello string, answers ...string) func(net.Conn) {
		return clerk{hello: hello, tls: cert, answers: append(answers, "FEAT", "530 log in\r\n", "NOOP", "530 log in\r\n", "QUIT", "221 bye\r\nBYE")}.talk
	}
	offer := []string{"FEAT", "211-Features:\r\n AUTH SSL;TLS\r\n PASV\r\n211 End\r\n", "AUTH TLS", "234 go\r\nTLS"}
	tryTalks(t, "check_ftp", []talkCase{
		{"a greeting is enough", server("220 (vsFTPd 3.0.5)\r\n"), "", exitOK, `ftp answered "220 (vsFTPd 3.0.5)" in `},
		{"several lines, some of them without a code", server("220-Welcome\r\n   to us\r\n221 no, that isn't the end\r\n220 ready\r\n"), "", exitOK, `"220 Welcome to us 221 no, that isn't the end ready"`},
		{"ready in a while, and then ready", server("120 in 1 minute\r\n220 ready\r\n"), "", exitOK, `"220 ready"`},
		{"that there is no TLS is told", server("220 hi\r\n"), "", exitOK, "no TLS offered"},
		{"with --starttls that is a fail", server("220 hi\r\n"), "--starttls", exitFail, "doesn't offer AUTH TLS"},
		{"TLS is used where it is offered", server("220 hi\r\n", offer...), mine, exitOK, ", TLS 1.3 | time="},
		{"a bad certificate is a warning", server("220 hi\r\n", offer...), "", exitWarning, "signed by an authority unknown here"},
		{"with --starttls a fail", server("220 hi\r\n", offer...), "--starttls", exitFail, "signed by an authority unknown here"},
		{"TLS that is refused is a warning", server("220 hi\r\n", offer[0], offer[1], "AUTH TLS", "431 not now\r\n"), mine, exitWarning, `offers AUTH TLS and answers it with "431 not now"`},
		{"too busy", server("421 Too many users\r\n"), "", exitFail, `refuses service: it said "421 Too many users"`},
		{"no end of the greeting", endless("220-spam\r\n"), "", exitFail, "no end of a greeting within 64 KiB"},
		{"a server that only greets", says("220 hi\r\n"), "", exitFail, "no sign of an answer to FEAT within 1.0 s"},
		{"a mail server", server("220 mail.example.com ESMTP\r\n", "FEAT", "500 what?\r\n", "NOOP", "250 fine\r\n"), "", exitFail, `is not FTP but SMTP: it said "220 mail.example.com ESMTP", and to NOOP "250 fine"`},
		{"an FTP server of that name", server("220 smtp.example.com ready\r\n"), "", exitOK, "answered"},
		{"one that says 250 but FTP, too", server("220 old FTP\r\n", "NOOP", "250 fine\r\n"), "", exitOK, "answered"},
	})
}
