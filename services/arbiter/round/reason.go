package round

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// The sentences people read in the log, on the page and in mails. Nothing is decided here.

// list writes names as people do: "fra", "fra and nyc", "fra, nyc and sgp".
func list(names []string) string {
	switch n := len(names); n {
	case 0:
		return "nobody"
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

func isAre(sites []string) string {
	if len(sites) > 1 {
		return list(sites) + " are"
	}
	return list(sites) + " is"
}

func needed(agree int) string {
	if agree == 1 {
		return "one site is enough"
	}
	return fmt.Sprintf("%d sites have to agree", agree)
}

// nodes lists the nodes whose vote is v and who have answered.
func (r *round) nodes(v events.Vote) []string {
	var out []string
	for _, nv := range r.votes {
		if nv.Vote == v {
			out = append(out, nv.Node)
		}
	}
	return out
}

func (r *round) whyAsk(res *events.Result, asked []string) string {
	said := string(res.Status)
	if out := firstLine(res.Output); out != "" {
		said += fmt.Sprintf(" (%s)", out)
	}
	while := ""
	if r.closing {
		while = " while the check is down"
	}
	return fmt.Sprintf("%s says %s%s; %s asked to look now", res.Node, said, while, isAre(asked))
}

// firstLine shortens what a plugin said to a part of a sentence.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return events.CleanText(s, 120)
}

func (r *round) whyOpened() string {
	sites := events.Sites(r.votes, events.Down)
	if len(sites) == 1 {
		return fmt.Sprintf("%s sees it down; %s", list(sites), needed(r.def.Agree))
	}
	return fmt.Sprintf("%s see it down at the same moment; %s", list(sites), needed(r.def.Agree))
}

func (s *State) whyClosed(c *check, now time.Time) string {
	up := events.Sites(c.round.votes, events.Up)
	verb := "says"
	if len(up) > 1 {
		verb = "say"
	}
	rest := "no other site can still be down"
	if doubts := c.doubts(c.round, now); len(doubts) > 0 {
		rest = fmt.Sprintf("only %s can still be down, and %s", list(s.mark(doubts)), needed(c.round.def.Agree))
	}
	return fmt.Sprintf("%s %s that it is up; %s", list(up), verb, rest)
}

// whyDelayed says that a closing may come late.
func whyDelayed(g *events.Gap) string {
	const layout = "2006-01-02 15:04:05 UTC"
	return fmt.Sprintf("up when dmonitor looked again; nobody looked from %s to %s, so it may have been up since then",
		g.From.UTC().Format(layout), g.To.UTC().Format(layout))
}

func (s *State) whyDismissed(c *check, r *round, now time.Time) string {
	if r.closing {
		return s.whyNotClosed(c, r, now)
	}
	down := r.nodes(events.Down)
	sites := events.Sites(r.votes, events.Down)
	var parts []string
	switch {
	case len(down) == 0:
		parts = append(parts, "nobody says any more that it is down")
	case len(down) > len(sites):
		parts = append(parts, fmt.Sprintf("only %s failed, which makes %d of %d sites", list(down), len(sites), r.def.Agree))
	case len(down) > 1:
		parts = append(parts, fmt.Sprintf("only %s failed, and %s", list(down), needed(r.def.Agree)))
	default:
		parts = append(parts, fmt.Sprintf("only %s failed", list(down)))
	}
	return strings.Join(append(parts, r.others(events.Up, "answered OK")...), "; ")
}

func (s *State) whyNotClosed(c *check, r *round, now time.Time) string {
	up := r.nodes(events.Up)
	if len(up) == 0 {
		return strings.Join(append([]string{"nobody says any more that it is up"}, r.others(events.Down, "failed")...), "; ")
	}
	verb := "says"
	if len(up) > 1 {
		verb = "say"
	}
	parts := []string{fmt.Sprintf("only %s %s that it is up; %s can still be down, and %s make an outage",
		list(up), verb, list(s.mark(c.doubts(r, now))), sitesWord(r.def.Agree))}
	return strings.Join(append(parts, r.others(events.Down, "failed")...), "; ")
}

// others tells of those who voted v, of those who abstained and of those who didn't answer.
func (r *round) others(v events.Vote, did string) []string {
	var parts []string
	if names := r.nodes(v); len(names) > 0 {
		parts = append(parts, list(names)+" "+did)
	}
	if names := r.nodes(events.None); len(names) > 0 {
		parts = append(parts, list(names)+" could not tell")
	}
	var silent []string
	for _, n := range r.silent() {
		silent = append(silent, n.name)
	}
	if len(silent) > 0 {
		parts = append(parts, list(silent)+" did not answer in time")
	}
	if len(r.asked) == 0 {
		parts = append(parts, "there is nobody else to ask")
	}
	return parts
}

// mark adds to the sites where no node is present that they are gone.
func (s *State) mark(sites []string) []string {
	out := slices.Clone(sites)
	for i, site := range out {
		present := false
		for _, n := range s.nodes {
			present = present || n.site == site
		}
		if !present {
			out[i] += " (gone)"
		}
	}
	return out
}

func sitesWord(n int) string {
	if n == 1 {
		return "one site would"
	}
	return fmt.Sprintf("%d sites", n)
}

// whyBlind says who is able to look, and of the others why not.
func (s *State) whyBlind(c *check, able []string) string {
	can := "no site is able to look"
	if len(able) > 0 {
		can = "only " + isAre(able) + " able to look"
	}
	parts := []string{can, needed(c.def.Agree)}
	for _, o := range s.obstacles(c) {
		parts = append(parts, o.Node+" "+o.Reason)
	}
	return strings.Join(parts, "; ")
}
