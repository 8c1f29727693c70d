//go:build mta

package mta

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// letter is a mail as it lies in a mailbox.
type letter struct {
	raw        []byte
	head       mail.Header
	subject    string
	text, html string
}

// mails reads a mailbox, in the order of its files' names: the moment of delivery.
func (e *exim) mails(who string) []letter {
	e.t.Helper()
	files, err := filepath.Glob(filepath.Join(e.dir, "mail", who, "new/*"))
	if err != nil {
		e.t.Fatal(err)
	}
	var all []letter
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			e.t.Fatal(err)
		}
		l, err := open(raw)
		if err != nil {
			e.t.Fatalf("%s can't be read: %v\n%s", f, err, raw)
		}
		all = append(all, l)
	}
	return all
}

// wait waits until so many mails lie in a mailbox.
func (e *exim) wait(who string, n int) []letter {
	e.t.Helper()
	rig.Until(e.t, fmt.Sprintf("mail %d to %s", n, who), func() bool { return len(e.mails(who)) >= n })
	return e.mails(who)
}

// open takes a mail apart as a mail program does, strictly.
func open(raw []byte) (letter, error) {
	l := letter{raw: raw}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return l, err
	}
	l.head = m.Header
	if l.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return l, err
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return l, fmt.Errorf("content type %s: %w", kind, err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"]) // It undoes quoted-printable.
	for _, want := range []struct {
		kind string
		to   *string
	}{{"text/plain", &l.text}, {"text/html", &l.html}} {
		p, err := parts.NextPart()
		if err != nil {
			return l, err
		}
		kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil || kind != want.kind || !strings.EqualFold(params["charset"], "utf-8") {
			return l, fmt.Errorf("part %s in %s, want %s: %w", kind, params["charset"], want.kind, err)
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return l, err
		}
		*want.to = string(data)
	}
	return l, nil
}

// flat is a text as one line: what was wrapped in the letter can be found in it.
func flat(s string) string { return strings.Join(strings.Fields(s), " ") }

// checkForm: what every mail has to be, whoever carries it.
func checkForm(t *testing.T, l letter) {
	t.Helper()
	for i, line := range bytes.Split(l.raw, []byte("\n")) {
		if len(bytes.TrimSuffix(line, []byte("\r"))) > 998 {
			t.Errorf("line %d has %d bytes (RFC 5322 allows 998)", i+1, len(line))
		}
	}
	if i := bytes.IndexFunc(l.raw, func(r rune) bool { return r > '~' }); i >= 0 {
		t.Errorf("not 7-bit clean, from byte %d on: %q", i, l.raw[i:min(i+40, len(l.raw))])
	}
	if got := l.head.Get("Auto-Submitted"); got != "auto-generated" {
		t.Errorf("Auto-Submitted: %q", got)
	}
	if _, err := l.head.Date(); err != nil {
		t.Errorf("Date: %v", err)
	}
}
