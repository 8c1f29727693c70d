package inbox

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	cases := []struct {
		rule, raw     string
		subject, text string
		parts         string // types
	}{
		{"a plain mail", "Subject: hello\n\nbody", "hello", "body", "text/plain"},
		{"an encoded subject over two lines", "Subject: =?utf-8?q?DOWN_caf=C3=A9?=\n =?utf-8?q?_ssh?=\n\n", "DOWN café ssh", "", "text/plain"},
		{"base64", "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGVs\nbG8=\n", "", "hello", "text/plain"},
		{"two ways to say it: the plain one is shown", "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<b>x</b>\n--b\nContent-Type: text/plain\n\nplain\n--b--\n", "", "plain", "text/html text/plain"},
		{"parts within parts, and an attachment", "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\ninner\n--b--\n\n--a\nContent-Type: image/png\nContent-Disposition: attachment; filename=x.png\n\nPNG\n--a--\n", "", "inner", "text/plain image/png"},
		{"a boundary that never comes", "Content-Type: multipart/mixed; boundary=a\n\nnothing", "", "", ""},
		{"a type that makes no sense", "Content-Type: ;;;\n\nbody", "", "body", "text/plain"},
		{"no mail at all", "\x00\xff garbage", "", "\x00\ufffd garbage", "text/plain"},
		{"nothing", "", "", "", "text/plain"},
		{"broken base64 shows what came before", "Content-Transfer-Encoding: base64\n\naGVsbG8h!!!!", "", "hello!", "text/plain"},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			m := parse([]byte(strings.ReplaceAll(c.raw, "\n", "\r\n")))
			var types []string
			for _, p := range m.Parts {
				types = append(types, p.Type)
			}
			if m.Subject != c.subject || strings.TrimRight(m.Text(), "\r\n") != c.text || strings.Join(types, " ") != c.parts {
				t.Errorf("subject %q, text %q, parts %v\nwant %q, %q, %v", m.Subject, m.Text(), types, c.subject, c.text, c.parts)
			}
		})
	}
}

// Whatever comes in, it can be taken apart within the limits.
func FuzzParse(f *testing.F) {
	f.Add([]byte("Subject: =?utf-8?q?x?=\r\n\r\nbody"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--"))
	f.Add([]byte("In-Reply-To: <a@b> <c@d>\r\nMessage-ID: <>\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := parse(raw)
		if len(m.Parts) > maxParts+1 {
			t.Errorf("%d parts", len(m.Parts))
		}
		for _, p := range m.Parts {
			if len(p.Text) > 3*maxPartText {
				t.Errorf("text of %d bytes", len(p.Text))
			}
		}
	})
}

func TestThreadsOfForgottenMails(t *testing.T) {
	reply := func(id int64, mid, to string) Mail { return Mail{ID: id, MessageID: mid, InReplyTo: to} }
	got := threads([]Mail{
		reply(4, "c1", "gone"), // the mail it replies to was pushed out
		reply(5, "x", ""),
		reply(6, "c2", "gone"),
		reply(7, "", ""), // without any id it stands alone
		reply(8, "", ""),
	})
	var ids []string
	for _, th := range got {
		var in []int64
		for _, m := range th.Mails {
			in = append(in, m.ID)
		}
		ids = append(ids, fmt.Sprint(in))
	}
	if want := "[8] [7] [4 6] [5]"; strings.Join(ids, " ") != want {
		t.Errorf("threads %v, want %s", ids, want)
	}
}
