package mailer

import (
	"bytes"
	"fmt"
	"net/mail"

	gomail "github.com/wneessen/go-mail"

	"github.com/dmonitor/dmonitor/services/mailer/letter"
)

// message is a mail ready to be sent: its envelope, and its bytes with CRLF line ends.
type message struct {
	from, to string // as SMTP wants them: <ops@example.com>
	data     []byte
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
	for _, h := range l.Extra {
		msg.SetGenHeader(gomail.Header(h.Name), h.Value)
	}
	msg.SetBodyString(gomail.TypeTextPlain, l.Text)
	if l.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return message{}, fmt.Errorf("encode: %w", err)
	}
	return message{from: path(from), to: path(to), data: b.Bytes()}, nil
}

// path writes an address without its name, in angle brackets, quoted where it needs to be.
func path(a *mail.Address) string { return (&mail.Address{Address: a.Address}).String() }
