package plugins

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSMTP(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	mine := " --ca-file " + ca.file
	cert := ca.certificate(t, 49*time.Hour, "127.0.0.1")
	const hello, offer = "220 mail.example.com ESMTP Exim 4.96\r\n", "250-mail.example.com\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"
	server := func(answers ...string) func(net.Conn) {
		return clerk{hello: hello, answers: append(answers, "EHLO", "250 hi\r\n", "MAIL", "250 ok\r\n", "QUIT", "221 bye\r\nBYE"), tls: cert}.talk
	}
	greets := func(hello string) func(net.Conn) {
		return clerk{hello: hello, answers: []string{"EHLO", "250 hi\r\n", "QUIT", "221\r\nBYE"}}.talk
	}
	tls := []string{"EHLO", offer, "STARTTLS", "220 go\r\nTLS"}
	tryTalks(t, "check_smtp", []talkCase{
		{"a greeting and a hello are enough", server(), "", exitOK, `smtp answered "220 mail.example.com ESMTP Exim 4.96" in `},
		{"that there is no TLS is told", server(), "", exitOK, ", no TLS offered | time="},
		{"TLS is used where it is offered", server(tls...), mine, exitOK, ", TLS 1.3 | time="},
		{"its certificate's days are kept", server(tls...), mine, exitOK, " cert_days=2.0;"},
		{"a bad certificate is a warning, since the TLS was only offered", server(tls...), "", exitWarning, ", but certificate of 127.0.0.1 is signed by an authority unknown here"},
		{"with --starttls it is a fail", server(tls...), "-S", exitFail, "signed by an authority unknown here"},
		{"an expired one is, too", clerk{hello: hello, answers: append(tls, "QUIT", "221\r\nBYE"), tls: ca.certificate(t, -50*time.Hour, "127.0.0.1")}.talk, mine + " -D 14,7", exitFail, ", but certificate of 127.0.0.1 expired 2 days ago"},
		{"--insecure takes it", server(tls...), "-S --insecure", exitOK, "TLS 1.3"},
		{"with --starttls it has to be offered", server(), "--starttls", exitFail, "doesn't offer STARTTLS"},
		{"--no-starttls does without", server(tls...), "--no-starttls", exitOK, `Exim 4.96" in `},
		{"both of them make no sense", server(), "--starttls --no-starttls", exitUnknown, "only one of --starttls and --no-starttls"},
		{"TLS that is offered and refused is a warning", server("EHLO", offer, "STARTTLS", "454 TLS not available\r\n"), "", exitWarning, `but it offers STARTTLS and answers it with "454 TLS not available"`},
		{"with --starttls it is a fail", server("EHLO", offer, "STARTTLS", "454 TLS not available\r\n"), "-S", exitFail, `answered STARTTLS with "454 TLS not available"`},
		{"words after the go-ahead may be somebody else's", server("EHLO", offer, "STARTTLS", "220 go\r\n250 evil\r\nTLS"), mine, exitFail, `goes on talking without TLS after it agreed to STARTTLS: it said "250 evil"`},
		{"a handshake that doesn't come", server("EHLO", offer, "STARTTLS", "220 go\r\n"), mine, exitFail, "instead of the TLS handshake"},
		{"several lines of greeting", greets("220-Welcome\r\n220-to us\r\n220 ESMTP\r\n"), "", exitOK, `"220 Welcome to us ESMTP"`},
		{"a code without words", greets("220\r\n"), "", exitOK, `smtp answered "220"`},
		{"what must be in the greeting is", greets(hello), "-e Exim", exitOK, "answered"},
		{"what must be in the greeting isn't", greets(hello), "-e Postfix", exitFail, `greeted with "220 mail.example.com ESMTP Exim 4.96", and "Postfix" is not in it`},
		{"too busy", greets("421 4.3.2 Too many connections\r\n"), "", exitFail, `refuses service: it said "421 4.3.2 Too many connections"`},
		{"no mail here, and why", greets("554-blocked\r\n554 5.7.1 Your address 192.0.2.1 is on a list, see https://list.example/192.0.2.1\r\n"), "", exitFail, `refuses service: it said "554 blocked 5.7.1 Your address 192.0.2.1 is on a list, see https://list.example/192.0.2.1"`},
		{"a greeting of many lines without an end", endless("220-spam\r\n"), "", exitFail, `no end of a greeting within 64 KiB, after "220-spam\r\n`},
		{"a greeting of two lines without an end", says("220-spam\r\n220-"), "", exitFail, `no end of a greeting within 1.0 s, after "220-spam`},
		{"an FTP server", clerk{hello: "220 (vsFTPd 3.0.5)\r\n", answers: []string{"EHLO", "530 log in\r\n", "HELO", "530 log in\r\n"}}.talk, "", exitFail, `is not SMTP but FTP: it said "220 (vsFTPd 3.0.5)"`},
		{"a mail server of that name", greets("220 ftp.example.com at your service\r\n"), "", exitOK, "answered"},
		{"a news server", greets("200 NNTP news.example.com\r\n"), "", exitFail, `is not SMTP but NNTP: it said "200 NNTP news.example.com"`},
		{"an FTP server that doesn't say so", clerk{hello: "220 hi\r\n", answers: []string{"EHLO", "500 what?\r\n", "HELO", "530 log in\r\n"}}.talk, "", exitFail, `answered HELO [127.0.0.1] with "530 log in", after the greeting "220 hi"`},
		{"an old server", server("EHLO", "500 what?\r\n", "HELO", "250 hi\r\n"), "", exitOK, "no TLS offered"},
		{"no time for us", server("EHLO", "421 shutting down\r\nBYE"), "", exitFail, `answered EHLO [127.0.0.1] with "421 shutting down"`},
		{"silence after the greeting", says(hello), "", exitFail, "no sign of an answer to EHLO [127.0.0.1] within 1.0 s"},
		{"nonsense after the greeting", server("EHLO", "hi!\r\n"), "", exitFail, `instead of an answer to EHLO [127.0.0.1] it said "hi!"`},
		{"hanging up after the greeting", quits(hello), "", exitFail, "instead of an answer to EHLO [127.0.0.1]"},
		{"an address that is taken", server("RCPT", "250 ok\r\n"), "-r info@example.com", exitOK, "would take mail to info@example.com"},
		{"one that isn't", server("RCPT", "550 5.1.1 no such user\r\n"), "-r info@example.com", exitFail, `answered RCPT TO:<info@example.com> with "550 5.1.1 no such user"`},
		{"one that isn't now", server("RCPT", "451 can't look it up\r\n"), "-r info@example.com", exitFail, `with "451 can't look it up"`},
		{"a sender that isn't liked", server("MAIL FROM:<me@example.org>", "550 not you\r\n"), "-r info@example.com -f me@example.org", exitFail, `answered MAIL FROM:<me@example.org> with "550 not you"`},
		{"slower than -c", server(), "-c 1ns", exitFail, "slower than"},
		{"slower than -w", server(), "-w 1ns", exitWarning, "slower than"},
	})
}

// Nothing of what is given as an address or a name may become a command of its own.
func TestMailWords(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"a\r\nDATA", "a>b", "<a", "a b", "ü@example.com", strings.Repeat("a", 255)} {
		for _, option := range []string{"--rcpt", "--from", "--fqdn"} {
			exit, out := try(t, nil, "check_smtp", "127.0.0.1", option, word)
			expect(t, exit, out, exitUnknown, "usage: check_smtp")
		}
	}
}

// The server hears the commands in their order, is introduced to whoever it talks to again after TLS, and is taken leave of.
func TestSMTPManners(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	heard := make(chan string, 20)
	k := clerk{
		hello: "220 hi\r\n", tls: ca.certificate(t, time.Hour, "127.0.0.1"), heard: heard,
		answers: []string{"EHLO", "250-hi\r\n250 STARTTLS\r\n", "STARTTLS", "220 go\r\nTLS", "MAIL", "250\r\n", "RCPT", "250\r\n", "QUIT", "221\r\nBYE"},
	}
	exit, out := try(t, nil, "check_smtp", "127.0.0.1", "-p", serve(t, k.talk), "--ca-file", ca.file, "-F", "node.example", "-f", "me@example.org", "-r", "info@example.com")
	expect(t, exit, out, exitOK, "would take mail to info@example.com")
	close(heard)
	got := slices.Collect(func(yield func(string) bool) {
		for s := range heard {
			if !yield(s) {
				return
			}
		}
	})
	want := []string{"EHLO node.example", "STARTTLS", "EHLO node.example", "MAIL FROM:<me@example.org>", "RCPT TO:<info@example.com>", "QUIT"}
	if !slices.Equal(got, want) {
		t.Errorf("the server heard %q\nwant %q", got, want)
	}
}

func TestReplyLine(t *testing.T) {
	for _, c := range []struct {
		line string
		code int
		text string
		more bool
		ok   bool
	}{
		{"220 hi", 220, "hi", false, true},
		{"220-hi ", 220, "hi", true, true},
		{"220", 220, "", false, true},
		{"220-", 220, "", true, true},
		{"220 ", 220, "", false, true},
		{"22", 0, "", false, false},
		{"2200", 0, "", false, false},
		{"220_x", 0, "", false, false},
		{"+20 x", 0, "", false, false},
		{"099 x", 0, "", false, false},
		{"600 x", 0, "", false, false},
		{"", 0, "", false, false},
	} {
		code, text, more, ok := replyLine(c.line)
		if code != c.code || text != c.text || more != c.more || ok != c.ok {
			t.Errorf("replyLine(%q) = %d, %q, %v, %v", c.line, code, text, more, ok)
		}
	}
}
