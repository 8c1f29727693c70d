// Package letter writes the mail that tells one recipient about an event of an outage, about a trouble of dmonitor
// itself, or about many outages at once. It is pure: the same notices and options give the same letter, byte for byte.
//
// What holds, whatever a plugin, a note or a mail server has said:
//
//   - The first 80 bytes of the subject say what, where and how sure. The subject is shortened to them; the body has the
//     full names.
//   - No value of a header holds a line break or another control character. Everything is valid UTF-8.
//   - Control characters and those that reorder or hide text are shown as marks and have no effect.
//   - No line of the text is longer than 998 bytes (RFC 5322, section 2.1.1), and text from outside is indented, so that
//     it can't pass for the letter's own words.
//   - The HTML says the same as the text, loads nothing, and doesn't rely on colour.
//   - The Message-ID depends on the notice's id only. A mail that was sent twice, by whichever mailers, can be seen as
//     one, and the closing mail refers to the opening one.
package letter

import (
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Domain is the right-hand side of every Message-ID. It is the same on every mailer, where the senders' addresses may
// differ: a mailer that takes over from another must send the same Message-ID. The top-level domain is reserved for
// names that belong to nobody (RFC 2606, section 2).
const Domain = "dmonitor.invalid"

// LateAfter is how old a decision may be before its letter says that it is late, and why.
const LateAfter = time.Minute

// Options are what a letter depends on besides its notice.
type Options struct {
	From    string    // as it shall stand in the header; the caller has checked it
	Now     time.Time // when the letter is written: its Date, and what lateness is measured by
	Attempt int       // of sending this notice, 1 for the first
	Failure string    // why the attempt before failed; empty if that isn't known
	Closed  time.Time // when what the notice tells of was over since; zero: not as far as is known
	// Uncommitted says that the decision could not be committed, and is told nevertheless by the mailer on this node.
	Uncommitted string
}

// Letter is a mail before it is encoded. Header values are unencoded UTF-8 of one line.
type Letter struct {
	From, To, Subject    string
	Date                 time.Time
	MessageID, InReplyTo string   // with angle brackets; InReplyTo is also what References says; empty on an opening
	References           []string // of a letter about many outages
	Extra                []Header // further headers, in the order they shall have
	Text, HTML           string   // lines end in \n
}

// Header is one header field.
type Header struct{ Name, Value string }

// Write writes the letter for a notice.
func Write(n events.Notice, o Options) Letter {
	l := blank(n.ID, n.Recipient, o)
	if n.Trouble != nil {
		return writeTrouble(l, n, o)
	}
	l.Extra = append(l.Extra,
		Header{headerCheck, line(n.Outage.Check.String())}, Header{headerEvent, line(string(n.Outage.Event))})
	if n.Outage.Event == events.Closed {
		l.InReplyTo = messageID(events.NoticeID(n.Outage.Outage, events.Opened, n.Recipient))
	}
	v := newView(n, o)
	l.Subject = v.subject()
	l.Text = v.text()
	l.HTML = v.html()
	return l
}

// Headers for filters. There is no Precedence header: "bulk" makes some servers deliver later.
const (
	headerCheck   = "X-Dmonitor-Check"
	headerEvent   = "X-Dmonitor-Event"
	headerTrouble = "X-Dmonitor-Trouble"
)

// blank is what all letters have.
func blank(id, recipient string, o Options) Letter {
	return Letter{
		From: line(o.From), To: line(recipient), Date: o.Now.UTC(), MessageID: messageID(id),
		Extra: []Header{
			// RFC 3834: nobody's holiday notice shall answer. Exchange listens to its own header only.
			{"Auto-Submitted", "auto-generated"},
			{"X-Auto-Response-Suppress", "OOF, AutoReply"},
		},
	}
}

// messageID makes a Message-ID of a notice's id, which is hexadecimal. Anything else has no place between the brackets.
func messageID(notice string) string {
	id := strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return -1
	}, notice)
	return "<" + id + "@" + Domain + ">"
}

// Decided is when what the notice tells of was decided.
func Decided(n events.Notice) time.Time {
	if n.Trouble != nil {
		return n.Trouble.Time
	}
	return n.Outage.Time
}

// IsLate tells whether the letter will say that it is late: more than LateAfter past the decision.
func IsLate(n events.Notice, now time.Time) bool { return now.Sub(Decided(n)) > LateAfter }
