package plugins

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

func TestTCP(t *testing.T) {
	t.Parallel()
	greets := serve(t, says("220 mail.example.com ESMTP\r\n"))
	mute := serve(t, silent)
	cases := []struct {
		rule string
		args []string
		exit int
		want string
	}{
		{"an open port is enough", []string{"-p", mute}, exitOK, "port 127.0.0.1:" + mute + " answered in "},
		{"the long option is the same", []string{"--port=" + mute}, exitOK, " answered in "},
		{"time is kept as perfdata", []string{"-p", mute}, exitOK, " | time="},
		{"a closed port is a fail", []string{"-p", closedPort(t)}, exitFail, "connect to 127.0.0.1 port"},
		{"what must come has come", []string{"-p", greets, "-e", "ESMTP"}, exitOK, `and said "ESMTP"`},
		{"what must come does not", []string{"-p", greets, "-e", "IMAP", "-t", "2"}, exitFail, `before it said "IMAP": silence for`},
		{"and what came instead is told", []string{"-p", greets, "-e", "IMAP", "-t", "2"}, exitFail, `after "220 mail.example.com ESMTP"`},
		{"who says nothing at all fails", []string{"-p", mute, "-e", "x", "-t", "2"}, exitFail, `silence for`},
		{"who hangs up fails", []string{"-p", serve(t, closing), "-e", "x"}, exitFail, "it closed the connection"},
		{"who resets fails", []string{"-p", serve(t, reset), "-e", "x"}, exitFail, "connection reset by peer"},
		{"a flood is read up to a limit", []string{"-p", serve(t, endless("spam|\x1b[2J\n")), "-e", "ham"}, exitFail, `too much else came, after "spam\x7c\x1b[2J\n`},
		{"slower than -c is a fail", []string{"-p", mute, "-c", "0.000000001"}, exitFail, "slower than"},
		{"slower than -w is a warning", []string{"-p", mute, "-w", "1ns"}, exitWarning, "slower than"},
		{"without a port it can't tell", nil, exitUnknown, "the port is missing"},
		{"a port is a number", []string{"-p", "http"}, exitUnknown, "usage: check_tcp HOST -p PORT"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			t.Parallel()
			exit, out := try(t, nil, "check_tcp", append([]string{"127.0.0.1"}, c.args...)...)
			expect(t, exit, out, c.exit, c.want)
		})
	}
}

// What --send says arrives, its escapes understood.
func TestTCPSend(t *testing.T) {
	t.Parallel()
	port := serve(t, func(c net.Conn) {
		buf := make([]byte, 6)
		if _, err := io.ReadFull(c, buf); err == nil && string(buf) == "PING\r\n" {
			_, _ = io.WriteString(c, "+PONG\r\n")
		}
	})
	exit, out := try(t, nil, "tcp", "-H", "127.0.0.1", "-p", port, "-E", "-s", `PING\r\n`, "-e", "+PONG")
	expect(t, exit, out, exitOK, `and said "+PONG"`)
}

// readUntil finds what it wants across any division of the bytes, and never more than its limit.
func FuzzReadUntil(f *testing.F) {
	f.Add([]byte("220 hello\r\n"), []byte("hello"))
	f.Add([]byte("aaab"), []byte("aab"))
	f.Fuzz(func(t *testing.T, all, want []byte) {
		if len(want) == 0 || len(want) > 100 {
			return
		}
		_, err := readUntil(iotest.OneByteReader(bytes.NewReader(all)), want, maxExpect)
		if found := err == nil; found != bytes.Contains(all, want) && len(all) < maxExpect {
			t.Errorf("found %q in %q: %v", want, all, found)
		}
	})
}

func TestReadUntilLimit(t *testing.T) {
	got, err := readUntil(strings.NewReader(strings.Repeat("x", 1<<20)), []byte("y"), 10_000)
	if err != errTooMuch || len(got) > 10_000+4096 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
