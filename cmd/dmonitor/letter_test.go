package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/mailer/letter"
)

// Whatever command a mail names exists: who is woken by it types it.
func TestLettersNameCommandsThereAre(t *testing.T) {
	check := events.Check{Host: "www.example.com", Test: "ssh"}
	now := time.Now()
	o := events.Outage{
		Outage: "o", ID: events.EventID("o", events.Opened), Event: events.Opened, Check: check, Time: now, Opened: now, Agree: 1, Able: 1,
		Round: "r", By: "fra", Votes: []events.NodeVote{{Node: "fra", Site: "fra", Vote: events.Down, Status: events.Fail}},
	}
	n := events.Notice{ID: events.NoticeID("o", events.Opened, "ops@example.com"), Recipient: "ops@example.com", Created: now, Outage: o}
	k := events.TroubleKey{Kind: events.TroubleNode, Node: "fra"}
	gone := events.Trouble{
		ID: "t-1", Trouble: "t", Step: 1, TroubleKey: k, Event: events.Began, Time: now, Began: now, Reason: "fra is gone", By: "nyc",
	}
	other := n
	other.Outage.Host, other.ID = "mail.example.com", "other"
	o2 := letter.Options{From: "dmonitor@example.com", Now: now, Attempt: 1}
	for _, l := range []letter.Letter{
		letter.Write(n, o2),
		letter.WriteGroup([]letter.Item{{Notice: n, Attempt: 1}, {Notice: other, Attempt: 1}}, o2),
		letter.Write(events.Notice{ID: "n", Recipient: "ops@example.com", Created: now, Trouble: &gone}, o2),
	} {
		namesCommandsThereAre(t, l.Text)
	}
}

func namesCommandsThereAre(t *testing.T, text string) {
	t.Helper()
	named := 0
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "dmonitor" || strings.HasSuffix(words[0], ",") {
			continue
		}
		named++
		var out, errs bytes.Buffer
		a := &app{ctx: t.Context(), host: "test", stdout: &out, stderr: &errs}
		if code := a.main(append(words[1:], "--help")); code != proc.ExitFine || !strings.Contains(out.String(), "Usage: "+words[0]+" "+words[1]) {
			t.Errorf("%q: exit code %d\n%s%s", strings.Join(words, " "), code, out.String(), errs.String())
		}
	}
	if named == 0 {
		t.Errorf("no command found in\n%s", text)
	}
}
