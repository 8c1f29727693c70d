package letter

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// indent sets what was said outside apart from the letter's own words.
const indent = "    "

// text writes the plain part.
func (v *view) text() string {
	var b strings.Builder
	put := func(prefix string, lines ...string) { putLines(&b, prefix, lines) }
	put("", wrap(strings.Join(v.Sentences, " "), width)...)
	for _, l := range v.Late {
		lines := wrap(l, width-len(indent))
		put("", lines[:1]...)
		put(indent, lines[1:]...)
	}
	put("", "")
	putFacts(&b, v.Facts)
	if len(v.Note) > 0 {
		put("", "Note:")
		put(indent, v.Note...)
	}
	put("", "", "What each node saw:", "")
	v.table(put)
	put("", "", "To look further:")
	put(indent, v.Commands...)
	put("", "")
	put("", wrap(v.Foot, width)...)
	return b.String()
}

func putLines(b *strings.Builder, prefix string, lines []string) {
	for _, l := range lines {
		b.WriteString(strings.TrimRight(prefix+l, " ") + "\n")
	}
}

// putFacts writes facts with their names in a column.
func putFacts(b *strings.Builder, facts []fact) {
	for _, f := range facts {
		lines := wrap(f.Value, width-9)
		putLines(b, "", []string{fmt.Sprintf("%-8s %s", f.Name+":", strings.Join(lines[:min(1, len(lines))], ""))})
		putLines(b, "         ", lines[min(1, len(lines)):])
	}
}

// table writes the votes in columns, and under each what the plugin said.
func (v *view) table(put func(prefix string, lines ...string)) {
	cells := [][]string{v.columns("node", "site", "vote", "status", "took", "at (UTC)")}
	for _, r := range v.Rows {
		cells = append(cells, v.columns(r.Node, r.Site, r.Vote, r.Status, r.Took, r.At))
	}
	widths := make([]int, len(cells[0]))
	for _, row := range cells {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for i, row := range cells {
		var l strings.Builder
		for j, c := range row {
			l.WriteString(c + strings.Repeat(" ", widths[j]-utf8.RuneCountInString(c)+2))
		}
		put("", l.String())
		if i > 0 {
			put(indent, v.Rows[i-1].Output...)
		}
	}
	if v.MoreRows > 0 {
		put("", fmt.Sprintf("and %d more %s", v.MoreRows, plural("node", v.MoreRows)))
	}
}

// columns leaves the site out where it says the same as the node.
func (v *view) columns(node, site string, rest ...string) []string {
	if v.ShowSite {
		return append([]string{node, site}, rest...)
	}
	return append([]string{node}, rest...)
}
