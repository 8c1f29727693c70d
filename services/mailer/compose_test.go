package mailer

import (
	"bytes"
	"net/mail"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/mailer/letter"
)

// TestEncode: what a letter says is what a mail program reads, in both parts and every header.
func TestEncode(t *testing.T) {
	opened := time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)
	n := noticeFor(outageOf(ssh, "r1", events.Closed, opened, opened.Add(250*time.Second)), "ops@example.com")
	l := letter.Write(n, letter.Options{From: "Überwachung <dmonitor@example.com>", Now: opened.Add(251 * time.Second), Attempt: 1})
	m, err := encode(l)
	if err != nil {
		t.Fatal(err)
	}
	if m.from != "<dmonitor@example.com>" || m.to != "<ops@example.com>" {
		t.Errorf("envelope from %s to %s", m.from, m.to)
	}
	p := parse(t, m.data)
	opening := "<" + events.NoticeID(n.Outage.Outage, events.Opened, n.Recipient) + "@dmonitor.invalid>"
	for name, want := range map[string]string{
		"From": `Überwachung <dmonitor@example.com>`, "To": "<ops@example.com>",
		"Subject":    "UP ssh on www.example.com (down 4 min 10 s)",
		"Message-ID": "<" + n.ID + "@dmonitor.invalid>", "In-Reply-To": opening, "References": opening,
		"Date": "Sun, 01 Mar 2026 12:04:16 +0000", "Auto-Submitted": "auto-generated",
		"X-Dmonitor-Check": "www.example.com/ssh", "X-Dmonitor-Event": "closed", "MIME-Version": "1.0",
		"Precedence": "", "User-Agent": "", "Bcc": "",
	} {
		if got := p.get(t, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if p.text != l.Text || p.html != l.HTML {
		t.Errorf("the parts changed on their way:\n%s\n%s", p.text, p.html)
	}
}

// TestEncodeHoldsAnyInput: whatever a plugin or a note says, the mail has the headers it should and no others, and no
// line that a mail server might refuse.
func TestEncodeHoldsAnyInput(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)
	o := outageOf(ssh, "r1", events.Opened, now, now)
	plain, err := encode(letter.Write(noticeFor(o, "ops@example.com"), letter.Options{From: "a@example.com", Now: now, Attempt: 1}))
	if err != nil {
		t.Fatal(err)
	}
	want := headerNames(t, plain.data)
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"\r\nBcc: x@example.org\r\n\r\nhi", "\n.\nQUIT", "\x00\xff\x1b", "=?utf-8?q?=0d=0aBcc:_x?=", strings.Repeat("x", 5000), "--\r\n",
		}))
		o := o
		o.Votes = append([]events.NodeVote(nil), o.Votes...)
		o.Votes[0].Output, o.Note, o.Reason = text.Draw(rt, "output"), text.Draw(rt, "note"), text.Draw(rt, "reason")
		o.Host, o.Test = text.Draw(rt, "host"), text.Draw(rt, "test")
		m, err := encode(letter.Write(noticeFor(o, "ops@example.com"), letter.Options{
			From: "a@example.com", Now: now.Add(time.Hour), Attempt: 2, Failure: text.Draw(rt, "failure"),
		}))
		if err != nil {
			rt.Fatal(err)
		}
		if got := headerNames(rt, m.data); got != want {
			rt.Fatalf("headers %s, want %s", got, want)
		}
		_, body, _ := bytes.Cut(m.data, []byte("\r\n\r\n"))
		for l := range bytes.SplitSeq(body, []byte("\r\n")) {
			if len(l) > 998 || bytes.ContainsAny(l, "\r\n\x00") {
				rt.Fatalf("line %q", l)
			}
		}
	})
}

// headerNames lists the names of a mail's headers in a fixed order.
func headerNames(t interface{ Fatal(...any) }, data []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, known := range []string{
		"From", "To", "Subject", "Date", "Message-Id", "Auto-Submitted", "X-Auto-Response-Suppress", "X-Dmonitor-Check", "X-Dmonitor-Event",
		"Mime-Version", "Content-Type",
	} {
		if len(m.Header[known]) == 1 {
			names = append(names, known)
		}
		delete(m.Header, known)
	}
	for extra := range m.Header {
		names = append(names, "unexpected "+extra)
	}
	return strings.Join(names, " ")
}
