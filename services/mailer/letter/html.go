package letter

import (
	"bytes"
	_ "embed"
	"html/template"
)

//go:embed letter.html
var page string

// The template is parsed from the embedded file at start: a mistake in it fails every test.
var pageTemplate = template.Must(template.New("letter").Parse(page))

// html writes the HTML part. Everything from the view is escaped by html/template. Writing to memory can't fail; should
// the template, the part is left out: the text says the same.
func (v *view) html() string {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		return ""
	}
	return b.String()
}
