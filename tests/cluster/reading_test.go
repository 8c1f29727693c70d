package cluster

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// tellings lists what a mail tells. ok is false for a mail about dmonitor itself.
func tellings(l rig.Letter) (all []telling, ok bool) {
	checks := l.Header["X-Dmonitor-Check"]
	if len(checks) == 0 {
		return nil, false
	}
	of := func(to, check, event, thread string) telling {
		return telling{
			notice: notice{thread: thread, event: event, recipient: to},
			check:  check, by: l.By, began: l.Began, took: l.Taken, messageID: l.MessageID,
		}
	}
	for _, to := range l.To {
		var one []telling
		if event := l.Header.Get("X-Dmonitor-Event"); event != "" {
			thread := l.MessageID
			if event != "opened" {
				thread = l.InReplyTo
			}
			one = append(one, of(to, checks[0], event, thread))
		} else {
			one = groupTellings(l, to, of)
		}
		for i := range one {
			one[i].among = len(one)
		}
		all = append(all, one...)
	}
	return all, true
}

// groupLine is an outage in a mail that tells of several: its check, and its state in capitals.
var groupLine = regexp.MustCompile(`(?m)^ {2}(\S+/\S+) {2}(DOWN|UP|WAS DOWN) {2}`)

// groupTellings reads the lines of a mail that tells of several outages. The references name their openings in the same
// order. A line that can't be read tells nothing, and the notice will be missed.
func groupTellings(l rig.Letter, to string, of func(to, check, event, thread string) telling) (all []telling) {
	threads := strings.Fields(l.Header.Get("References"))
	for i, m := range groupLine.FindAllStringSubmatch(l.Text, -1) {
		thread := "none"
		if i < len(threads) {
			thread = threads[i]
		}
		switch m[2] {
		case "DOWN":
			all = append(all, of(to, m[1], "opened", thread))
		case "UP":
			all = append(all, of(to, m[1], "closed", thread))
		case "WAS DOWN":
			over := of(to, m[1], "closed", thread)
			over.perhaps = true
			all = append(all, of(to, m[1], "opened", thread), over)
		}
	}
	return all
}

// TestTellings: mails of one and of several outages are read for what they tell.
func TestTellings(t *testing.T) {
	head := func(pairs ...string) map[string][]string {
		h := map[string][]string{}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = append(h[pairs[i]], pairs[i+1])
		}
		return h
	}
	var got []string
	for _, l := range []rig.Letter{
		{Header: head("X-Dmonitor-Check", "a/t", "X-Dmonitor-Event", "opened"), MessageID: "<o1@x>"},
		{Header: head("X-Dmonitor-Check", "a/t", "X-Dmonitor-Event", "closed"), MessageID: "<c1@x>", InReplyTo: "<o1@x>"},
		{
			Header:    head("X-Dmonitor-Check", "a/t", "X-Dmonitor-Check", "b/t", "X-Dmonitor-Check", "c/t", "References", "<o1@x> <o2@x> <o3@x>"),
			MessageID: "<g@x>",
			Text: "3 outages\n\n  a/t  WAS DOWN  was down for 12 s: said\n  b/t  DOWN  2 of 3 nodes (x, y)  since 12:00\n" +
				"  c/t  UP  down 4 s\n\nTo look further:\n    dmonitor status\n",
		},
		{Header: head("X-Dmonitor-Trouble", "blind", "X-Dmonitor-Event", "began"), MessageID: "<t@x>"},
	} {
		l.To = []string{"ops"}
		all, ok := tellings(l)
		if !ok {
			got = append(got, "not about an outage")
		}
		for _, x := range all {
			s := x.check + " " + x.event + " " + x.thread
			if x.perhaps {
				s += " perhaps"
			}
			got = append(got, s)
		}
	}
	want := []string{
		"a/t opened <o1@x>", "a/t closed <o1@x>",
		"a/t opened <o1@x>", "a/t closed <o1@x> perhaps", "b/t opened <o2@x>", "c/t closed <o3@x>",
		"not about an outage",
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %q\nwant %q", got, want)
	}
}
