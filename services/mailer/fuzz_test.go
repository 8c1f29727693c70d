package mailer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/mailer/letter"
)

// FuzzJournal: whatever told.log holds, only what could have been said on the bus is taken for told, and it is written and
// read again as the same.
func FuzzJournal(f *testing.F) {
	dir := f.TempDir()
	j, _, err := openJournal(dir)
	if err != nil {
		f.Fatal(err)
	}
	if err := j.add(true, toldBefore(1, "ops@example.com"), toldBefore(2, "web@example.com")); err != nil {
		f.Fatal(err)
	}
	sample, err := os.ReadFile(filepath.Join(dir, journalName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add(sample[:len(sample)-10])
	f.Add(append([]byte("{\n\x00"), sample...))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalName), text, 0o600); err != nil {
			t.Fatal(err)
		}
		j, all, err := openJournal(dir)
		if err != nil {
			t.Fatalf("a broken line has to be passed over: %v", err)
		}
		for i := range all {
			if _, err := events.Encode(&all[i]); err != nil { // It makes an empty list of none.
				t.Errorf("accepted, but: %v", err)
			}
		}
		if err := j.rewrite(all); err != nil {
			t.Fatal(err)
		}
		_, again, err := openJournal(dir)
		if err != nil || !reflect.DeepEqual(again, all) {
			t.Errorf("written and read: %v\n%+v\nwant\n%+v", err, again, all)
		}
		if err := j.add(false, toldBefore(3, "db@example.com")); err != nil {
			t.Fatal(err)
		}
		if _, more, err := openJournal(dir); err != nil || len(more) != len(all)+1 {
			t.Errorf("one added to %d makes %d (%v)", len(all), len(more), err)
		}
	})
}

// FuzzFailure: whatever the mail server says becomes one short line without the password, and only a 5xx at or after RCPT TO
// gives a notice up.
func FuzzFailure(f *testing.F) {
	steps := []step{stepConnect, stepGreeting, stepHello, stepTLS, stepLogin, stepFrom, stepTo, stepData, stepEnd}
	f.Add(6, 550, "5.1.1 no such user")
	f.Add(6, 550, "relay not permitted")
	f.Add(4, 535, "s3cret is wrong\r\nAHVzZXIAczNjcmV0\x1b[2J")
	f.Add(0, 0, strings.Repeat("\xff", 5000))
	f.Fuzz(func(t *testing.T, at, code int, text string) {
		s := steps[uint(at)%uint(len(steps))]
		var err error = &textproto.Error{Code: code, Msg: text}
		if code == 0 {
			err = errors.New(text)
		}
		got := newFailure(s, err, hider("user", "s3cret"))
		if len(got.text) > maxAnswer || !utf8.ValidString(got.text) || strings.ContainsAny(got.text, "\r\n") {
			t.Errorf("%q became %q", text, got.text)
		}
		if strings.Contains(got.text, "s3cret") || strings.Contains(got.text, b64("\x00user\x00s3cret")) {
			t.Errorf("the password is in %q", got.text)
		}
		if got.verdict() == refused && (code < 500 || code > 599 || s != stepTo && s != stepData && s != stepEnd) {
			t.Errorf("%s, %d %q: given up", s, code, text)
		}
	})
}

// FuzzServerURL: whatever DMONITOR_SMTP_URL says, no error and no description of the server repeats the password, and a
// password is never to go in the clear to another host.
func FuzzServerURL(f *testing.F) {
	for _, s := range []string{
		"smtp://localhost", "smtps://ops:s3cretword@mail.example.com", "smtp://ops:s3cretword@mail.example.com:587?tls=required",
		"smtp://ops:s3cretword@mail.example.com?tls=off", "smtp://ops:s3cretword@[::1]:25?tls=off&verify=no", "smtp://:s3cretword@x", "smtp://%zz:s3cretword@x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := parseServer(raw, "")
		if err != nil {
			if strings.Contains(err.Error(), "s3cretword") {
				t.Errorf("the password is in %q", err)
			}
			return
		}
		if s.password != "" && s.user != s.password && !strings.Contains(s.addr()+s.user+"STARTTLS offered required, any certificate as", s.password) && strings.Contains(s.String(), s.password) {
			t.Errorf("the password is in %q", s.String())
		}
		if s.host == "" || s.port == "" {
			t.Errorf("%q: host %q, port %q", raw, s.host, s.port)
		}
		if s.password != "" && !s.implicit && s.tls == tlsOff && !s.loopback() {
			t.Errorf("%q sends the password in the clear", raw)
		}
	})
}

// FuzzDialogue: whatever a mail server says, the sending of a mail comes to an end, counts as sent only if the server said
// 250 to its content, and tells in one clean line what went wrong otherwise.
func FuzzDialogue(f *testing.F) {
	const fine = "220 hello\r\n250-me\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken as 7\r\n"
	f.Add([]byte(fine))
	f.Add([]byte(strings.Replace(fine, "250 taken as 7", "451 later", 1)))
	f.Add([]byte(strings.Replace(fine, "PIPELINING", "STARTTLS", 1)))
	f.Add([]byte("220-" + strings.Repeat("x", 5000) + "\r\n"))
	f.Add([]byte("250 taken\r\n250 taken\r\n250 taken\r\n250 taken\r\n250 taken\r\n250 taken\r\n"))
	f.Add([]byte("220 \x1b[2J\r\n554 \xff\xfe\r\n"))
	f.Fuzz(func(t *testing.T, says []byte) {
		s, err := parseServer("smtp://mail.example.com?tls=off", "")
		if err != nil {
			t.Fatal(err)
		}
		tr := newTransport(s, "mailer-1.example.com")
		tr.limits = limits{connect: 5 * time.Second, step: 5 * time.Second, end: 5 * time.Second, idle: time.Millisecond}
		tr.dial = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { // It hears everything, says its piece whatever it hears, and goes.
				defer theirs.Close()
				go func() { _, _ = bufio.NewReader(theirs).WriteTo(discard{}) }()
				_, _ = theirs.Write(says)
			}()
			return ours, nil
		}
		began := time.Now()
		answer, failed := tr.send(t.Context(), hello)
		tr.close()
		if d := time.Since(began); d > 4*time.Second {
			t.Errorf("it took %v", d)
		}
		if failed == nil && (!strings.HasPrefix(answer, "250") || !bytes.Contains(says, []byte("250"))) {
			t.Errorf("sent, by the answer %q to %q", answer, says)
		}
		text := answer
		if failed != nil {
			text = failed.text
		}
		if len(text) > maxAnswer || !utf8.ValidString(text) || strings.ContainsAny(text, "\r\n") {
			t.Errorf("%q became %q", says, text)
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// FuzzEncode: whatever a letter says, the mail has the headers that it is to have and no others, and every line of it ends
// as SMTP wants it.
func FuzzEncode(f *testing.F) {
	f.Add("DOWN ssh on www.example.com (2 of 3 nodes)", "text\n.\n", "<p>html</p>", "www.example.com/ssh")
	f.Add("a\r\nBcc: eve@example.org", "\r\n.\r\nMAIL FROM:<x>", "", "x\r\n\r\nbody")
	f.Add("\xff\u202e", strings.Repeat("x", 2000), "\x00", "")
	f.Fuzz(func(t *testing.T, subject, text, html, extra string) {
		m, err := encode(letter.Letter{
			From: "dmonitor@example.com", To: "ops@example.com", Subject: subject, Text: text, HTML: html, MessageID: "<a@dmonitor.invalid>",
			Date: time.Unix(1_800_000_000, 0), Extra: []letter.Header{{Name: "X-Dmonitor-Check", Value: extra}, {Name: "X-Dmonitor-Check", Value: "b/c"}},
		})
		if err != nil {
			return
		}
		got, err := mail.ReadMessage(bytes.NewReader(m.data))
		if err != nil {
			t.Fatalf("not a mail: %v\n%q", err, m.data)
		}
		for name := range got.Header {
			switch name {
			case "From", "To", "Subject", "Date", "Message-Id", "Mime-Version", "Content-Type", "Content-Transfer-Encoding", "X-Dmonitor-Check":
			default:
				t.Errorf("the mail has a header %s: %q", name, got.Header[name])
			}
		}
		if to := got.Header["To"]; len(to) != 1 || len(got.Header["Subject"]) > 1 || m.to != "<ops@example.com>" {
			t.Errorf("to %q, subject %q, envelope %s", to, got.Header["Subject"], m.to)
		}
		head, _, _ := bytes.Cut(m.data, []byte("\r\n\r\n"))
		odd := func(r rune) bool { return unicode.IsControl(r) && r != '\t' }
		if bytes.ContainsFunc(bytes.ReplaceAll(head, []byte("\r\n"), nil), odd) {
			t.Errorf("control characters in the headers: %q", head)
		}
	})
}
