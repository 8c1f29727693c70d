package main

import (
	"fmt"
	"io"
	"strings"
)

// texts writes what has to go along with the programs: each module's licences and notices, a text that several share
// once. The same modules give the same bytes, on any machine.
func texts(w io.Writer, modules []*Module) error {
	var out strings.Builder
	out.WriteString("dmonitor is made with the work of others. This is whose, and under which licences. Nothing of it was changed;\n" +
		"\"go mod download NAME@VERSION\" brings the source of each (std is Go's own library, which comes with Go).\n\n")
	var order []string
	users := map[string][]string{}
	for _, m := range modules {
		fmt.Fprintf(&out, "  %s %s (%s)\n", m.Path, m.Version, strings.Join(m.IDs(), ", "))
		for _, f := range m.Files {
			text := tidy(f.Text)
			if users[text] == nil {
				order = append(order, text)
			}
			users[text] = append(users[text], m.Path+" "+m.Version+", "+f.Name)
		}
	}
	line := strings.Repeat("=", 80)
	for _, text := range order {
		fmt.Fprintf(&out, "\n%s\n%s\n%s\n\n%s\n", line, strings.Join(users[text], "\n"), line, text)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// tidy ends lines as on Unix and drops empty ones at both ends.
func tidy(text string) string {
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\uFEFF"), "\r\n", "\n")
	return strings.Trim(text, "\n \t\f")
}
