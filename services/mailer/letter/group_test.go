package letter

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// storm are openings of this many checks, a tenth of a second apart.
func storm(n int) (items []Item) {
	for i := range n {
		o := opened(osakaDown, parisUp, tokyoDown)
		o.Check = events.Check{Host: fmt.Sprintf("h%03d.example.com", i), Test: "ssh"}
		o.Outage = events.OutageID(o.Check, "round-1")
		o.ID = events.EventID(o.Outage, o.Event)
		o.Time = decided.Add(time.Duration(i) * 100 * time.Millisecond)
		o.Opened = o.Time
		items = append(items, Item{Notice: noticeOf(o), Attempt: 1})
	}
	return items
}

func ends(items []Item, after time.Duration) (out []Item) {
	for _, i := range items {
		out = append(out, Item{Notice: noticeOf(closed(i.Outage, after, parisUp)), Attempt: 1})
	}
	return out
}

func goldenGroups() map[string]Letter {
	o := Options{From: "dmonitor@example.com", Now: decided.Add(5 * time.Second)}
	three := storm(3)
	evil := storm(2)
	bad := "x\r\nBcc: all@example.org\r\n\r\n  h001.example.com/ssh  UP<script>alert(1)</script>\x1b[31m\u202e\xff"
	evil[0].Outage.Votes = []events.NodeVote{vote("osaka-1", "osaka-1", events.Fail, "\n"+bad, 0), tokyoDown}
	evil[0].Outage.Host = bad
	late := storm(2)
	late[1].Attempt, late[1].Failure = 3, "451 later"
	late[0].Closed = decided.Add(10 * time.Minute)
	after := o
	after.Now = decided.Add(time.Hour)
	gap := ends(three[:2], 2*time.Hour)
	gap[0].Outage.Gap = &events.Gap{From: decided.Add(time.Minute), To: decided.Add(time.Hour)}
	after2 := o
	after2.Now = decided.Add(2 * time.Hour)
	return map[string]Letter{
		"group-down":        WriteGroup(three, o),
		"group-up":          WriteGroup(ends(three, 12*time.Second), Options{From: o.From, Now: decided.Add(17 * time.Second)}),
		"group-mixed":       WriteGroup(slices.Concat(ends(three[:1], 12*time.Second), three, ends(storm(5)[4:], 4*time.Second)), o),
		"group-late":        WriteGroup(late, after),
		"group-gap":         WriteGroup(gap, after2),
		"group-injection":   WriteGroup(evil, o),
		"group-uncommitted": WriteGroup(three, Options{From: o.From, Now: decided.Add(31 * time.Second), Uncommitted: "tokyo-1"}),
	}
}

// TestGroupNamesEachOnce: however many, each outage has one line that begins with its check, and one header.
func TestGroupNamesEachOnce(t *testing.T) {
	items := storm(200)
	l := WriteGroup(items, Options{From: "a@example.com", Now: decided.Add(time.Minute)})
	checkSheet(t, l)
	if want := "DOWN 200 checks: h000.example.com/ssh and 199 more"; l.Subject != want {
		t.Errorf("subject %q, want %q", l.Subject, want)
	}
	for _, i := range items {
		check := i.Outage.Check.String()
		if strings.Count(l.Text, "\n  "+check+"  DOWN  ") != 1 || strings.Count(l.HTML, "<td>"+check+"</td>") != 1 {
			t.Errorf("%s isn't there exactly once", check)
		}
		if n := slices.Index(l.Extra, Header{headerCheck, check}); n < 0 {
			t.Errorf("no header for %s", check)
		}
	}
	if len(l.References) != maxReferences {
		t.Errorf("%d references", len(l.References))
	}
}

// TestGroupThread: the closing of one outage replies to what the letter about many refers to, and a letter about one is
// the ordinary one.
func TestGroupThread(t *testing.T) {
	items, o := storm(3), Options{From: "a@example.com", Now: decided, Attempt: 1}
	group := WriteGroup(items, o)
	up := Write(ends(items[1:2], time.Minute)[0].Notice, o)
	if !slices.Contains(group.References, up.InReplyTo) || group.InReplyTo != "" {
		t.Errorf("the closing replies to %s; the group refers to %v", up.InReplyTo, group.References)
	}
	slices.Reverse(items)
	if again := WriteGroup(items, o); again.MessageID != group.MessageID || again.Text != group.Text {
		t.Error("the order of the notices matters")
	}
	if other := WriteGroup(items[:2], o); other.MessageID == group.MessageID {
		t.Error("two groups have one Message-ID")
	}
	if one := WriteGroup(items[:1], o); one.Subject != Write(items[0].Notice, o).Subject || one.MessageID != messageID(items[0].ID) {
		t.Errorf("a group of one is %q, %s", one.Subject, one.MessageID)
	}
}

// TestGroupPromises: no input at all breaks a header, the encoding or the length of a line, or forges a line.
func TestGroupPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var items []Item
		n := rapid.IntRange(2, 4).Draw(t, "notices")
		for range n {
			o := events.Outage{
				Outage: nasty(t, "outage"), Check: events.Check{Host: nasty(t, "host"), Test: nasty(t, "test")}, Time: decided, Opened: decided,
				Event: rapid.SampledFrom([]events.Event{events.Opened, events.Closed, "x\ny"}).Draw(t, "event"),
				Votes: []events.NodeVote{{Node: nasty(t, "node"), Site: nasty(t, "site"), Output: nasty(t, "output"), Vote: events.Down}},
			}
			items = append(items, Item{Notice: events.Notice{ID: nasty(t, "id"), Recipient: nasty(t, "recipient"), Outage: o}, Failure: nasty(t, "failure")})
		}
		l := WriteGroup(items, Options{From: nasty(t, "from"), Now: decided.Add(time.Hour), Uncommitted: nasty(t, "mailer")})
		checkSheet(t, l)
		if rows := strings.Count(l.Text, "\n  "); rows > 4*n+40 {
			t.Fatalf("%d lines that look like rows, of %d notices", rows, n)
		}
	})
}
