package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Ids are part of the contract: members of different versions have to come to the same ones, or a job runs twice and a
// notice is sent twice. The hashes below were made with sha256sum.
func TestIDsAreStable(t *testing.T) {
	due := time.Date(2026, 3, 14, 12, 0, 0, 999_999, time.FixedZone("x", 3600))
	for _, c := range []struct{ what, got, want string }{
		{"JobID", events.JobID(ssh, "tokyo-1", due), "www.example.com/ssh@tokyo-1@1773486000000"},
		{"ConfirmedID", events.ConfirmedID(round, "frankfurt-1"), "www.example.com/ssh@tokyo-1@1773489600000~frankfurt-1"},
		{"OutageID", events.OutageID(ssh, round), "4806c730e350fee8"},
		{"EventID", events.EventID("4806c730e350fee8", events.Closed), "4806c730e350fee8-closed"},
		{"NoticeID", events.NoticeID("4806c730e350fee8", events.Opened, "ops@example.com"), "e4422ea8d7b5b130becd3e851bfa203f"},
		{"NoticeID, case", events.NoticeID("4806c730e350fee8", events.Opened, "Ops@Example.COM"), "e4422ea8d7b5b130becd3e851bfa203f"},
		{"ConfirmedID, long", events.ConfirmedID(strings.Repeat("x", 509), "tokyo-1"), "dc95dba3edde35ac1ce6559483f41afc~tokyo-1"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
		}
	}
}

// Different questions have different ids.
func TestIDsDiffer(t *testing.T) {
	other := events.Check{Host: "www.example.com", Test: "ping"}
	seen := map[string]string{}
	for what, id := range map[string]string{
		"job": events.JobID(ssh, "a", noon), "job of another node": events.JobID(ssh, "b", noon),
		"job of another test": events.JobID(other, "a", noon), "job a moment later": events.JobID(ssh, "a", noon.Add(time.Millisecond)),
		"outage": events.OutageID(ssh, "r"), "outage of another test": events.OutageID(other, "r"), "another round": events.OutageID(ssh, "s"),
		"notice": events.NoticeID("o", events.Opened, "a@b"), "of closing": events.NoticeID("o", events.Closed, "a@b"),
		"to another": events.NoticeID("o", events.Opened, "b@b"), "of another outage": events.NoticeID("p", events.Opened, "a@b"),
	} {
		if was, ok := seen[id]; ok {
			t.Errorf("%s and %s have the id %s", what, was, id)
		}
		seen[id] = what
	}
}

// However often an answer causes a further confirmation, its id stays one that messages accept.
func TestConfirmedIDStaysShort(t *testing.T) {
	r := sampleResult()
	node := strings.Repeat("n", events.MaxNodeLen)
	r.Host, r.Test = strings.Repeat("h", events.MaxHostLen), strings.Repeat("t", events.MaxTestLen)
	seen := map[string]bool{}
	for id := events.JobID(r.Check, node, noon); len(seen) < 50; id = events.ConfirmedID(id, node) {
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		seen[id] = true
		r.ID, r.Confirms, r.Node = id, id, node
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
	}
}
