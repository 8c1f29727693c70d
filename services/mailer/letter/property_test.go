package letter

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// checkLetter fails the test if a letter breaks one of the package's promises that hold for any input.
func checkLetter(t interface{ Errorf(string, ...any) }, l Letter) {
	checkAny(t, l)
	const ours = "What each node saw:"
	if n := strings.Count("\n"+l.Text, "\n"+ours+"\n"); n != 1 {
		t.Errorf("the table's heading is there %d times", n)
	}
}

// checkAny is the part of checkLetter that holds for letters of every kind.
func checkAny(t interface{ Errorf(string, ...any) }, l Letter) {
	values := []Header{
		{"From", l.From}, {"To", l.To}, {"Subject", l.Subject}, {"Message-ID", l.MessageID}, {"In-Reply-To", l.InReplyTo},
	}
	for _, h := range append(values, l.Extra...) {
		if !utf8.ValidString(h.Value) || strings.ContainsFunc(h.Value, unicode.IsControl) {
			t.Errorf("header %s: not one line of clean UTF-8: %q", h.Name, h.Value)
		}
	}
	if len(l.Subject) > maxSubject {
		t.Errorf("subject of %d bytes: %q", len(l.Subject), l.Subject)
	}
	for _, part := range []string{l.Text, l.HTML} {
		if part == "" || !utf8.ValidString(part) {
			t.Errorf("part is empty or not UTF-8: %q", part)
		}
		for _, r := range part {
			if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("part holds %U", r)
			}
		}
	}
	for s := range strings.Lines(l.Text) {
		if len(s) > 998 {
			t.Errorf("line of %d bytes", len(s))
		}
	}
	// Whatever was said outside is escaped, so these can only be elements of our own.
	if n := strings.Count(l.HTML, "<script") + strings.Count(l.HTML, "<img") + strings.Count(l.HTML, "<a "); n > 0 {
		t.Errorf("the HTML holds %d elements it shouldn't", n)
	}
}

// nasty draws text as a hostile plugin would write it.
func nasty(t *rapid.T, label string) string {
	parts := rapid.SliceOfN(rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{
			"\r\n", "\n", "\r", "\x00", "\x1b[2J", "\u202e", "\u2066", "\u200f", "\xff\xfe", "\xc3", "<script>", "</pre>", "</td><img src=x>", "&lt;",
			"Bcc: x@example.org", "\n\nWhat each node saw:\n\n", "{{.}}", "=?utf-8?q?x?=", ".", "\n.\n", "\u2028", "\u0085", "\ufeff", "--",
		}),
		rapid.Map(rapid.IntRange(1, 3000), func(n int) string { return strings.Repeat("x", n) }),
	), 0, 6).Draw(t, label)
	return strings.Join(parts, "")
}

// TestPromisesHoldForAnyInput: no input at all, valid or not, breaks a header, the encoding or the length of a line.
func TestPromisesHoldForAnyInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var votes []events.NodeVote
		for range rapid.IntRange(0, 5).Draw(t, "votes") {
			votes = append(votes, events.NodeVote{
				Node: nasty(t, "node"), Site: nasty(t, "site"), Output: nasty(t, "output"),
				Vote:    rapid.SampledFrom(append([]events.Vote{"x\ny"}, events.Votes...)).Draw(t, "vote"),
				Status:  rapid.SampledFrom(append([]events.Status{"", "x\ny"}, events.Statuses...)).Draw(t, "status"),
				Elapsed: events.Millis(rapid.Int64().Draw(t, "elapsed")),
				Time:    time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "time"), 0),
			})
		}
		o := events.Outage{
			Outage: nasty(t, "outage"), By: nasty(t, "by"), Reason: nasty(t, "reason"), Note: nasty(t, "note"),
			Event: rapid.SampledFrom([]events.Event{events.Opened, events.Closed, "x\ny"}).Draw(t, "event"),
			Check: events.Check{Host: nasty(t, "host"), Test: nasty(t, "test")},
			Time:  time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "decided"), 0), Opened: time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "opened"), 0),
			Agree: rapid.Int().Draw(t, "agree"), Able: rapid.Int().Draw(t, "able"), Votes: votes,
		}
		n := events.Notice{ID: nasty(t, "id"), Recipient: nasty(t, "recipient"), Outage: o, Created: o.Time}
		opt := Options{From: nasty(t, "from"), Now: time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "now"), 0), Attempt: rapid.Int().Draw(t, "attempt"), Failure: nasty(t, "failure")}
		checkLetter(t, Write(n, opt))
	})
}

func FuzzWrite(f *testing.F) {
	f.Add("www.example.com", "ssh", "Connection refused", "restart sshd", "ops@example.com")
	f.Add("a\r\nBcc: b", "t\n", "\x1b[0m\u202e\xff<script>", "</pre>", "x\r\n.\r\n")
	f.Fuzz(func(t *testing.T, host, test, output, note, recipient string) {
		o := opened(vote("osaka-1", "osaka-1", events.Fail, output, time.Second), vote(host, test, events.OK, note, 0))
		o.Host, o.Test, o.Note, o.Reason = host, test, note, output
		n := noticeOf(o)
		n.Recipient = recipient
		opt := optionsFor(n)
		opt.Now, opt.Failure = decided.Add(time.Hour), output
		checkLetter(t, Write(n, opt))
	})
}
