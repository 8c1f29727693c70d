package letter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Limits of what is shown of one event.
const (
	maxSubject     = 80
	maxRows        = 64 // nodes in the table
	maxNames       = 8  // names of witnesses in a sentence
	maxOutputLines = 12 // of one plugin
	maxOutput      = 1200
	maxNoteLines   = 40
	maxNote        = 4000
	maxReason      = 600
	maxFailure     = 400
)

// view is what both parts of a letter show. All text in it is clean.
type view struct {
	State      string // in capitals: DOWN, WAS DOWN or UP
	Test, Host string
	InBrief    string // how sure, or how long it was down
	Sentences  []string
	Late       []string // and what else is odd about this letter
	Facts      []fact
	Note       []string
	ShowSite   bool
	Rows       []row
	MoreRows   int // nodes left out of Rows
	Commands   []string
	Foot       string
}

type fact struct{ Name, Value string }

// row is one node's vote.
type row struct {
	Node, Site, Vote, Status, Took, At string
	Output                             []string
}

func newView(n events.Notice, o Options) view {
	ev := n.Outage
	v := view{Test: word(ev.Test), Host: word(ev.Host), ShowSite: sitesDiffer(ev.Votes)}
	v.tell(ev, o.Closed)
	v.Late = append(uncommitted(o), late(n, o)...)
	if o.Uncommitted != "" {
		v.InBrief += ", " + withoutMajority
	}
	v.Facts = v.facts(ev)
	v.Note = paragraph(ev.Note, maxNoteLines, maxNote)
	v.Rows, v.MoreRows = rows(ev)
	v.Commands = []string{"dmonitor status", "dmonitor outages"}
	v.Foot = fmt.Sprintf("dmonitor, outage %s, decided by %s", word(ev.Outage), word(ev.By))
	return v
}

// tell says in a sentence or two what happened and when.
func (v *view) tell(ev events.Outage, closed time.Time) {
	what := v.Test + " on " + v.Host
	sure := v.sure(ev)
	switch {
	case ev.Event == events.Closed:
		v.State = "UP"
		v.tellUp(ev)
	case !closed.IsZero():
		v.State, v.InBrief = "WAS DOWN", "up again"
		v.Sentences = []string{
			fmt.Sprintf("%s was DOWN: %s agreed at %s.", what, sure, stamp(ev.Time)),
			fmt.Sprintf("It is UP again since %s; this mail was overtaken.", stamp(closed)),
		}
	default:
		v.State, v.InBrief = "DOWN", sure
		v.Sentences = []string{fmt.Sprintf("%s is DOWN: %s agreed at %s.", what, sure, stamp(ev.Time))}
	}
}

// tellUp says for how long it was down, and what isn't known of that.
func (v *view) tellUp(ev events.Outage) {
	down := span(ev.Time.Sub(ev.Opened))
	since := fmt.Sprintf("%s on %s is UP again since %s.", v.Test, v.Host, stamp(ev.Time))
	if ev.Gap == nil {
		v.InBrief = "down " + down
		v.Sentences = []string{since, fmt.Sprintf("It was down for %s, since %s.", down, stamp(ev.Opened))}
		return
	}
	v.InBrief = "down at most " + down
	v.Sentences = []string{
		fmt.Sprintf("%s on %s is UP; it was seen up at %s.", v.Test, v.Host, stamp(ev.Time)),
		fmt.Sprintf("It was down since %s, for at least %s and at most %s.", stamp(ev.Opened), span(ev.Gap.From.Sub(ev.Opened)), down),
		fmt.Sprintf("It may have been up since %s: dmonitor did not run from then until %s, and nobody looked.", stamp(ev.Gap.From), stamp(ev.Gap.To)),
		fmt.Sprintf("So this notice may be late by as much as %s.", span(ev.Time.Sub(ev.Gap.From))),
	}
}

// sure says how many of those who could judge see it down: "2 of 3 nodes".
func (v *view) sure(ev events.Outage) string {
	down := len(ev.Witnesses(events.Down))
	able := max(ev.Able, down)
	return fmt.Sprintf("%d of %d %s", down, able, plural(v.unit(), able))
}

// unit is what votes are counted by: sites, called nodes where every node is a site of its own.
func (v *view) unit() string {
	if v.ShowSite {
		return "site"
	}
	return "node"
}

func (v *view) facts(ev events.Outage) []fact {
	var out []fact
	if r := clip(line(ev.Reason), maxReason); r != "" {
		out = append(out, fact{"Reason", r})
	}
	down, up := ev.Witnesses(events.Down), ev.Witnesses(events.Up)
	agree := fmt.Sprintf("%d %s needed for an outage; %d down%s, %d up%s, %d able to judge",
		ev.Agree, plural(v.unit(), ev.Agree), len(down), names(down), len(up), names(up), max(ev.Able, len(down)))
	return append(out, fact{"Agree", agree})
}

// names lists witnesses in brackets, not too many.
func names(sites []string) string {
	if len(sites) == 0 {
		return ""
	}
	shown := make([]string, 0, maxNames)
	for _, s := range sites[:min(len(sites), maxNames)] {
		shown = append(shown, cell(s))
	}
	if more := len(sites) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("%d more", more))
	}
	return " (" + strings.Join(shown, ", ") + ")"
}

// rows lists the votes: those that say down first, then up, then those who said nothing, and by name within.
func rows(ev events.Outage) (shown []row, more int) {
	order := map[events.Vote]int{events.Down: 0, events.Up: 1}
	votes := slices.SortedStableFunc(slices.Values(ev.Votes), func(a, b events.NodeVote) int {
		rank := func(v events.NodeVote) int {
			if i, ok := order[v.Vote]; ok {
				return i
			}
			return len(order)
		}
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Node, b.Node))
	})
	for _, nv := range votes[:min(len(votes), maxRows)] {
		shown = append(shown, newRow(nv))
	}
	return shown, len(votes) - len(shown)
}

func newRow(nv events.NodeVote) row {
	r := row{
		Node: cell(nv.Node), Site: cell(nv.Site), Vote: cell(string(nv.Vote)), Status: cell(string(nv.Status)),
		Took: "-", At: "-", Output: paragraph(nv.Output, maxOutputLines, maxOutput),
	}
	if nv.Status == "" {
		r.Vote, r.Status = "-", "not answered yet"
		return r
	}
	r.Took = took(nv.Elapsed.Duration())
	if !nv.Time.IsZero() {
		r.At = nv.Time.UTC().Format(time.TimeOnly)
	}
	return r
}

// cell is a word in the table. Names that keep the contract's rules pass unchanged.
func cell(s string) string { return clip(word(s), events.MaxNodeLen) }

// word cleans a name. One that keeps the contract's rules holds no space and passes unchanged.
func word(s string) string { return strings.ReplaceAll(line(s), " ", "_") }

func sitesDiffer(votes []events.NodeVote) bool {
	return slices.ContainsFunc(votes, func(v events.NodeVote) bool { return v.Site != v.Node })
}

// late says how late the letter is and why, if it is.
func late(n events.Notice, o Options) []string {
	if !IsLate(n, o.Now) {
		return nil
	}
	first := fmt.Sprintf("This notice is late: decided at %s, sent at %s, %s later.",
		stamp(Decided(n)), stamp(o.Now), span(o.Now.Sub(Decided(n))))
	return []string{first, "Why: " + whyLate(n, o) + "."}
}

// withoutMajority is what the brackets of a subject say of a decision that is not committed.
const withoutMajority = "sent without a majority"

// uncommitted says that the decision is not committed, and what follows from that.
func uncommitted(o Options) []string {
	if o.Uncommitted == "" {
		return nil
	}
	return []string{fmt.Sprintf("Sent without a majority: so many members of the bus are gone or cut off that this decision "+
		"could not be committed within %s. %s tells you nevertheless, as silence would be worse. It may come twice, "+
		"from both sides of a cut.", span(events.UncommittedAfter), word(o.Uncommitted))}
}

func whyLate(n events.Notice, o Options) string {
	queued := n.Created.Sub(Decided(n))
	switch failure := clip(line(o.Failure), maxFailure); {
	case o.Uncommitted != "":
		return "it waited for a majority, and then for the mail server"
	case failure != "":
		return fmt.Sprintf("this is attempt %d; the one before failed: %s", o.Attempt, strings.TrimRight(failure, "."))
	case o.Attempt > 1:
		return fmt.Sprintf("this is attempt %d; the log of the mailer that made the one before says why it failed", o.Attempt)
	case queued > LateAfter:
		return fmt.Sprintf("it was queued %s after the decision, as no mailer was running or the bus had no majority", span(queued))
	default:
		return "it waited in the queue, as no mailer was running or all were busy"
	}
}

// subject says what, where and how sure in at most maxSubject bytes.
func (v *view) subject() string {
	s := fmt.Sprintf("%s %s on %s (%s)", v.State, v.Test, v.Host, v.InBrief)
	over := len(s) - maxSubject
	if over <= 0 {
		return s
	}
	// The host gives way first, down to a length that still tells; then the test.
	const least = 30
	host := shorten(v.Host, max(len(v.Host)-over, least))
	over -= len(v.Host) - len(host)
	test := v.Test
	if over > 0 {
		test = shorten(test, max(len(test)-over, 3))
	}
	return clip(fmt.Sprintf("%s %s on %s (%s)", v.State, test, host, v.InBrief), maxSubject)
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
