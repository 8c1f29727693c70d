package rig

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// Letter is a mail that a Post has taken.
type Letter struct {
	By                            int // the door it came in by
	To                            []string
	Began                         time.Time // when its envelope was named
	Taken                         time.Time // when it counted as sent: just before the 250
	Header                        mail.Header
	Subject, MessageID, InReplyTo string
	Text                          string // the plain part
}

// readLetter takes a mail apart as far as it goes: what can't be read is empty, and a test will miss it.
func readLetter(raw []byte) Letter {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Letter{Text: string(raw)}
	}
	l := Letter{Header: m.Header, MessageID: m.Header.Get("Message-ID"), InReplyTo: m.Header.Get("In-Reply-To")}
	l.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		l.Subject = m.Header.Get("Subject")
	}
	l.Text = plainText(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
	return l
}

// plainText returns the first text/plain part.
func plainText(contentType, encoding string, body io.Reader) string {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err != nil {
				return ""
			}
			if text := plainText(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p); text != "" {
				return text
			}
		}
	}
	if kind != "text/plain" {
		return ""
	}
	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, _ := io.ReadAll(body)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
