package letter

import (
	"fmt"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// writeTrouble writes the letter for a notice of a trouble of dmonitor itself. Its later events reply to the first.
func writeTrouble(l Letter, n events.Notice, o Options) Letter {
	t := *n.Trouble
	l.Extra = append(l.Extra,
		Header{headerTrouble, line(t.TroubleKey.String())}, Header{headerEvent, line(string(t.Event))})
	if t.Event != events.Began {
		l.InReplyTo = messageID(events.TroubleNoticeID(events.TroubleEventID(t.Trouble, 1), n.Recipient))
	}
	s := tellTrouble(t, o.Closed)
	s.Aside = append(uncommitted(o), late(n, o)...)
	if r := clip(line(t.Reason), maxReason); r != "" {
		s.Facts = append([]fact{{"Reason", r}}, s.Facts...)
	}
	if o.Uncommitted != "" && t.Kind != events.TroubleMajority { // That one says it anyway.
		s.Title = strings.TrimSuffix(s.Title, ")") + ", " + withoutMajority + ")"
	}
	s.Title = clip(s.Title, maxSubject)
	s.Commands = []string{"dmonitor status", "dmonitor nodes"}
	s.Foot = fmt.Sprintf("dmonitor, about itself; trouble %s, decided by %s", clip(word(t.Trouble), maxReason), clip(word(t.By), maxReason))
	l.Subject, l.Text, l.HTML = s.Title, s.text(), s.html()
	return l
}

// tellTrouble says what happened, what it means and what to do. over is when it ended since; zero: not as far as is known.
func tellTrouble(t events.Trouble, over time.Time) sheet {
	ended := t.Event == events.Ended
	var s sheet
	switch t.Kind {
	case events.TroubleBlind:
		s = tellBlind(t, ended)
	case events.TroubleNode:
		s = tellNode(t, ended)
	case events.TroubleMajority:
		s = tellMajority(t, ended)
	default:
		s.Title = "TROUBLE " + clip(line(t.TroubleKey.String()), maxSubject/2) + " (dmonitor)"
		s.Sentences = []string{"dmonitor has a trouble that this version of it has no words for."}
	}
	switch {
	case ended:
		s.Sentences = append(s.Sentences, fmt.Sprintf("It lasted for %s, since %s.", span(t.Time.Sub(t.Began)), stamp(t.Began)))
	case !over.IsZero():
		s.Title = "OVER: " + s.Title
		s.Sentences = append(s.Sentences, fmt.Sprintf("It is over since %s; this mail was overtaken.", stamp(over)))
	}
	return s
}

func tellBlind(t events.Trouble, ended bool) sheet {
	if ended {
		return sheet{
			Title:     "SIGHT is back on all checks (dmonitor)",
			Sentences: []string{fmt.Sprintf("dmonitor is able to judge all checks again since %s.", stamp(t.Time))},
		}
	}
	checks := fmt.Sprintf("%d %s", t.Total, plural("check", t.Total))
	s := sheet{
		Title: fmt.Sprintf("BLIND on %s (dmonitor)", checks),
		Sentences: []string{
			fmt.Sprintf("dmonitor can't tell whether %s %s up or down: too few sites are able to judge.", checks, isAre(t.Total)),
			fmt.Sprintf("It is so since %s.", stamp(t.Began)),
		},
		Facts: []fact{
			{"Means", "an outage of these checks would not be found, and one that is open would not be seen to end"},
			{"Do", "bring back the nodes that are gone, or put right why they can't judge (a plugin that is missing or broken, say); " +
				"if fewer sites shall be enough, set agree in the check's file or DMONITOR_AGREE"},
		},
		Heading: "These checks:",
	}
	if t.Event == events.Grew {
		s.Title = fmt.Sprintf("BLIND on %s now (dmonitor)", checks)
		s.Sentences[0] = fmt.Sprintf("More checks are concerned now: dmonitor can't tell whether %s %s up or down, as too few sites are able to judge.",
			checks, isAre(t.Total))
	}
	for _, c := range t.Checks[:min(len(t.Checks), events.MaxBlindListed)] {
		s.Rows = append(s.Rows, []string{
			word(c.Check.String()),
			fmt.Sprintf("%d of %d %s able: %s", c.Able, c.Agree, plural("site", c.Agree), clip(line(c.Reason), maxReason)),
		})
	}
	if more := t.Total - len(s.Rows); more > 0 {
		s.More = fmt.Sprintf("and %d more", more)
	}
	return s
}

func tellNode(t events.Trouble, ended bool) sheet {
	node := cell(t.Node)
	switch {
	case ended && t.Retired:
		return sheet{
			Title:     fmt.Sprintf("NODE %s is not missed any more (dmonitor)", node),
			Sentences: []string{fmt.Sprintf("Node %s was taken away for good, as was seen at %s.", node, stamp(t.Time))},
		}
	case ended:
		return sheet{
			Title:     fmt.Sprintf("NODE %s is back (dmonitor)", node),
			Sentences: []string{fmt.Sprintf("Node %s is back since %s.", node, stamp(t.Time))},
		}
	}
	return sheet{
		Title:     fmt.Sprintf("NODE %s is gone (dmonitor)", node),
		Sentences: []string{fmt.Sprintf("Nothing was heard of node %s since %s.", node, stamp(t.Began))},
		Facts: []fact{
			{"Means", "the other nodes go on without it: one pair of eyes less, and one member less for the majority"},
			{"Do", fmt.Sprintf("see whether %s runs, whether dmonitor runs there, and whether the others reach it on port 2929; "+
				"if it was taken away for good, take it out of nodes.txt on all nodes", node)},
		},
	}
}

func tellMajority(t events.Trouble, ended bool) sheet {
	if ended {
		return sheet{
			Title:     "MAJORITY is back (dmonitor)",
			Sentences: []string{fmt.Sprintf("A majority of the members of the bus reach each other again since %s.", stamp(t.Time))},
		}
	}
	return sheet{
		Title:     "NO MAJORITY (dmonitor)",
		Sentences: []string{fmt.Sprintf("No majority of the members of the bus reach each other since %s, as seen from here.", stamp(t.Began))},
		Facts: []fact{
			{"Means", fmt.Sprintf("no decision can be committed; the nodes go on looking, and what two sites agree on is told after %s without a majority, "+
				"perhaps twice; changes of the configuration wait", span(events.UncommittedAfter))},
			{"Do", "start the members that are gone, or mend the network between them (port 2929); " +
				"with two nodes, a third member that only carries the bus (dmonitor bus) would have kept the majority"},
		},
	}
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
