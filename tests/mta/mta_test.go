//go:build mta

package mta

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// An outage and its end are told once each, over StartTLS and a login, and what arrives is what was meant: threaded,
// nothing in it that a mail server might have to change, and readable.
func TestDownAndUpArrive(t *testing.T) {
	t.Parallel()
	const (
		note   = "Zuständig: Jürgen, 内線 123.\n.\n.ein Punkt am Anfang\nFrom here on: nichts."
		output = "FAIL Verbindung verweigert – 接続が拒否されました"
	)
	for _, login := range []string{"PLAIN", "LOGIN", "CRAM-MD5"} {
		t.Run(login, func(t *testing.T) {
			t.Parallel()
			mta := newExim(t, login)
			w := newWatch(t, mta.url("monitor@", "?tls=required"), mta.ca(), note, "ops@example.com", "jürgen@example.com")
			w.Start()
			w.says(output + "\n.\n" + strings.Repeat("x", 3000) + "\n" + strings.Repeat("ü", 1500))
			mta.wait("ops", 1)
			mta.wait("jürgen", 1)
			w.says("OK zurück")
			mta.wait("ops", 2)
			mta.wait("jürgen", 2)
			if s := w.settled(); len(s.Failed) != 0 {
				t.Errorf("notices failed: %+v", s.Failed)
			}
			for _, who := range []string{"ops", "jürgen"} {
				mails := mta.mails(who)
				if len(mails) != 2 {
					t.Fatalf("%d mails to %s, want one of each", len(mails), who)
				}
				down, up := mails[0], mails[1]
				if !strings.HasPrefix(down.subject, "DOWN queue on www.example.com") || !strings.HasPrefix(up.subject, "UP queue on www.example.com") {
					t.Errorf("subjects %q, %q", down.subject, up.subject)
				}
				id := down.head.Get("Message-Id")
				if up.head.Get("In-Reply-To") != id || up.head.Get("References") != id || id == "" {
					t.Errorf("the second doesn't refer to the first, %s:\n%s", id, up.raw)
				}
				for _, want := range []string{flat(output[len("FAIL "):]), flat(note)} {
					if !strings.Contains(flat(down.text), want) {
						t.Errorf("%q can't be read in:\n%s", want, down.text)
					}
				}
				for _, l := range mails {
					if who == "ops" { // A mail to jürgen has that name in its header: SMTPUTF8 is for that.
						checkForm(t, l)
					}
					checkTransport(t, mta, l, login)
				}
			}
			// Only who needs it is sent to with SMTPUTF8: a server without it, further on, would have to bounce the mail.
			all, utf8 := strings.Count(mta.log(), "said MAIL FROM:"), strings.Count(mta.log(), " SMTPUTF8")
			if all != 4 || utf8 != 2 {
				t.Errorf("%d mails, %d of them with SMTPUTF8; want 4, 2", all, utf8)
			}
			checkManners(t, mta, w)
		})
	}
}

// checkTransport: the server's word on how the mail came.
func checkTransport(t *testing.T, mta *exim, l letter, login string) {
	t.Helper()
	received := flat(l.head.Get("Received"))
	if !strings.Contains(received, "esmtpsa") || !strings.Contains(received, "TLS1.3") {
		t.Errorf("Received: %s; want ESMTP, encrypted and logged in", received)
	}
	driver := map[string]string{"PLAIN": "plain", "LOGIN": "login", "CRAM-MD5": "cram"}[login]
	for line := range strings.Lines(mta.log()) {
		_, id, _ := strings.Cut(received, " id ")
		id, _, _ = strings.Cut(id, " ")
		if strings.Contains(line, id+" <= ") && strings.Contains(line, " A="+driver+":monitor ") {
			return
		}
	}
	t.Errorf("the server's log doesn't say that monitor has logged in by %s for %s", login, received)
}

// checkManners: the server has nothing to complain of, and connections end as they should.
func checkManners(t *testing.T, mta *exim, w *watch) {
	t.Helper()
	w.Stop()
	rig.Until(t, "leave is taken of every connection", func() bool {
		opened := strings.Count(mta.log(), "(TCP/IP connection count")
		return opened > 0 && strings.Count(mta.log(), "closed by QUIT") == opened
	})
	for line := range strings.Lines(mta.log()) {
		for _, bad := range []string{"TLS error", "rror ", " lost", "unexpected", "dropped", "syntax", "rejected", "timeout"} {
			if strings.Contains(line, bad) {
				t.Errorf("the server complains: %s", line)
			}
		}
	}
}

// A wrong password loses nothing: what is wrong is said, the password isn't, and when it is put right the mail goes out.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	const wrong = "wr0ng/pässword"
	mta := newExim(t, "PLAIN : LOGIN")
	w := newWatch(t, mta.url("monitor@", ""), mta.ca(), "", "ops@example.com")
	w.Start()
	rig.Write(t, w.pass, wrong+"\n")
	w.says("FAIL no answer")
	w.logged("AUTH: 535")
	if l := w.line("AUTH: 535"); !strings.Contains(l, `"level":"error"`) || !strings.Contains(l, "this won't pass by itself: see DMONITOR_SMTP_URL") {
		t.Errorf("the log doesn't say what to do: %s", l)
	}
	if s := w.status(); s.Pending == nil || *s.Pending != 1 || len(s.Failed) != 0 {
		t.Errorf("status: %+v, want one notice that waits", s)
	}
	rig.Write(t, w.pass, password+"\n")
	mta.wait("ops", 1)
	w.settled()
	if n := len(mta.mails("ops")); n != 1 {
		t.Errorf("%d mails", n)
	}
	for _, secret := range []string{wrong, password, "pässword", base64.StdEncoding.EncodeToString([]byte(wrong)), base64.StdEncoding.EncodeToString([]byte("\x00monitor\x00" + wrong))} {
		if strings.Contains(w.Log(), secret) {
			t.Errorf("the log tells the password, as %q", secret)
		}
	}
}

// Nobody knows who signed the certificate: no mail, no password, and a log line that says so; verify=no is a remedy. The
// other one, SSL_CERT_FILE, is what all the other tests have.
func TestUnknownAuthority(t *testing.T) {
	t.Parallel()
	mta := newExim(t, "PLAIN")
	w := newWatch(t, mta.url("monitor@", ""), "", "", "ops@example.com")
	w.Start()
	w.says("FAIL no answer")
	w.logged("certificate signed by unknown authority")
	if l := w.line("certificate signed by unknown authority"); !strings.Contains(l, "TLS: ") || !strings.Contains(l, "this won't pass by itself") {
		t.Errorf("the log doesn't say what to do: %s", l)
	}
	w.Stop()
	if n := len(mta.mails("ops")); n != 0 || strings.Contains(mta.log(), "A=plain") {
		t.Errorf("%d mails went to who knows whom; the server's log:\n%s", n, mta.log())
	}
	w.Set("DMONITOR_SMTP_URL", mta.url("monitor@", "?verify=no"))
	w.Start()
	mta.wait("ops", 1)
	w.settled()
	if n := len(mta.mails("ops")); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// One recipient whom the server doesn't know keeps nobody else from being told, and who looks after dmonitor can see it.
func TestUnknownRecipient(t *testing.T) {
	t.Parallel()
	mta := newExim(t, "PLAIN")
	w := newWatch(t, mta.url("monitor@", ""), mta.ca(), "", "ops@example.com", "gone@example.com", "deputy@example.com")
	w.Start()
	w.says("FAIL no answer")
	mta.wait("ops", 1)
	mta.wait("deputy", 1)
	s := w.settled()
	if len(s.Failed) != 1 || s.Failed[0].Recipient != "gone@example.com" || s.Failed[0].Answer != "RCPT TO: 550 Unknown user" {
		t.Errorf("status --json: failed %+v", s.Failed)
	}
	if out, _ := w.Run("status"); !strings.Contains(out, "NOT SENT  opened www.example.com/queue to gone@example.com: RCPT TO: 550 Unknown user") {
		t.Errorf("status:\n%s", out)
	}
	if a, b := len(mta.mails("ops")), len(mta.mails("deputy")); a != 1 || b != 1 {
		t.Errorf("%d and %d mails, want 1 and 1", a, b)
	}
	if n := strings.Count(mta.log(), "rejected RCPT <gone@example.com>"); n != 1 {
		t.Errorf("tried %d times", n)
	}
	if strings.Contains(mta.log(), "TLS error") || strings.Contains(mta.log(), "unexpected disconnection") {
		t.Errorf("after the rejection no leave was taken; the server's log:\n%s", mta.log())
	}
}

// The server says "later", to the recipient or to the whole mail: it is sent the next time, once.
func TestLater(t *testing.T) {
	t.Parallel()
	mta := newExim(t, "PLAIN")
	w := newWatch(t, mta.url("monitor@", ""), mta.ca(), "", "grey@example.com", "full@example.com")
	w.Start()
	w.says("FAIL no answer")
	mta.wait("grey", 1)
	mta.wait("full", 1)
	if s := w.settled(); len(s.Failed) != 0 {
		t.Errorf("failed: %+v", s.Failed)
	}
	for who, answer := range map[string]string{"grey": "RCPT TO: 451 greylisted, come again", "full": "end of DATA: 451 no space left"} {
		if n := len(mta.mails(who)); n != 1 {
			t.Errorf("%d mails to %s", n, who)
		}
		if strings.Count(w.Log(), answer) != 1 {
			t.Errorf("the log doesn't say once that the server said %q", answer)
		}
	}
}

// The mail server is away for a while.
func TestServerAway(t *testing.T) {
	t.Parallel()
	mta := newExim(t, "PLAIN")
	w := newWatch(t, mta.url("monitor@", ""), mta.ca(), "", "ops@example.com")
	w.Start()
	w.says("FAIL no answer")
	mta.wait("ops", 1)
	mta.stop() // Maybe with a connection that the mailer has kept.
	w.says("OK again")
	w.logged("connection refused")
	mta.start()
	mta.wait("ops", 2)
	w.settled()
	if n := len(mta.mails("ops")); n != 2 {
		t.Errorf("%d mails, want one of each", n)
	}
}

// What is wrong with us the server says at RCPT TO, and without a code that would tell it from a wrong recipient. It is
// no fault of the recipient's: nothing may be lost.
func TestOurFaultIsNotTheRecipients(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ user, from, answer string }{
		"no login":     {"", "dmonitor@example.com", "RCPT TO: 550 relay not permitted"},
		"wrong sender": {"monitor@", "dmonitor@nowhere.example", "RCPT TO: 550 Sender verify failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mta := newExim(t, "PLAIN")
			w := newWatch(t, mta.url(c.user, ""), mta.ca(), "", "ops@example.com")
			w.Set("DMONITOR_MAIL_FROM", c.from)
			w.Start()
			w.says("FAIL no answer")
			w.logged(c.answer)
			if l := w.line(c.answer); !strings.Contains(l, "this won't pass by itself") {
				t.Errorf("the log doesn't say what to do: %s", l)
			}
			w.Stop()
			w.Set("DMONITOR_SMTP_URL", mta.url("monitor@", ""))
			w.Set("DMONITOR_SMTP_PASSWORD_FILE", w.pass)
			w.Set("DMONITOR_MAIL_FROM", "dmonitor@example.com")
			w.Start()
			mta.wait("ops", 1)
			if s := w.settled(); len(s.Failed) != 0 || len(mta.mails("ops")) != 1 {
				t.Errorf("%d mails, failed: %+v", len(mta.mails("ops")), s.Failed)
			}
		})
	}
}

// The machine's own mail server is none of our business: what the tests run lies in their own folders.
func TestNothingIsInstalled(t *testing.T) {
	t.Parallel()
	mta := newExim(t, "PLAIN")
	exe, err := os.Readlink(fmt.Sprintf("/proc/%s/exe", strings.TrimSpace(mta.read("exim.pid"))))
	if err != nil || !strings.HasPrefix(exe, mta.dir) {
		t.Errorf("what runs is %s (%v), want %s", exe, err, filepath.Join(mta.dir, "usr/sbin/exim4"))
	}
}
