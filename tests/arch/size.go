package arch

import (
	"fmt"
	"strings"
)

// maxLines is where a file deserves a second look. Most of ours are about 150 lines.
const maxLines = 400

// longFiles may be longer, each for a reason. A file that has become short again has to leave the list.
var longFiles = map[string]string{}

func fileSize(t *Tree) []Finding { return checkSize(t, longFiles) }

func checkSize(t *Tree, allowed map[string]string) []Finding {
	var found []Finding
	long := map[string]bool{}
	for _, f := range t.Files {
		if f.Test || f.Generated || f.Lines <= maxLines {
			continue
		}
		long[f.Path] = true
		if strings.TrimSpace(allowed[f.Path]) == "" {
			found = append(found, Finding{f.Path, fmt.Sprintf(
				"has %d lines: split it, or give the reason in longFiles (tests/arch/size.go)", f.Lines)})
		}
	}
	for p := range allowed {
		if !long[p] {
			found = append(found, Finding{p, "is not longer than the limit: take it off longFiles (tests/arch/size.go)"})
		}
	}
	return found
}
