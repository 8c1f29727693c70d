package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every row of the table names the tests that show it, and they exist.
func TestOperatingIsShown(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(data), "| what happens |")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		rows++
		if len(cells) != 3 {
			t.Errorf("want three cells: %s", line)
			continue
		}
		folder, named := "", 0
		for _, word := range regexp.MustCompile("`[^`]+`|Test\\w+").FindAllString(cells[2], -1) {
			if strings.HasPrefix(word, "`") {
				folder = strings.Trim(word, "`")
				continue
			}
			named++
			if !testsOf(t, folder)[word] {
				t.Errorf("%s: there is no %s in %s", cells[0], word, folder)
			}
		}
		if named == 0 {
			t.Errorf("%s: shown by no test", cells[0])
		}
	}
	if rows < 20 {
		t.Errorf("%d rows found", rows)
	}
}

// testsOf lists the tests of a package, whatever its build tags.
func testsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s: no tests there: %v", folder, err)
	}
	tests := map[string]bool{}
	for _, f := range files {
		file, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				tests[fn.Name.Name] = true
			}
		}
	}
	return tests
}
