package events_test

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// fuzzDecode: whatever Decode accepts keeps the rules, belongs on its subject, and can be sent on as it is.
func fuzzDecode[T any, P interface {
	*T
	events.Message
}](f *testing.F, kinds ...string,
) {
	for _, s := range samples() {
		data, err := events.Encode(s.message)
		if err != nil {
			f.Fatal(err)
		}
		for _, kind := range kinds {
			if s.name == kind {
				f.Add(s.message.Subject(), data)
				f.Add(s.message.Subject(), bytes.Replace(data, []byte(`"v":1`), []byte(`"v":2`), 1))
				f.Add(s.message.Subject(), bytes.ReplaceAll(data, []byte(`Z"`), []byte(`+23:59"`)))
				f.Add(strings.Replace(s.message.Subject(), "propose", "outages", 1), data)
			}
		}
	}
	f.Add("", []byte("null"))
	f.Fuzz(func(t *testing.T, subject string, data []byte) {
		m, err := events.Decode[T, P](subject, data)
		if err != nil {
			if !reflect.ValueOf(m).IsZero() || !strings.HasPrefix(err.Error(), "decode events.") {
				t.Errorf("%+v beside the error %v", m, err)
			}
			return
		}
		p := P(&m)
		if err := p.Validate(); err != nil {
			t.Fatalf("accepted, and then: %v", err)
		}
		if own := p.Subject(); own != subject && strings.Replace(own, events.SubjectPropose, events.SubjectOutages, 1) != subject {
			t.Fatalf("accepted on %q, belongs on %q", subject, own)
		}
		sent, err := events.Encode(p)
		if err != nil {
			t.Fatalf("accepted, but can't be sent on: %v", err)
		}
		again, err := events.Decode[T, P](subject, sent)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("sent on and read: %v\n%+v\nwant\n%+v", err, again, m)
		}
	})
}

func FuzzDecodeJob(f *testing.F)          { fuzzDecode[events.Job](f, "job") }
func FuzzDecodeConfirmation(f *testing.F) { fuzzDecode[events.Confirmation](f, "confirmation") }
func FuzzDecodeResult(f *testing.F)       { fuzzDecode[events.Result](f, "result") }
func FuzzDecodePresence(f *testing.F)     { fuzzDecode[events.Presence](f, "presence") }
func FuzzDecodeContribution(f *testing.F) { fuzzDecode[events.Contribution](f, "contribution") }
func FuzzDecodeOutage(f *testing.F)       { fuzzDecode[events.Outage](f, "outage-opened", "outage-closed") }

func FuzzDecodeNotice(f *testing.F)      { fuzzDecode[events.Notice](f, "notice", "notice-trouble") }
func FuzzDecodeDelivery(f *testing.F)    { fuzzDecode[events.Delivery](f, "delivery") }
func FuzzDecodeTrouble(f *testing.F)     { fuzzDecode[events.Trouble](f, "trouble-began", "trouble-ended") }
func FuzzDecodeUncommitted(f *testing.F) { fuzzDecode[events.Uncommitted](f, "uncommitted") }
func FuzzDecodeTold(f *testing.F)        { fuzzDecode[events.Told](f, "told") }

func FuzzParseResultSubject(f *testing.F) {
	f.Add("dmonitor.results.tokyo-1.ssh.www.example.com")
	f.Add("dmonitor.results.n.ssh.")
	f.Add("dmonitor.results.n.ssh.2001:db8::1")
	f.Fuzz(func(t *testing.T, subject string) {
		node, c, err := events.ParseResultSubject(subject)
		if err != nil {
			if node != "" || c != (events.Check{}) {
				t.Errorf("%q, %+v beside the error", node, c)
			}
			return
		}
		if events.ValidateNode(node) != nil || c.Validate() != nil || events.ResultSubject(node, c) != subject {
			t.Errorf("%q: node %q, check %+v", subject, node, c)
		}
	})
}

func FuzzParseOutageSubject(f *testing.F) {
	f.Add("dmonitor.outages.opened.ssh.www.example.com")
	f.Add("dmonitor.propose.closed.ssh.www.example.com")
	f.Add("dmonitor.outages..ssh.www.example.com")
	f.Add("dmonitor.outages.later-kind.ssh.a")
	f.Fuzz(func(t *testing.T, subject string) {
		e, c, err := events.ParseOutageSubject(subject)
		if err != nil {
			if e != "" || c != (events.Check{}) {
				t.Errorf("%q, %+v beside the error", e, c)
			}
			return
		}
		if e == "" || c.Validate() != nil || events.OutageSubject(e, c) != subject && events.ProposeSubject(e, c) != subject {
			t.Errorf("%q: event %q, check %+v", subject, e, c)
		}
	})
}

// A host's name that is accepted can't leave the subject, the directory or the argument it is put into.
func FuzzValidateHost(f *testing.F) {
	for _, s := range []string{"www.example.com", "..", ".", "-a", "a/b", "a..b", "2001:db8::1", "A_b", "a\x00", "*", ">", "a.", "ü", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if events.ValidateHost(host) != nil {
			return
		}
		if host == "" || host == "." || host == ".." || host[0] == '-' || strings.ContainsAny(host, "/\\\x00*>$ \t\r\n'\"`%") || len(host) > 253 {
			t.Errorf("%q was accepted", host)
		}
		if dir := filepath.Join("/etc/hosts.d", host); filepath.Dir(dir) != "/etc/hosts.d" || filepath.Base(dir) != host || !filepath.IsLocal(host) {
			t.Errorf("%q leads to %s", host, dir)
		}
		c := events.Check{Host: host, Test: "ssh"}
		for _, subject := range []string{events.ResultSubject("n", c), events.OutageSubject(events.Opened, c), events.ConfirmSubject(c), events.ProposeFilter(c)} {
			for token := range strings.SplitSeq(subject, ".") {
				if token == "" {
					t.Errorf("%q: empty token in %s", host, subject)
				}
			}
		}
		if n, got, err := events.ParseResultSubject(events.ResultSubject("n", c)); err != nil || n != "n" || got != c {
			t.Errorf("%q: read back as %+v, %v", host, got, err)
		}
		if e, got, err := events.ParseOutageSubject(events.OutageSubject(events.Closed, c)); err != nil || e != events.Closed || got != c {
			t.Errorf("%q: read back as %+v, %v", host, got, err)
		}
		if got, err := events.ParseCheck(c.String()); err != nil || got != c {
			t.Errorf("%q: read back as %+v, %v", host, got, err)
		}
	})
}

// A recipient's address that is accepted is one line, one address and one file name.
func FuzzValidateRecipient(f *testing.F) {
	for _, s := range []string{"ops@example.com", "a@b\r\nRCPT TO:<c@d>", "<a@b>", "../a@b", `"a"@b`, "ü@b", "a@[::1]", "a@[192.0.2.1]", "a,b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if events.ValidateRecipient(s) != nil {
			return
		}
		if strings.ContainsAny(s, "\r\n\x00 <>,/\\\"") || !strings.Contains(s, "@") || !filepath.IsLocal(s) || filepath.Base(s) != s || len(s) > 254 {
			t.Errorf("%q was accepted", s)
		}
	})
}
