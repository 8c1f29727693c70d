package events_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// What Encode wrote, Decode reads back: the same message in every field, whatever a plugin or a mail server said.
func TestRoundTrip(t *testing.T) {
	eachSeed(t, 50, func(t *testing.T, g gen) {
		for _, m := range g.messages() {
			data, err := events.Encode(m.message)
			if err != nil {
				t.Fatalf("%s: %v", m.name, err)
			}
			got, err := m.again(m.message.Subject(), data)
			if err != nil {
				t.Fatalf("%s: %v\n%s", m.name, err, data)
			}
			if !reflect.DeepEqual(got, m.message) {
				t.Fatalf("%s:\nread %+v\nwant %+v", m.name, got, m.message)
			}
			if again, err := events.Encode(got); err != nil || !bytes.Equal(again, data) {
				t.Fatalf("%s: second time %v\n%s\nwant\n%s", m.name, err, again, data)
			}
			var tree any
			if err := json.Unmarshal(data, &tree); err != nil || hasNull(tree) {
				t.Fatalf("%s: %v, or null in %s", m.name, err, data)
			}
		}
	})
}

func hasNull(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return slices.ContainsFunc(v, hasNull)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), hasNull)
	default:
		return false
	}
}

// Lists that a reader expects are written as lists, never as null.
func TestEmptyLists(t *testing.T) {
	confirmation, presence, contribution := sampleConfirmation(), samplePresence(), sampleContribution()
	confirmation.Nodes, presence.Plugins, contribution.Checks, contribution.Recipients = nil, nil, nil, nil
	for m, want := range map[events.Message]string{
		confirmation: `"nodes":[]`, presence: `"plugins":[]`, contribution: `"checks":[],"recipients":[]`,
	} {
		data, err := events.Encode(m)
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%T: %v: %s: want %s", m, err, data, want)
		}
	}
}

// Encode changes what it is given, never what that points to: other holders of the votes may be reading them.
func TestEncodeLeavesSlicesAlone(t *testing.T) {
	votes := []events.NodeVote{
		{Node: "b", Site: "b", Vote: events.Down, Status: events.Fail, Output: "\x1b[31mFAIL\xff"},
		{Node: "a", Site: "a", Vote: events.Down, Status: events.Fail, Time: noon.In(time.FixedZone("x", 3600))},
	}
	o := openedOutage()
	o.Votes = votes
	want := fmt.Sprintf("%+v", votes)
	if _, err := events.Encode(&o); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%+v", votes); got != want {
		t.Errorf("votes became %s, were %s", got, want)
	}
	if o.Votes[0].Node != "a" || o.Votes[1].Output != "\ufffd[31mFAIL\ufffd" {
		t.Errorf("sent votes %+v: want them sorted and clean", o.Votes)
	}
}

// The largest event that the rules allow fits into a message, also if every byte has to be escaped.
func TestLargestOutageFits(t *testing.T) {
	o := openedOutage()
	o.Votes = nil
	long := strings.Repeat(`"`, 10_000)
	for i := range events.MaxVotes {
		name := fmt.Sprintf("n%062d", i)
		o.Votes = append(o.Votes, events.NodeVote{
			Node: name, Site: name, Vote: events.Down, Status: events.Timeout, Output: long, Time: noon,
			Elapsed: events.Millis(time.Hour), Result: strings.Repeat(`\`, 512),
		})
	}
	o.Reason, o.By, o.Note = long, long, long
	data, err := events.Encode(&events.Notice{
		ID: events.NoticeID(o.Outage, o.Event, "a@b.example"), Recipient: "a@b.example", Created: noon, Outage: o,
	})
	if err != nil || len(data) > events.MaxMessage*3/4 {
		t.Errorf("%d bytes, %v: want well below %d", len(data), err, events.MaxMessage)
	}
}

// Decode says no, and says why; the sentinels tell a reader what to do about it.
func TestDecodeRefuses(t *testing.T) {
	good, err := events.Encode(sampleResult())
	if err != nil {
		t.Fatal(err)
	}
	subject := sampleResult().Subject()
	change := func(old, new string) string {
		if !strings.Contains(string(good), old) {
			t.Fatalf("sample has no %s", old)
		}
		return strings.Replace(string(good), old, new, 1)
	}
	for _, c := range []struct {
		name, subject, data, want string
		is                        error
	}{
		{"another node's subject", events.ResultSubject("tokyo-1", ssh), string(good), `subject "dmonitor.results.tokyo-1.ssh.www.example.com", body says "dmonitor.results.frankfurt-1.ssh.www.example.com"`, events.ErrSubject},
		{"another check's subject", events.ResultSubject("frankfurt-1", events.Check{Host: "a", Test: "b"}), string(good), "", events.ErrSubject},
		{"no subject", "", string(good), "", events.ErrSubject},
		{"newer", subject, change(`"v":1`, `"v":2`), "version 2", events.ErrVersion},
		{"newer with other types", subject, change(`"v":1`, `"v":7,"elapsed_ms":{"new":true},"node":[]`), "version 7", events.ErrVersion},
		{"no version", subject, change(`"v":1,`, ``), "version 0: want 1 to 1", nil},
		{"version below", subject, change(`"v":1`, `"v":-1`), "version -1: want 1 to 1", nil},
		{"version as text", subject, change(`"v":1`, `"v":"2"`), "cannot unmarshal", nil},
		{"no JSON", subject, "hello", "invalid character", nil},
		{"nothing", subject, "", "unexpected end", nil},
		{"null", subject, "null", "version 0", nil},
		{"a list", subject, "[]", "cannot unmarshal", nil},
		{"two messages", subject, string(good) + string(good), "after top-level value", nil},
		{"not UTF-8", subject, change("FAIL connection", "FAIL\xff"), "not UTF-8", nil},
		{"control character", subject, change("FAIL connection", `FAIL \u001b[2J`), "output: control character U+001B at byte 5", nil},
		{"line separator", subject, change("FAIL connection", "FAIL\u2028"), "output: control character U+2028 at byte 4", nil},
		{"turned writing", subject, change("FAIL connection", "FAIL\u202e"), "output: control character U+202E at byte 4", nil},
		{"second key wins and is checked", subject, change(`"node":"frankfurt-1"`, `"node":"frankfurt-1","node":"tokyo-1"`), "", events.ErrSubject},
		{"so does one in another case", subject, change(`"node":"frankfurt-1"`, `"node":"frankfurt-1","NODE":"tokyo-1"`), "", events.ErrSubject},
		{"bad node", subject, change(`"node":"frankfurt-1"`, `"node":"../x"`), `node name "../x": '.' is not allowed`, nil},
		{"bad site", subject, change(`"site":"frankfurt"`, `"site":"a.b"`), `site name "a.b": '.' is not allowed`, nil},
		{"bad status", subject, change(`"status":"fail"`, `"status":"broken"`), `status "broken": want one of ok, warning, fail, timeout, unknown`, nil},
		{"year 0", subject, change(`2026-03-14T12:00:00.08Z`, `0000-03-14T12:00:00Z`), "started: year 0, want 1 to 9999", nil},
		{"year 10000 in UTC", subject, change(`2026-03-14T12:00:00.08Z`, `9999-12-31T23:59:59-23:00`), "started: year 10000, want 1 to 9999", nil},
		{"huge number", subject, change(`51.2`, `1e999`), "cannot unmarshal number", nil},
		{"endless run", subject, change(`51.2`, `1e300`), "past a hundred years", nil},
		{"negative run", subject, change(`51.2`, `-1`), "elapsed -1ms: want 0 to a hundred years", nil},
		{"huge perf", subject, change(`0.0512`, `1e999`), "cannot unmarshal number", nil},
		{"long id", subject, change(`"confirms":"`, `"confirms":"`+strings.Repeat("x", 512)), "at most 512 are allowed", nil},
		{"id with a space", subject, change(`"confirms":"`, `"confirms":" `), "only printable ASCII without spaces is allowed", nil},
		{"empty id", subject, change(`"id":"`+sampleResult().ID, `"id":"`), "id is empty", nil},
		{"long output", subject, change("FAIL connection", strings.Repeat("x", 30_000)), "output: 30008 bytes, at most 24576 are allowed", nil},
		{"too long", subject, string(good) + strings.Repeat(" ", events.MaxMessage), "at most 4194304 are allowed", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := events.Decode[events.Result](c.subject, []byte(c.data))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "decode events.Result: ") {
				t.Errorf("error %v: want it to say %q", err, c.want)
			}
			for _, s := range []error{events.ErrSubject, events.ErrVersion, events.ErrEvent} {
				if errors.Is(err, s) != (s == c.is) {
					t.Errorf("error %v: errors.Is %q should be %t", err, s, s == c.is)
				}
			}
			if !reflect.DeepEqual(got, events.Result{}) {
				t.Errorf("got %+v beside the error: want the zero message", got)
			}
		})
	}
}

// Newer members may add fields; older ones pass over them.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	for _, s := range samples() {
		data, err := events.Encode(s.message)
		if err != nil {
			t.Fatal(err)
		}
		data = append([]byte(`{"new":{"v":9,"deep":[1,null]},"V2":true,`), data[1:]...)
		if got, err := s.again(s.message.Subject(), data); err != nil || !reflect.DeepEqual(got, s.message) {
			t.Errorf("%s: %v, %+v", s.name, err, got)
		}
	}
}

// Every kind of message is refused on a subject that is not its own, and an outage is at home on two.
func TestDecodeWantsTheSubject(t *testing.T) {
	all := samples()
	for _, s := range all {
		data, err := events.Encode(s.message)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range all {
			want := error(nil)
			if other.message.Subject() != s.message.Subject() {
				want = events.ErrSubject
			}
			if _, err := s.again(other.message.Subject(), data); !errors.Is(err, want) {
				t.Errorf("%s on the subject of %s: %v, want %v", s.name, other.name, err, want)
			}
		}
	}
	o := openedOutage()
	data, err := events.Encode(&o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.Decode[events.Outage](events.OutageSubject(events.Opened, ssh), data); err != nil {
		t.Error(err)
	}
	if _, err := events.Decode[events.Outage](events.OutageSubject(events.Closed, ssh), data); !errors.Is(err, events.ErrSubject) {
		t.Errorf("an opened event on the closed subject: %v", err)
	}
}

// An event of a kind that a later version adds is told from a broken one.
func TestUnknownEvent(t *testing.T) {
	o := openedOutage()
	data, err := events.Encode(&o)
	if err != nil {
		t.Fatal(err)
	}
	subject := "dmonitor.outages.blind.ssh.www.example.com"
	_, err = events.Decode[events.Outage](subject, bytes.Replace(data, []byte(`"event":"opened"`), []byte(`"event":"blind"`), 1))
	if !errors.Is(err, events.ErrEvent) {
		t.Errorf("%v: want ErrEvent", err)
	}
	if e, c, err := events.ParseOutageSubject(subject); e != "blind" || c != ssh || err != nil {
		t.Errorf("subject parsed as %s, %s, %v", e, c, err)
	}
}

// A notice carries an event of its own version.
func TestNoticeOfNewerEvent(t *testing.T) {
	n := sampleNotice()
	data, err := events.Encode(n)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte(`"event":{"v":1`), []byte(`"event":{"v":2`), 1)
	if _, err := events.Decode[events.Notice](n.Subject(), data); !errors.Is(err, events.ErrVersion) {
		t.Errorf("%v: want ErrVersion", err)
	}
}

// Encode refuses what no reader would accept, and says so in the words of Validate.
func TestEncodeRefuses(t *testing.T) {
	far := time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		want   string
		change func(*events.Result)
	}{
		{"encode *events.Result: id is empty", func(r *events.Result) { r.ID = "" }},
		{"encode *events.Result: started: year 12000, want 1 to 9999", func(r *events.Result) { r.Started = far }},
		{"encode *events.Result: due: year 12000, want 1 to 9999", func(r *events.Result) { r.Due = far }},
		{"encode *events.Result: host name is empty", func(r *events.Result) { r.Host = "" }},
		{"encode *events.Result: elapsed 1752000h0m0s: want 0 to a hundred years", func(r *events.Result) { r.Elapsed = events.Millis(200 * 365 * 24 * time.Hour) }},
	} {
		r := sampleResult()
		c.change(r)
		if _, err := events.Encode(r); err == nil || err.Error() != c.want {
			t.Errorf("error %v: want %s", err, c.want)
		}
	}
	big := sampleContribution()
	for i := range 600 {
		d := sampleDefinition()
		d.Host = fmt.Sprintf("h%d.example", i)
		d.Note = strings.Repeat("x", events.MaxNote)
		big.Checks = append(big.Checks, d)
	}
	if _, err := events.Encode(big); err == nil || !strings.Contains(err.Error(), "at most 4194304 are allowed") {
		t.Errorf("a contribution past the limit: %v", err)
	}
}

// Durations survive to the microsecond, and are written as people write milliseconds.
func TestMillis(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", time.Millisecond: "1", 51200 * time.Microsecond: "51.2", time.Microsecond: "0.001", time.Hour: "3600000",
		1499 * time.Nanosecond: "0.001", 24*time.Hour - time.Microsecond: "86399999.999", -time.Second: "-1000",
	} {
		got, err := events.Millis(d).MarshalJSON()
		if err != nil || string(got) != want {
			t.Errorf("%v: %s, %v: want %s", d, got, err, want)
		}
		var back events.Millis
		if err := back.UnmarshalJSON(got); err != nil || back.Duration() != d.Round(time.Microsecond) {
			t.Errorf("%v: read back as %v, %v", d, back, err)
		}
	}
	var d events.Millis
	if err := d.UnmarshalJSON([]byte("3e15")); err == nil || err.Error() != "3e+15 ms: past a hundred years" {
		t.Errorf("error %v", err)
	}
	if got := events.Millis(90 * time.Second).String(); got != "1m30s" {
		t.Errorf("String: %s", got)
	}
}
