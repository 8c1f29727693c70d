package arch

import (
	"fmt"
	"slices"
	"strings"
)

// layer is one folder of the house and the folders it may import. A folder may always import itself.
type layer struct {
	dir string
	may []string
}

// house is read from the top: the first line that fits a file's folder counts. "services/" stands for each service
// alone: a service may import itself, but no other.
var house = []layer{
	{"pkg/events", nil},
	{"pkg/key", []string{"pkg/events"}},
	{"pkg/bus", []string{"pkg/events", "pkg/key"}},
	{"pkg/confdir", []string{"pkg/events"}},
	{"pkg/proc", []string{"pkg/events", "pkg/key", "pkg/bus", "pkg/confdir"}},
	{"services/", []string{"pkg"}},
	{"plugins", nil},
	{"demo", nil},
	{"cmd", []string{"pkg", "services", "plugins", "demo"}},
	{"tests", []string{"pkg", "services", "plugins", "demo", "cmd"}},
}

// layers finds imports against the one way, and folders that have no place in the house.
func layers(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		home, may, ok := place(f.Dir)
		if !ok {
			found = append(found, Finding{f.Path, "has no place in the house: add its folder to tests/arch/imports.go"})
			continue
		}
		for _, i := range f.Imports {
			dir, ours := own(i.Path)
			if !ours || below(dir, home) || slices.ContainsFunc(may, func(m string) bool { return below(dir, m) }) {
				continue
			}
			found = append(found, Finding{f.at(i.Line), fmt.Sprintf("%s may not import %s", home, dir)})
		}
	}
	return found
}

// place returns the part of the house a folder belongs to, and what that part may import.
func place(dir string) (home string, may []string, ok bool) {
	for _, l := range house {
		if parent, each := strings.CutSuffix(l.dir, "/"); each {
			rest, inside := strings.CutPrefix(dir, l.dir)
			if !inside {
				continue
			}
			name, _, _ := strings.Cut(rest, "/")
			return parent + "/" + name, l.may, true
		}
		if below(dir, l.dir) {
			return l.dir, l.may, true
		}
	}
	return "", nil, false
}

// eventsStandardOnly keeps other people's programs free of our dependencies. Tests are not part of what they import.
func eventsStandardOnly(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if f.Test || !below(f.Dir, "pkg/events") {
			continue
		}
		for _, i := range f.Imports {
			if _, ours := own(i.Path); !ours && !standard(i.Path) {
				found = append(found, Finding{f.at(i.Line), "imports " + i.Path})
			}
		}
	}
	return found
}

// serverOnlyInEmbed keeps the embedded server behind one door, so that a service that only connects stays small.
func serverOnlyInEmbed(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if f.Test || below(f.Dir, "tests") || f.Dir == "pkg/bus/embed" {
			continue
		}
		for _, i := range f.Imports {
			if strings.HasPrefix(i.Path, "github.com/nats-io/nats-server") {
				found = append(found, Finding{f.at(i.Line), "imports the NATS server: go through pkg/bus/embed"})
			}
		}
	}
	return found
}

// testHelpers are packages that only tests may import. They may import each other.
var testHelpers = []string{"pkg/bus/bustest"}

func testHelpersOnlyInTests(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if f.Test || below(f.Dir, "tests") || slices.Contains(testHelpers, f.Dir) {
			continue
		}
		for _, i := range f.Imports {
			if dir, _ := own(i.Path); slices.Contains(testHelpers, dir) {
				found = append(found, Finding{f.at(i.Line), "imports " + dir + ", which is for tests"})
			}
		}
	}
	return found
}
