package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are the licences we take, by SPDX identifier: those under which a program may be passed on with the licence's
// text alongside, whatever the rest of it stands under. MPL-2.0 asks for the source of the changed files of that module,
// and we change none.
var allowed = []string{
	"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "Unlicense", "Zlib",
}

// known are texts that the recogniser does not know, by "module/file", with the reason why we take them. A text that
// changes is looked at again: the entry has the version.
var known = map[string]string{}

// enough is how much of a file's words have to belong to licences that are recognised: the rest is names, years and a
// sentence or two. The site that documents Go's packages takes the same figure.
const enough = 75.0

var (
	licenceName = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying|copyleft)([-._].*)?$`)
	noticeName  = regexp.MustCompile(`(?i)^(notice|patents|copyright)([-._](md|txt|markdown))?$`)
	// Go files with such a name hold code: license.go.
	code = regexp.MustCompile(`(?i)\.(go|s|c|h|py|sh|js|json|ya?ml|tmpl)$`)
)

// licences reads the files that cover the packages built in: those in the packages' folders and in all folders above
// them up to the module's root.
func licences(m *Module) ([]File, error) {
	dirs := map[string]bool{}
	for _, dir := range m.Dirs {
		for ; !dirs[dir]; dir = filepath.Dir(dir) {
			dirs[dir] = true
			if dir == m.Root || len(dir) <= len(m.Root) {
				break
			}
		}
	}
	var files []File
	for dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("look for the licence of %s: %w", m.Path, err)
		}
		for _, e := range entries {
			licence, notice := licenceName.MatchString(e.Name()), noticeName.MatchString(e.Name())
			if !licence && !notice || e.IsDir() || code.MatchString(e.Name()) {
				continue
			}
			f, err := read(m.Root, filepath.Join(dir, e.Name()), licence)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

func read(root, path string, licence bool) (File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return File{}, fmt.Errorf("read a licence: %w", err)
	}
	name, err := filepath.Rel(root, path)
	if err != nil {
		return File{}, fmt.Errorf("read a licence: %w", err)
	}
	f := File{Name: filepath.ToSlash(name), Text: string(text)}
	if !licence {
		return f, nil
	}
	if f.IDs = recognise(text); f.IDs == nil {
		f.IDs = []string{unknown}
	}
	return f, nil
}

// unknown stands for a licence that isn't recognised.
const unknown = "unknown"

// recognise returns the SPDX identifiers of the licences in a text, or nil if too much of it belongs to none.
func recognise(text []byte) []string {
	cover := licensecheck.Scan(text)
	if cover.Percent < enough {
		return nil
	}
	var ids []string
	for _, match := range cover.Match {
		if !match.IsURL {
			ids = append(ids, match.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// check wants at least one licence in each module's root, and none that isn't allowed.
func check(modules []*Module) error {
	var errs []error
	for _, m := range modules {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%s %s: %s: take another module, or give the reason in tests/supply/licence.go",
				m.Path, m.Version, fmt.Sprintf(format, args...)))
		}
		root := false
		for _, f := range m.Files {
			if len(f.IDs) == 0 {
				continue
			}
			root = root || !strings.Contains(f.Name, "/")
			if known[m.Path+"@"+m.Version+"/"+f.Name] != "" {
				continue
			}
			for _, id := range f.IDs {
				switch {
				case id == unknown:
					fail("the licence in %s is not recognised", f.Name)
				case !slices.Contains(allowed, id):
					fail("%s is %s, which is not among the licences we take", f.Name, id)
				}
			}
		}
		if !root {
			fail("there is no licence in it")
		}
	}
	return errors.Join(errs...)
}

// summary is one line: how many modules stand under which licences.
func summary(modules []*Module) string {
	count := map[string]int{}
	var ids []string
	for _, m := range modules {
		for _, id := range m.IDs() {
			if count[id]++; count[id] == 1 {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	for i, id := range ids {
		ids[i] = fmt.Sprintf("%s %d", id, count[id])
	}
	return fmt.Sprintf("%d modules, Go's standard library among them: %s", len(modules), strings.Join(ids, ", "))
}
