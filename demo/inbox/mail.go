package inbox

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of taking a mail apart. What is beyond them is still in Raw.
const (
	maxParts    = 20
	maxDepth    = 5         // parts within parts
	maxPartText = 256 << 10 // bytes of one part's text
)

// Mail is one mail as it came in. The raw text is kept; the rest is what could be read of it.
type Mail struct {
	ID         int64     `json:"id"`       // 1, 2, 3 in the order of arrival
	Received   time.Time `json:"received"` // when the server had taken it
	From       string    `json:"from"`     // of the envelope
	To         []string  `json:"to"`       // of the envelope
	Subject    string    `json:"subject"`
	MessageID  string    `json:"message_id,omitempty"`  // without angle brackets
	InReplyTo  string    `json:"in_reply_to,omitempty"` // as MessageID
	References []string  `json:"references,omitempty"`  // as MessageID
	Double     int64     `json:"double,omitempty"`      // ID of an earlier mail with the same MessageID and recipients
	Headers    []Header  `json:"headers"`               // all of them, in order
	Parts      []Part    `json:"parts"`
	Raw        []byte    `json:"-"`
}

// Header is one header field, unfolded, its encoded words decoded.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Part is one leaf of the body.
type Part struct {
	Type string `json:"type"`           // such as "text/plain"
	Name string `json:"name,omitempty"` // of an attachment
	Size int    `json:"size"`           // bytes, decoded
	Text string `json:"text,omitempty"` // of text parts, at most maxPartText bytes
}

// Header returns the first header field of that name, or "".
func (m *Mail) Header(name string) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// Text is the first plain text part, or the first text part at all.
func (m *Mail) Text() string {
	text := ""
	for _, p := range m.Parts {
		if p.Type == "text/plain" {
			return p.Text
		}
		if text == "" {
			text = p.Text
		}
	}
	return text
}

// parse reads what it can of a mail. A mail that is broken is still a mail: it has fewer fields.
func parse(raw []byte) Mail {
	m := Mail{Raw: raw, Headers: headers(raw), Parts: []Part{}}
	m.Subject = m.Header("Subject")
	if ids := messageIDs(m.Header("Message-ID")); len(ids) > 0 {
		m.MessageID = ids[0]
	}
	if ids := messageIDs(m.Header("In-Reply-To")); len(ids) > 0 {
		m.InReplyTo = ids[0]
	}
	m.References = messageIDs(m.Header("References"))
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		m.Parts = append(m.Parts, textPart("text/plain", "", raw))
		return m
	}
	m.addParts(textproto.MIMEHeader(msg.Header), msg.Body, 0)
	return m
}

func (m *Mail) addParts(h textproto.MIMEHeader, body io.Reader, depth int) {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind, params = "text/plain", nil
	}
	if strings.HasPrefix(kind, "multipart/") && depth < maxDepth {
		parts := multipart.NewReader(body, params["boundary"])
		for len(m.Parts) < maxParts {
			p, err := parts.NextRawPart()
			if err != nil {
				return
			}
			m.addParts(p.Header, p, depth+1)
		}
		return
	}
	content, _ := io.ReadAll(decoder(h.Get("Content-Transfer-Encoding"), body)) // what came before an error is shown
	_, disposition, _ := mime.ParseMediaType(h.Get("Content-Disposition"))
	m.Parts = append(m.Parts, textPart(kind, disposition["filename"], content))
}

func textPart(kind, name string, content []byte) Part {
	p := Part{Type: kind, Name: name, Size: len(content)}
	if strings.HasPrefix(kind, "text/") {
		p.Text = valid(string(content[:min(len(content), maxPartText)]))
	}
	return p
}

func decoder(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	}
	return r
}

// headers reads the header fields in their order, which a map would lose.
func headers(raw []byte) []Header {
	all := []Header{}
	words := new(mime.WordDecoder)
	for line := range strings.SplitSeq(string(raw), "\n") {
		line = strings.TrimRight(line, "\r")
		if line == "" {
			break
		}
		if line[0] == ' ' || line[0] == '\t' { // goes on from the line before
			if n := len(all); n > 0 {
				all[n-1].Value += " " + strings.TrimSpace(line)
			}
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok {
			all = append(all, Header{Name: valid(name), Value: strings.TrimSpace(value)})
		}
	}
	for i := range all {
		if s, err := words.DecodeHeader(all[i].Value); err == nil {
			all[i].Value = s
		}
		all[i].Value = valid(all[i].Value)
	}
	return all
}

// messageIDs reads "<a@b> <c@d>".
func messageIDs(s string) []string {
	var ids []string
	for word := range strings.FieldsSeq(s) {
		if id := strings.Trim(word, "<>,"); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

func valid(s string) string { return strings.ToValidUTF8(s, string(utf8.RuneError)) }
