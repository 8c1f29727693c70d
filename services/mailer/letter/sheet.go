package letter

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
)

// maxLine bounds a row of a list in the text, in bytes: well below what a mail's line may have.
const maxLine = 500

// sheet is what the letters show that are not about one outage: a few sentences and a list with one thing to a line.
// All text in it is clean.
type sheet struct {
	Title     string // the subject
	Sentences []string
	Aside     []string // what is odd about this letter, such as that it is late
	Facts     []fact
	Heading   string // of the list
	Rows      [][]string
	More      string // what the list leaves out
	Commands  []string
	Foot      string
}

//go:embed sheet.html
var sheetPage string

var sheetTemplate = template.Must(template.New("sheet").Parse(sheetPage))

// html writes the HTML part, as view.html does.
func (s *sheet) html() string {
	var b bytes.Buffer
	if err := sheetTemplate.Execute(&b, s); err != nil {
		return ""
	}
	return b.String()
}

// text writes the plain part. Rows are not wrapped: who searches for a check finds all that is said of it on its line.
func (s *sheet) text() string {
	var b strings.Builder
	put := func(prefix string, lines ...string) { putLines(&b, prefix, lines) }
	put("", wrap(strings.Join(s.Sentences, " "), width)...)
	for _, l := range s.Aside {
		lines := wrap(l, width-len(indent))
		put("", lines[:min(1, len(lines))]...)
		put(indent, lines[min(1, len(lines)):]...)
	}
	if len(s.Facts) > 0 {
		put("", "")
	}
	putFacts(&b, s.Facts)
	if len(s.Rows) > 0 {
		put("", "", s.Heading, "")
	}
	for _, r := range s.Rows {
		put("  ", clip(strings.Join(r, "  "), maxLine))
	}
	if s.More != "" {
		put("", s.More)
	}
	if len(s.Commands) > 0 {
		put("", "", "To look further:")
		put(indent, s.Commands...)
	}
	put("", "")
	put("", wrap(s.Foot, width)...)
	return b.String()
}
