package letter

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Limits of a letter about many outages.
const (
	maxReferences = 100 // openings that References lists
	maxFirstLine  = 160 // bytes of what a plugin said
)

// Item is a notice of an outage in a letter about many.
type Item struct {
	events.Notice
	Attempt int       // as in Options, of this notice
	Failure string    // likewise
	Closed  time.Time // likewise
}

// WriteGroup writes one letter for several notices to one recipient. Each outage has a line of its own that begins with
// its check; one that was opened and closed has one line for both. The Message-ID depends on the notices' ids only, in
// whatever order. References lists the Message-IDs that the openings have as letters of their own, so that the closing of
// one of them, which replies to that, is shown in the same thread. Of Options, Attempt, Failure and Closed mean nothing.
func WriteGroup(items []Item, o Options) Letter {
	if len(items) == 1 {
		o.Attempt, o.Failure, o.Closed = items[0].Attempt, items[0].Failure, items[0].Closed
		return Write(items[0].Notice, o)
	}
	back := ""
	if o.Uncommitted != "" {
		back = " (" + withoutMajority + ")"
	}
	ids := make([]string, 0, len(items))
	for _, i := range items {
		ids = append(ids, i.ID)
	}
	slices.Sort(ids)
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	l := blank(hex.EncodeToString(sum[:16]), items[0].Recipient, o)
	lines := fold(items)
	for _, x := range lines {
		l.Extra = append(l.Extra, Header{headerCheck, line(x.check)})
		if id := messageID(events.NoticeID(x.outage, events.Opened, items[0].Recipient)); len(l.References) < maxReferences {
			l.References = append(l.References, id)
		}
	}
	s := sheet{
		Title: groupTitle(lines, back), Heading: "Each outage, with what a node said that saw it down:",
		Sentences: []string{fmt.Sprintf("%d %s, told in one mail because they came within seconds.", len(lines), plural("outage", len(lines)))},
		Aside:     append(uncommitted(o), lateGroup(items, o)...),
		Commands:  []string{"dmonitor status", "dmonitor outages"},
		Foot:      "dmonitor; the first mail after a quiet minute comes at once, then all that happens within some seconds comes in one",
	}
	for _, x := range lines {
		s.Rows = append(s.Rows, x.row())
	}
	l.Subject, l.Text, l.HTML = s.Title, s.text(), s.html()
	return l
}

// outageLine is what one letter tells of one outage.
type outageLine struct {
	check, outage  string
	at             time.Time // of the first event
	opened, closed *events.Outage
	over           time.Time // when it was closed, if that is known from elsewhere
}

// fold makes one line of each outage, in the order in which they happened.
func fold(items []Item) []*outageLine {
	by := map[string]*outageLine{}
	var all []*outageLine
	for i := range items {
		ev := &items[i].Outage
		x := by[ev.Outage]
		if x == nil {
			x = &outageLine{check: word(ev.Check.String()), outage: ev.Outage, at: ev.Time}
			by[ev.Outage] = x
			all = append(all, x)
		}
		if ev.Time.Before(x.at) {
			x.at = ev.Time
		}
		if ev.Event == events.Closed {
			x.closed = ev
		} else {
			x.opened, x.over = ev, items[i].Closed
		}
	}
	slices.SortStableFunc(all, func(a, b *outageLine) int {
		return cmp.Or(a.at.Compare(b.at), strings.Compare(a.check, b.check))
	})
	return all
}

func (x *outageLine) state() string {
	switch {
	case x.opened == nil:
		return "UP"
	case x.closed != nil || !x.over.IsZero():
		return "WAS DOWN"
	default:
		return "DOWN"
	}
}

func (x *outageLine) row() []string {
	r := []string{x.check, x.state()}
	switch {
	case x.opened == nil:
		return append(r, "down "+span(x.closed.Time.Sub(x.closed.Opened)), "up since "+stamp(x.closed.Time)+gapOf(x.closed))
	case x.closed != nil:
		return append(r, "was down for "+span(x.closed.Time.Sub(x.closed.Opened))+gapOf(x.closed),
			"since "+stamp(x.opened.Time)+", up since "+stamp(x.closed.Time)+said(x.opened))
	case !x.over.IsZero():
		return append(r, "was down for "+span(x.over.Sub(x.opened.Opened)), "since "+stamp(x.opened.Time)+", up since "+stamp(x.over)+said(x.opened))
	}
	v := view{ShowSite: sitesDiffer(x.opened.Votes)}
	return append(r, v.sure(*x.opened)+names(x.opened.Witnesses(events.Down)), "since "+stamp(x.opened.Time)+said(x.opened))
}

func gapOf(o *events.Outage) string {
	if o.Gap == nil {
		return ""
	}
	return " (perhaps since " + stamp(o.Gap.From) + " already: nobody looked)"
}

// said is the first line of what the plugin of a node said that votes down.
func said(o *events.Outage) string {
	for _, v := range o.Votes {
		if v.Vote != events.Down {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimSpace(clean(v.Output)), "\n")
		if first = clip(strings.Join(strings.Fields(first), " "), maxFirstLine); first != "" {
			return ": " + first
		}
	}
	return ""
}

// groupTitle says how many are down and up, and names the first: "DOWN 37 checks: www.example.com/ssh and 36 more".
func groupTitle(lines []*outageLine, end string) string {
	count := map[string]int{}
	for _, x := range lines {
		count[x.state()]++
	}
	var parts []string
	for _, s := range []string{"DOWN", "UP", "WAS DOWN"} {
		if n := count[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s, n))
		}
	}
	front, back := fmt.Sprintf("%s %s: ", strings.Join(parts, ", "), plural("check", len(lines))), end
	if more := len(lines) - 1; more > 0 {
		back = fmt.Sprintf(" and %d more", more) + end
	}
	return front + shorten(lines[0].check, max(maxSubject-len(front)-len(back), 10)) + back
}

// lateGroup says how late the oldest is, and why.
func lateGroup(items []Item, o Options) []string {
	oldest := slices.MinFunc(items, func(a, b Item) int { return Decided(a.Notice).Compare(Decided(b.Notice)) })
	if !IsLate(oldest.Notice, o.Now) {
		return nil
	}
	tried := slices.MaxFunc(items, func(a, b Item) int { return cmp.Or(cmp.Compare(len(a.Failure), len(b.Failure)), a.Attempt-b.Attempt) })
	o.Attempt, o.Failure = tried.Attempt, tried.Failure
	return []string{
		fmt.Sprintf("This mail is late: the oldest decision in it is of %s, and it is sent at %s, %s later.",
			stamp(Decided(oldest.Notice)), stamp(o.Now), span(o.Now.Sub(Decided(oldest.Notice)))),
		"Why: " + whyLate(oldest.Notice, o) + ".",
	}
}
