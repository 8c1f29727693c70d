package gate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const tree = "../.."

// openEnd is what the last cell of a row says that no test shows.
const openEnd = "not shown"

// TestSecurityIsShown: every row of SECURITY.md's tables names the tests that show it, and they exist, or says that it is
// not shown; and every fuzz target there is stands in the list of what comes from outside.
func TestSecurityIsShown(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(tree, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := testsByFolder(t)
	named, rows := map[string]bool{}, 0
	for _, row := range tableRows(string(page)) {
		rows++
		what, shown := row[0], row[len(row)-1]
		names := namedTests(shown)
		if len(names) == 0 && !strings.HasPrefix(shown, openEnd) {
			t.Errorf("%s: shown by no test, and does not say so: %q", what, shown)
		}
		for _, n := range names {
			named[n] = true
			folder, test, _ := strings.Cut(n, " ")
			if !slices.Contains(all[folder], test) {
				t.Errorf("%s: there is no %s in %s", what, test, folder)
			}
		}
	}
	if rows < 30 {
		t.Errorf("%d rows were read", rows)
	}
	for folder, tests := range all {
		for _, test := range tests {
			if strings.HasPrefix(test, "Fuzz") && !named[folder+" "+test] {
				t.Errorf("SECURITY.md does not say what %s in %s is for: add it to \"What comes from outside\"", test, folder)
			}
		}
	}
}

// TestNamedTests: how cells are read.
func TestNamedTests(t *testing.T) {
	t.Parallel()
	rows := tableRows("text\n| a | b |\n|---|---|\n| x | `pkg/a` TestOne, FuzzTwo, `pkg/b` TestThree |\n\n| y | not shown: why |\n")
	if len(rows) != 2 || rows[0][0] != "x" {
		t.Fatalf("%q", rows)
	}
	want := []string{"pkg/a TestOne", "pkg/a FuzzTwo", "pkg/b TestThree"}
	if got := namedTests(rows[0][1]); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// tableRows returns the cells of the rows of all tables, without their headings.
func tableRows(page string) (rows [][]string) {
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "|--"): // the line before was the heading
			rows = rows[:max(0, len(rows)-1)]
		case strings.HasPrefix(line, "| "):
			rows = append(rows, strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), " | "))
		}
	}
	return rows
}

var testWord = regexp.MustCompile("`[^`]+`|\\b(?:Test|Fuzz)[A-Z]\\w*")

// namedTests reads "`folder` TestA, TestB, `other` FuzzC" as "folder TestA" and so on.
func namedTests(cell string) (names []string) {
	folder := ""
	for _, word := range testWord.FindAllString(cell, -1) {
		if rest, ok := strings.CutPrefix(word, "`"); ok {
			folder = strings.TrimSuffix(rest, "`")
			continue
		}
		names = append(names, folder+" "+word)
	}
	return names
}

// testsByFolder lists the names of all tests and fuzz targets of the tree, whatever their build tags.
func testsByFolder(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != tree && (strings.HasPrefix(name, ".") || name == "testdata" || name == "dist" || name == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(tree, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && testWord.MatchString(fn.Name.Name) {
				all[filepath.ToSlash(folder)] = append(all[filepath.ToSlash(folder)], fn.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
