package plugins

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

func TestSSH(t *testing.T) {
	t.Parallel()
	cases := []struct {
		rule string
		talk func(net.Conn)
		exit int
		want string
	}{
		{"a version is ok", says("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), exitOK, `ssh answered "SSH-2.0-OpenSSH_9.2p1 Debian-2" in `},
		{"a line without CR is fine", says("SSH-2.0-x\n"), exitOK, `"SSH-2.0-x"`},
		{"other lines may come first", says("Welcome\r\nto us\r\nSSH-2.0-x\r\n"), exitOK, `"SSH-2.0-x"`},
		{"another protocol is told by what it says", says("220 mail.example.com ESMTP\r\n"), exitFail, `is not SSH: it said "220 mail.example.com ESMTP"`},
		{"one that hangs up as well", quits("HTTP/1.1 400 Bad Request\r\n\r\n"), exitFail, `before it said its SSH version: it closed the connection, after "HTTP/1.1 400 Bad Request"`},
		{"half a version is none", says("SSH-2.0-Ope"), exitFail, `before it said its SSH version: silence for`},
		{"a version that never ends is none", endless("SSH-2.0-aaaaaaaaaaaaaaaaaaaaa"), exitFail, `is not SSH: it said "SSH-2.0-aaa`},
		{"a tarpit that talks for ever is none", endless("lorem ipsum\r\n"), exitFail, `is not SSH: it said "lorem ipsum"`},
		{"a huge line is none", endless("x"), exitFail, `is not SSH: it said "xxx`},
		{"silence is a fail", silent, exitFail, "before it said its SSH version: silence for"},
		{"hanging up is a fail", closing, exitFail, "it closed the connection"},
		{"a reset is a fail", reset, exitFail, "connection reset by peer"},
		{"what the server says can't paint the terminal", says("SSH-2.0-\x1b[31m|\u202ex\x00\xff\r\n"), exitOK, `"SSH-2.0-\x1b[31m\x7c\u202ex\x00\xff"`},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			budget := "30"
			if strings.Contains(c.want, "silence") {
				budget = "2"
			}
			exit, out := try(t, nil, "check_ssh", "127.0.0.1", "-p", serve(t, c.talk), "-t", budget)
			expect(t, exit, out, c.exit, c.want)
		})
	}
	t.Run("a closed port is a fail", func(t *testing.T) {
		t.Parallel()
		exit, out := try(t, nil, "check_ssh", "127.0.0.1", "-p", closedPort(t))
		expect(t, exit, out, exitFail, "connection refused")
	})
}

// What the software and the protocol have to be is compared as a whole, the software with or without its comment.
func TestSSHWanted(t *testing.T) {
	t.Parallel()
	port := serve(t, says("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"))
	for args, want := range map[string]string{
		"-r OpenSSH_9.2p1":                 "",
		"-P 2.0 -r OpenSSH_9.2p1":          "",
		"--remote-version OpenSSH_9.2":     `its software is not "OpenSSH_9.2"`,
		"-r OpenSSH_9.2p1 -P 1.99":         `its protocol is not "1.99"`,
		"--remote-protocol 2":              `its protocol is not "2"`,
		"--remote-version=2.0-OpenSSH_9.2": `its software is not "2.0-OpenSSH_9.2"`,
	} {
		exit, out := try(t, nil, "check_ssh", append([]string{"127.0.0.1", "-p", port}, strings.Fields(args)...)...)
		if want == "" {
			expect(t, exit, out, exitOK, "ssh answered")
		} else {
			expect(t, exit, out, exitFail, `answered "SSH-2.0-OpenSSH_9.2p1 Debian-2": `+want)
		}
	}
	exit, out := try(t, nil, "check_ssh", "127.0.0.1", "-p", port, "-r", "OpenSSH_9.2p1 Debian-2")
	expect(t, exit, out, exitOK, "ssh answered")
}

// The server learns who asked, so that its log makes sense.
func TestSSHSaysWhoItIs(t *testing.T) {
	t.Parallel()
	said := make(chan string, 1)
	port := serve(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "SSH-2.0-x\r\n")
		line, _ := bufio.NewReader(c).ReadString('\n')
		said <- line
	})
	exit, out := try(t, nil, "check_ssh", "127.0.0.1", "-p", port)
	expect(t, exit, out, exitOK, "ssh answered")
	if got := <-said; got != sshHello {
		t.Errorf("the server heard %q, want %q", got, sshHello)
	}
}

// Whatever a server says, greeting ends, and a version it returns is a whole line that starts with "SSH-".
func FuzzGreeting(f *testing.F) {
	for _, s := range []string{"SSH-2.0-x\r\n", "hello\nSSH-1.99-y\n", "SSH-", "\n\n\n", strings.Repeat("a", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		version, first, err := greeting(strings.NewReader(s), func() {})
		if err == nil && (!strings.HasPrefix(version, "SSH-") || !strings.Contains(s, version+"\n") && !strings.Contains(s, version+"\r")) {
			t.Errorf("greeting(%q) = %q", s, version)
		}
		if len(version) > maxSSHLine || len(first) > maxSSHLine+1 {
			t.Errorf("version of %d, first of %d bytes", len(version), len(first))
		}
	})
}
