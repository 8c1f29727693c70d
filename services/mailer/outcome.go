package mailer

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"strings"
)

// step is how far the sending of a mail had come.
type step string

// The steps, in their order.
const (
	stepConnect  step = "connect"
	stepGreeting step = "greeting"
	stepHello    step = "EHLO"
	stepTLS      step = "TLS"
	stepLogin    step = "AUTH"
	stepFrom     step = "MAIL FROM"
	stepTo       step = "RCPT TO"
	stepData     step = "DATA"
	stepEnd      step = "end of DATA"
)

// verdict is what a failure means for the notice.
type verdict int

// The verdicts.
const (
	again         verdict = iota // may pass by itself: try later
	misconfigured                // won't pass by itself, but isn't the notice's fault: try later, and say so loudly
	refused                      // the server won't ever take this mail for this recipient
)

var verdicts = [...]string{"again", "misconfigured", "refused"}

func (v verdict) String() string { return verdicts[v] }

// failure is why a mail could not be sent. Its text holds no password.
type failure struct {
	step step
	code int     // the server's answer; 0: it gave none
	self verdict // what it means, if code is 0
	text string  // the server's words, or what went wrong; one line
}

// Error says at which step what happened.
func (f *failure) Error() string {
	if f.code != 0 {
		return fmt.Sprintf("%s: %d %s", f.step, f.code, f.text)
	}
	return fmt.Sprintf("%s: %s", f.step, f.text)
}

// newFailure reads the verdict's evidence out of an error of the SMTP client. Certificates that don't fit, and a server
// that speaks no TLS where it should, are a matter of settings.
func newFailure(at step, err error, hide func(string) string) *failure {
	f := &failure{step: at}
	var answer *textproto.Error
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &answer):
		f.code, f.text = answer.Code, answer.Msg
	case errors.As(err, &cert), errors.As(err, &record), errors.As(err, &alert), isX509(err):
		f.self, f.text = misconfigured, err.Error()
	default:
		f.text = err.Error()
	}
	f.text = brief(hide(f.text), maxAnswer)
	return f
}

func isX509(err error) bool {
	var (
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)
	return errors.As(err, &host) || errors.As(err, &unknown) || errors.As(err, &invalid)
}

// enhanced finds an enhanced status code (RFC 3463) at the start of an answer: class, subject, detail.
var enhanced = regexp.MustCompile(`^5\.(\d{1,3})\.(\d{1,3})\b`)

// ours finds words that speak of us rather than of the recipient, for answers without such a code: Exim gives none, and
// says "relay not permitted" or "Sender verify failed" at RCPT TO; qmail has the code at the end.
var ours = regexp.MustCompile(`(?i)\b(relay|relaying|sender|authenticat\w+|administrative prohibition)\b|\(#5\.7\.`)

// verdict decides what becomes of the notice. Only what the server says of this recipient or this mail is final; when
// in doubt the notice is tried again, as a mail too late is better than one that is lost.
//
//   - No answer, a broken connection, and anything but 5xx: again.
//   - 5xx before RCPT TO (greeting, EHLO, STARTTLS, AUTH, MAIL FROM): nothing of that depends on the notice.
//   - Many servers say at RCPT TO what they think of the sender. 5xx there is final if it speaks of the recipient.
//   - 5xx below 550 says that the dialogue is wrong, such as 530 (log in first) or 503; but x.1.x speaks of the address:
//     x.1.7 and x.1.8 of the sender's (RFC 3463, section 3.2), the others of the recipient's.
//   - 55x with x.7.x at RCPT TO is policy, as a server says it that doesn't relay for us. Without a code, its words have
//     to do. After the mail's content, it is a verdict on the content.
func (f *failure) verdict() verdict {
	if f.code == 0 {
		return f.self
	}
	if f.code < 500 || f.code > 599 {
		return again
	}
	switch f.step {
	case stepTo:
		if f.ofRecipient() {
			return refused
		}
	case stepData, stepEnd:
		if f.code >= 550 {
			return refused
		}
	}
	return misconfigured
}

// ofRecipient tells whether a 5xx at RCPT TO speaks of the recipient.
func (f *failure) ofRecipient() bool {
	parts := enhanced.FindStringSubmatch(f.text)
	switch {
	case parts == nil:
		return f.code >= 550 && !ours.MatchString(f.text)
	case parts[1] == "1":
		return parts[2] != "7" && parts[2] != "8"
	default:
		return f.code >= 550 && parts[1] != "7"
	}
}

// closedOnUs tells whether the server has ended a connection that it had kept open between two mails.
func (f *failure) closedOnUs() bool {
	return f.step != stepEnd && f.verdict() == again && (f.code == 0 || f.code == 421)
}

// hider returns a function that takes the password out of a text, in the forms it has on the wire: a server may repeat
// what it was sent.
func hider(user, password string) func(string) string {
	if password == "" {
		return func(s string) string { return s }
	}
	r := strings.NewReplacer(
		b64("\x00"+user+"\x00"+password), "[hidden]",
		b64(password), "[hidden]",
		password, "[hidden]",
	)
	return r.Replace
}
