package plugins

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// startScript is a server that says a line, hears one, and so on; "<" begins what it hears.
func startScript(lines ...string) func(net.Conn) {
	return func(c net.Conn) {
		for _, l := range lines {
			want, hears := strings.CutPrefix(l, "<")
			if !hears {
				_, _ = io.WriteString(c, l)
				continue
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
				_, _ = io.WriteString(c, "999 heard "+string(got))
				return
			}
		}
	}
}

const (
	ldapAsked = "\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
	ldapFine  = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
	// The same with lengths as Active Directory writes them.
	ldapLong  = "\x30\x84\x00\x00\x00\x18\x02\x01\x01\x78\x84\x00\x00\x00\x0f\x0a\x01\x00\x04\x84\x00\x00\x00\x00\x04\x84\x00\x00\x00\x00"
	ldapBusy  = "\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x34\x04\x00\x04\x04busy"
	mysqlHead = "\x24\x00\x00\x00\x0a8.0.0\x00\x01\x00\x00\x00saltsalt\x00"
	mysqlTail = "\x21\x02\x00\x08\x00\x15\x00\x00\x00\x00\x00\x00\x00\x00"
	mysqlAsk  = "\x20\x00\x00\x01\x00\x8a\x00\x00\x00\x00\x00\x01\x2d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

func TestStartTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	good := issue(t, issued{ca.cert, ca.key}, "127.0.0.1", false, day, 9*day)
	cases := []struct {
		rule  string
		proto string
		talk  func(net.Conn)
		exit  int
		want  string
	}{
		{"smtp", "smtp", startScript("220-mail\r\n220 ESMTP\r\n", "<EHLO dmonitor\r\n", "250-mail\r\n250 STARTTLS\r\n", "<STARTTLS\r\n", "220 go\r\n"), exitOK, "expires in 9 days"},
		{"smtp without", "smtp", startScript("220 ESMTP\r\n", "<EHLO dmonitor\r\n", "250 mail\r\n", "<STARTTLS\r\n", "502 no such\r\n"), exitFail, `offers no TLS: it said "502 no such"`},
		{"smtp that has no time", "smtp", says("421 too busy\r\n"), exitFail, `offers no TLS: it said "421 too busy"`},
		{"smtp that goes on talking", "smtp", startScript("220 ESMTP\r\n", "<EHLO dmonitor\r\n", "250 x\r\n", "<STARTTLS\r\n", "220 go\r\n250 injected\r\n"), exitFail, `"220 go and then 250 injected"`},
		{"smtp that isn't", "smtp", says("SSH-2.0-OpenSSH\r\n"), exitFail, `it said "SSH-2.0-OpenSSH"`},
		{"smtp that stalls", "smtp", says("220 ESMTP\r\n"), exitFail, `before it agreed to TLS: silence for`},
		{"smtp that hangs up", "smtp", quits("220-wait\r\n"), exitFail, `before it agreed to TLS: it closed the connection, after "220-wait"`},
		{"smtp without end", "smtp", endless("220-x\r\n"), exitFail, `offers no TLS: it said "220-x"`},
		{"smtp in one line without end", "smtp", endless("220-x"), exitFail, `offers no TLS: it said "220-x220-x`},
		{"imap", "imap", startScript("* OK hi\r\n", "<a STARTTLS\r\n", "* x\r\na OK go\r\n"), exitOK, "expires in 9 days"},
		{"imap that says bye", "imap", says("* BYE full\r\n"), exitFail, `it said "* BYE full"`},
		{"imap without", "imap", startScript("* OK hi\r\n", "<a STARTTLS\r\n", "a BAD what\r\n"), exitFail, `it said "a BAD what"`},
		{"pop3", "pop3", startScript("+OK hi\r\n", "<STLS\r\n", "+OK go\r\n"), exitOK, "expires in 9 days"},
		{"pop3 without", "pop3", startScript("+OK hi\r\n", "<STLS\r\n", "-ERR what\r\n"), exitFail, `it said "-ERR what"`},
		{"ftp", "ftp", startScript("220-x\r\n y\r\n220 hi\r\n", "<AUTH TLS\r\n", "234 go\r\n"), exitOK, "expires in 9 days"},
		{"ftp without", "ftp", startScript("220 hi\r\n", "<AUTH TLS\r\n", "530 log in first\r\n"), exitFail, `it said "530 log in first"`},
		{"ldap", "ldap", startScript("<"+ldapAsked, ldapFine), exitOK, "expires in 9 days"},
		{"ldap with long lengths", "ldap", startScript("<"+ldapAsked, ldapLong), exitOK, "expires in 9 days"},
		{"ldap without", "ldap", startScript("<"+ldapAsked, ldapBusy), exitFail, `it said "result 52: busy"`},
		{"ldap that isn't", "ldap", startScript("<"+ldapAsked, "HTTP/1.1 400\r\n\r\n"), exitFail, `it said "HT"`},
		{"ldap that is huge", "ldap", startScript("<"+ldapAsked, "\x30\x84\x7f\xff\xff\xff"), exitFail, `it said "0\x84\x7f\xff\xff\xff"`},
		{"postgres", "postgres", startScript("<\x00\x00\x00\x08\x04\xd2\x16\x2f", "S"), exitOK, "expires in 9 days"},
		{"postgres without", "postgres", startScript("<\x00\x00\x00\x08\x04\xd2\x16\x2f", "N"), exitFail, `it said "N"`},
		{"mysql", "mysql", startScript(mysqlHead+"\xff\xff"+mysqlTail, "<"+mysqlAsk), exitOK, "expires in 9 days"},
		{"mysql without", "mysql", startScript(mysqlHead + "\xff\xf7" + mysqlTail), exitFail, `it said "8.0.0, and no word of TLS"`},
		{"mysql that doesn't want us", "mysql", says("\x0a\x00\x00\x00\xff\x6a\x04blocked"), exitFail, `it said "blocked"`},
		{"mysql that isn't", "mysql", says("220 mail.example.com\r\n"), exitFail, `offers no TLS: it said "220 "`},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			port := shows(t, c.talk, good)
			args := []string{"127.0.0.1", "-p", port, "--ca-file", ca.file, "--starttls", c.proto, "-w", "8", "-c", "2"}
			if strings.Contains(c.want, "silence") {
				args = append(args, "-t", "2")
				port = serve(t, c.talk)
				args[2] = port
			}
			if strings.Contains(c.want, "closed") {
				args[2] = serve(t, c.talk)
			}
			exit, out := try(t, nil, "check_cert", args...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
}

// wire is a server that has said all it will say.
type wire struct {
	io.Reader
	io.Writer
}

// Whatever a server says, starting TLS ends, with nothing read that is TLS' own, and what it said is bounded.
func FuzzStartTLS(f *testing.F) {
	for i, s := range []string{"220 x\r\n250 y\r\n220 go\r\n", "* OK\r\na OK\r\n", "+OK\r\n+OK\r\n", "220 x\r\n234 go\r\n", ldapFine, "S", mysqlHead + "\xff\xff" + mysqlTail} {
		f.Add(i, []byte(s))
	}
	f.Add(4, []byte(ldapLong))
	f.Add(4, []byte(ldapBusy))
	f.Add(6, []byte("\x0a\x00\x00\x00\xff\x6a\x04blocked"))
	f.Fuzz(func(t *testing.T, which int, heard []byte) {
		all := starttlsKnown()
		p := all[uint(which)%uint(len(all))]
		in := bytes.NewReader(heard)
		said, err := p.talk(wire{in, io.Discard})
		if len(said) > maxLDAP+64 {
			t.Errorf("%s said %d bytes", p.name, len(said))
		}
		lines := p.name != "ldap" && p.name != "postgres" && p.name != "mysql"
		if err == nil && lines && in.Len() > 0 {
			t.Errorf("%s: fine with %q left", p.name, heard[len(heard)-in.Len():])
		}
		if refusal, ok := errors.AsType[noTLSError](err); ok && len(refusal.Error()) > 8*maxQuoted {
			t.Errorf("%s: refusal of %d bytes", p.name, len(refusal.Error()))
		}
	})
}

func FuzzLDAPResult(f *testing.F) {
	for _, s := range []string{ldapFine[2:], ldapLong[6:], ldapBusy[2:], ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		code, text, err := ldapResult(b)
		if err == nil && (code < 0 || code > 255 || len(text) > len(b)) {
			t.Errorf("ldapResult(%q) = %d, %q", b, code, text)
		}
	})
}
