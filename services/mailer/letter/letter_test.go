package letter

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var rewrite = flag.Bool("rewrite", false, "write the golden letters anew")

// decided is when the arbiters of these tests decide.
var decided = time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)

func vote(node, site string, status events.Status, output string, elapsed time.Duration) events.NodeVote {
	v := events.NodeVote{Node: node, Site: site, Vote: status.Vote(), Status: status, Output: output, Elapsed: events.Millis(elapsed)}
	if status == "" {
		v.Vote = events.None
		return v
	}
	v.Time = decided.Add(-time.Second)
	return v
}

// opened is an opened event of ssh on www.example.com with these votes.
func opened(votes ...events.NodeVote) events.Outage {
	c := events.Check{Host: "www.example.com", Test: "ssh"}
	id := events.OutageID(c, "round-1")
	return events.Outage{
		ID: events.EventID(id, events.Opened), Outage: id, Event: events.Opened, Check: c,
		Time: decided, Opened: decided, Agree: 2, Able: 3, Votes: votes, Round: "round-1",
		Reason: "2 of 3 nodes say down in one round; 2 have to agree", By: "osaka-1",
	}
}

func closed(o events.Outage, after time.Duration, votes ...events.NodeVote) events.Outage {
	o.Event, o.ID = events.Closed, events.EventID(o.Outage, events.Closed)
	o.Time, o.Votes = o.Opened.Add(after), votes
	o.Reason = "no node says down any more"
	return o
}

func noticeOf(o events.Outage) events.Notice {
	const to = "ops@example.com"
	return events.Notice{ID: events.NoticeID(o.Outage, o.Event, to), Recipient: to, Created: o.Time.Add(50 * time.Millisecond), Outage: o}
}

func optionsFor(n events.Notice) Options {
	return Options{From: "dmonitor@example.com", Now: n.Outage.Time.Add(120 * time.Millisecond), Attempt: 1}
}

var (
	osakaDown = vote("osaka-1", "osaka-1", events.Fail, "connect to 192.0.2.1 port 22: Connection refused", 12*time.Millisecond)
	tokyoDown = vote("tokyo-1", "tokyo-1", events.Timeout, "no answer within 10 s", 10*time.Second)
	parisUp   = vote("paris-1", "paris-1", events.OK, "SSH OK - OpenSSH_9.9 (protocol 2.0)", 31*time.Millisecond)
	parisDown = vote("paris-1", "paris-1", events.Fail, "connect to 192.0.2.1 port 22: No route to host", 3*time.Second)
)

// golden lists one letter for each rule of the package; the name is that of the file.
func golden() map[string]func() (events.Notice, Options) {
	plain := func(o events.Outage) func() (events.Notice, Options) {
		return func() (events.Notice, Options) { n := noticeOf(o); return n, optionsFor(n) }
	}
	with := func(o events.Outage, change func(*events.Notice, *Options)) func() (events.Notice, Options) {
		return func() (events.Notice, Options) {
			n := noticeOf(o)
			opt := optionsFor(n)
			change(&n, &opt)
			return n, opt
		}
	}
	two := opened(osakaDown, parisUp, tokyoDown)
	noted := two
	noted.Note = "Zuständig: Jürgen, 内線 123.\nErst `systemctl status sshd`, dann neu starten."
	noted.Votes = []events.NodeVote{vote("osaka-1", "osaka-1", events.Fail, "接続が拒否されました – запрещено", time.Millisecond), tokyoDown}
	long := two
	long.Votes = []events.NodeVote{
		vote("osaka-1", "osaka-1", events.Fail, strings.Repeat("no route to host; ", 500), time.Second),
		vote("tokyo-1", "tokyo-1", events.Fail, strings.Repeat("x", 8192), time.Second),
		vote("paris-1", "paris-1", events.Fail, strings.Repeat("line\n", 100), time.Second),
	}
	evil := "Fail\r\nBcc: all@example.org\r\n\r\n<script>alert(1)</script>\x1b[31m\u202egpj.exe\x00\xff" +
		"\nWhat each node saw:\n</pre><img src=\"http://example.org/x\">"
	inject := two
	inject.Note, inject.Reason, inject.By = evil, evil, evil
	inject.Host, inject.Test = "www.example.com\r\nBcc: host@example.org", "ssh\nX-Evil: test"
	inject.Votes = []events.NodeVote{vote("osaka-1\r\nX: y", "osaka-1", events.Fail, evil, time.Second), tokyoDown}
	sites := opened(
		vote("osaka-1", "osaka", events.Fail, "Connection refused", 12*time.Millisecond),
		vote("osaka-2", "osaka", events.Fail, "Connection refused", 14*time.Millisecond),
		vote("paris-1", "paris", events.Unknown, "check_ssh: not found", 0),
		vote("tokyo-1", "tokyo", events.Fail, "Connection refused", 20*time.Millisecond),
		vote("lima-1", "lima", "", "", 0),
	)
	longHost := two
	longHost.Host = "db-primary-0017." + strings.Repeat("very-long-label.", 10) + "eu-west-1.internal.example.com"
	back := vote("osaka-1", "osaka-1", events.OK, "SSH OK", time.Second)
	gap := closed(two, 2*time.Hour, parisUp, back)
	gap.Gap = &events.Gap{From: decided.Add(4 * time.Minute), To: decided.Add(119 * time.Minute)}
	all := map[string]func() (events.Notice, Options){
		"opened-2-of-3": plain(two),
		"opened-3-of-3": plain(opened(osakaDown, parisDown, tokyoDown)),
		"closed":        plain(closed(two, 4*time.Minute+10*time.Second, parisUp, vote("osaka-1", "osaka-1", events.OK, "SSH OK", time.Second))),
		"closed-gap":    plain(gap),
		"uncommitted": with(two, func(n *events.Notice, o *Options) {
			o.Now, o.Uncommitted = n.Outage.Time.Add(33*time.Second), "tokyo-1"
		}),
		"sites":       plain(sites),
		"non-ascii":   plain(noted),
		"long-output": plain(long),
		"long-host":   plain(longHost),
		"late": with(two, func(n *events.Notice, o *Options) {
			o.Now, o.Attempt = n.Outage.Time.Add(12*time.Minute+3*time.Second), 7
			o.Failure = "connect to mail.example.com:25: connection refused"
		}),
		"late-overtaken": with(two, func(n *events.Notice, o *Options) {
			o.Now, o.Attempt = n.Outage.Time.Add(5*time.Hour), 3
			o.Closed = n.Outage.Time.Add(20 * time.Minute)
		}),
		"injection": with(inject, func(n *events.Notice, o *Options) {
			n.Recipient, n.ID = "ops@example.com\r\nBcc: x@example.org", "id>\r\nX-Evil: id"
			o.From = "dmonitor@example.com\r\nX-Evil: from"
			o.Now, o.Attempt, o.Failure = n.Outage.Time.Add(time.Hour), 2, evil
		}),
	}
	maps.Copy(all, goldenTroubles())
	return all
}

// TestGolden compares whole letters with those in testdata. Run it with -rewrite after a wanted change, and read the
// difference.
func TestGolden(t *testing.T) {
	letters := goldenGroups()
	for name, make := range golden() {
		letters[name] = Write(make())
	}
	for name, l := range letters {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(name, "trouble-") || strings.HasPrefix(name, "group-") {
				checkSheet(t, l)
			} else {
				checkLetter(t, l)
			}
			file := filepath.Join("testdata", name+".txt")
			got := dump(l)
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("letter differs from %s; got:\n%s", file, got)
			}
		})
	}
}

// dump writes a letter for people to read in testdata.
func dump(l Letter) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\nTo: %s\nSubject: %s\nDate: %s\nMessage-ID: %s\n", l.From, l.To, l.Subject, l.Date.Format(time.RFC3339), l.MessageID)
	if l.InReplyTo != "" {
		fmt.Fprintf(&b, "In-Reply-To: %s\n", l.InReplyTo)
	}
	if len(l.References) > 0 {
		fmt.Fprintf(&b, "References: %s\n", strings.Join(l.References, " "))
	}
	for _, h := range l.Extra {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
	}
	return b.String() + "\n--- text ---\n" + l.Text + "\n--- html ---\n" + l.HTML
}

// TestGoldenFilesAreUsed keeps testdata free of letters that no test writes.
func TestGoldenFilesAreUsed(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases, groups := golden(), goldenGroups()
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		_, ok := cases[name]
		_, group := groups[name]
		if !ok && !group {
			t.Errorf("%s: no case of that name", f)
		}
	}
}

// TestClosingRefersToOpening: the closing mail carries the opening mail's Message-ID, for the same recipient.
func TestClosingRefersToOpening(t *testing.T) {
	open := opened(osakaDown, tokyoDown)
	shut := closed(open, time.Minute, parisUp)
	a, b := noticeOf(open), noticeOf(shut)
	first, second := Write(a, optionsFor(a)), Write(b, optionsFor(b))
	if second.InReplyTo != first.MessageID {
		t.Errorf("In-Reply-To %s, want %s", second.InReplyTo, first.MessageID)
	}
	if first.InReplyTo != "" {
		t.Errorf("an opening refers to %s", first.InReplyTo)
	}
	if first.MessageID == second.MessageID {
		t.Error("opening and closing have the same Message-ID")
	}
}

// TestMessageIDIsStable: a retry, hours later and from another mailer's address, has the same Message-ID.
func TestMessageIDIsStable(t *testing.T) {
	n := noticeOf(opened(osakaDown, tokyoDown))
	a := Write(n, optionsFor(n))
	b := Write(n, Options{From: "watch@other.example", Now: decided.Add(3 * time.Hour), Attempt: 9, Failure: "451 later"})
	if a.MessageID != b.MessageID {
		t.Errorf("%s, then %s", a.MessageID, b.MessageID)
	}
}

// TestSubject: what, where and how sure, in the first 80 bytes, whatever the lengths of the names.
func TestSubject(t *testing.T) {
	lots := make([]events.NodeVote, 0, 64)
	for i := range 64 {
		lots = append(lots, vote(fmt.Sprintf("node-%02d", i), "s"+fmt.Sprint(i), events.Fail, "", 0))
	}
	for _, c := range []struct {
		name, host, test string
		votes            []events.NodeVote
		able             int
		want             string
	}{
		{"plain", "www.example.com", "ssh", []events.NodeVote{osakaDown, tokyoDown}, 3, "DOWN ssh on www.example.com (2 of 3 nodes)"},
		{"alone", "www.example.com", "ssh", []events.NodeVote{osakaDown}, 1, "DOWN ssh on www.example.com (1 of 1 node)"},
		{"able is missing", "www.example.com", "ssh", []events.NodeVote{osakaDown, tokyoDown}, 0, "DOWN ssh on www.example.com (2 of 2 nodes)"},
		{
			"long host", "db-primary-0017." + strings.Repeat("a.", 60) + "example.com", "ssh",
			[]events.NodeVote{osakaDown, tokyoDown},
			3,
			"DOWN ssh on db-primary-0017.a.a.a.a.a.a.a.a.a...a.a.example.com (2 of 3 nodes)",
		},
		{
			"long everything", strings.Repeat("h", 253), strings.Repeat("t", 63), lots, 64,
			"DOWN tttttttttttttt...ttttttt on hhhhhhhhhhhhhhhhhh...hhhhhhhhh (64 of 64 sites)",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := opened(c.votes...)
			o.Host, o.Test, o.Able = c.host, c.test, c.able
			n := noticeOf(o)
			l := Write(n, optionsFor(n))
			if l.Subject != c.want {
				t.Errorf("got  %q (%d bytes)\nwant %q", l.Subject, len(l.Subject), c.want)
			}
			if !strings.Contains(strings.ReplaceAll(l.Text, "\n", " "), clip(c.host, maxWord)) {
				t.Error("the body doesn't have the host's full name")
			}
			checkLetter(t, l)
		})
	}
}

// TestLate: a letter says that it is late from the minute on, and gives the best reason known.
func TestLate(t *testing.T) {
	n := noticeOf(opened(osakaDown, tokyoDown))
	for _, c := range []struct {
		name    string
		after   time.Duration
		created time.Duration
		attempt int
		failure string
		want    string // empty: not late
	}{
		{"in time", time.Minute, 0, 1, "", ""},
		{"in time after a failure", 59 * time.Second, 0, 3, "451 later", ""},
		{"clocks disagree", -time.Hour, 0, 1, "", ""},
		{"failed before", 2 * time.Minute, 0, 4, "451 later", "attempt 4; the one before failed: 451 later."},
		{"failed on another mailer", 2 * time.Minute, 0, 4, "", "attempt 4; the log of the mailer"},
		{"queued late", time.Hour, 50 * time.Minute, 1, "", "queued 50 min after the decision"},
		{"waited", time.Hour, time.Second, 1, "", "waited in the queue"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := n
			n.Created = decided.Add(c.created)
			l := Write(n, Options{From: "a@example.com", Now: decided.Add(c.after), Attempt: c.attempt, Failure: c.failure})
			text := strings.Join(strings.Fields(l.Text), " ")
			if late := strings.Contains(text, "This notice is late"); late != (c.want != "") {
				t.Fatalf("says late: %v", late)
			}
			if !strings.Contains(text, c.want) {
				t.Errorf("no %q in:\n%s", c.want, l.Text)
			}
		})
	}
}

// TestManyVotes: the table is bounded, with the witnesses first.
func TestManyVotes(t *testing.T) {
	var votes []events.NodeVote
	for i := range events.MaxVotes {
		status := events.OK
		if i >= events.MaxVotes-2 {
			status = events.Fail
		}
		name := fmt.Sprintf("node-%03d", i)
		votes = append(votes, vote(name, name, status, "x", 0))
	}
	n := noticeOf(opened(votes...))
	l := Write(n, optionsFor(n))
	checkLetter(t, l)
	if !strings.Contains(l.Text, "and 192 more nodes\n") {
		t.Errorf("doesn't say how many were left out:\n%s", l.Text)
	}
	if !strings.Contains(l.Text, "node-255  down") {
		t.Error("a witness was left out")
	}
}
