package mailer

import (
	"bytes"
	"fmt"
	"mime"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/dmonitor/dmonitor/services/mailer/letter"
)

// message is a mail ready to be sent: its envelope, and its bytes with CRLF line ends.
type message struct {
	from, to string // as SMTP wants them: <ops@example.com>
	data     []byte
	still    func() bool // nil, or whether it is still this mailer's to send; asked right before it can't be undone
}

// encode writes a letter as a MIME mail: text and HTML as alternatives, quoted-printable.
func encode(l letter.Letter) (message, error) {
	from, err := mail.ParseAddress(l.From)
	if err != nil {
		return message{}, fmt.Errorf("sender %q: %w", l.From, err)
	}
	to, err := mail.ParseAddress(l.To)
	if err != nil {
		return message{}, fmt.Errorf("recipient %q: %w", l.To, err)
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(from)
	msg.ToMailAddress(&mail.Address{Address: to.Address})
	msg.Subject(l.Subject)
	msg.SetDateWithValue(l.Date)
	msg.SetGenHeader(gomail.HeaderMessageID, l.MessageID)
	if l.InReplyTo != "" {
		msg.SetGenHeader(gomail.HeaderInReplyTo, l.InReplyTo)
		msg.SetGenHeader(gomail.HeaderReferences, l.InReplyTo)
	}
	if len(l.References) > 0 {
		msg.SetGenHeader(gomail.HeaderReferences, strings.Join(l.References, " "))
	}
	front := extra(msg, l.Extra)
	msg.SetBodyString(gomail.TypeTextPlain, l.Text)
	if l.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	}
	b := bytes.NewBuffer(front)
	if _, err := msg.WriteTo(b); err != nil {
		return message{}, fmt.Errorf("encode: %w", err)
	}
	return message{from: path(from), to: path(to), data: b.Bytes()}, nil
}

// extra sets further headers. One that stands there several times is more than the library has words for: it is returned
// as lines for the front of the mail.
func extra(msg *gomail.Msg, headers []letter.Header) (front []byte) {
	times := map[string]int{}
	for _, h := range headers {
		times[h.Name]++
	}
	for _, h := range headers {
		if times[h.Name] == 1 {
			msg.SetGenHeader(gomail.Header(h.Name), h.Value)
			continue
		}
		front = append(front, h.Name+": "+mime.QEncoding.Encode("utf-8", h.Value)+"\r\n"...)
	}
	return front
}

// path writes an address without its name, in angle brackets, quoted where it needs to be.
func path(a *mail.Address) string { return (&mail.Address{Address: a.Address}).String() }
