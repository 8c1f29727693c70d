package arch

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// packageDoc wants one file of each package to say what the package is for. Packages that consist of tests alone say
// it in a test file; an external test package is a part of the one it tests.
func packageDoc(t *Tree) []Finding {
	has := map[string]bool{}
	for _, f := range t.Files {
		external := f.Test && strings.HasSuffix(f.AST.Name.Name, "_test")
		has[f.Dir] = has[f.Dir] || (f.AST.Doc != nil && !external)
	}
	var found []Finding
	for _, dir := range slices.Sorted(maps.Keys(has)) {
		if !has[dir] {
			found = append(found, Finding{dir, "no file of this package has a doc comment"})
		}
	}
	return found
}

const architecture = "ARCHITECTURE.md"

// span is inline code. A word in it that has a slash, or that ends like a file of ours, names a path of this tree
// unless notPath says otherwise.
var (
	span     = regexp.MustCompile("`([^`]+)`")
	fileLike = regexp.MustCompile(`^[A-Za-z0-9_.-]+\.(go|md|yml|yaml|json|work)$`)
	treeLine = regexp.MustCompile(`^( *)([A-Za-z0-9_.-]+[A-Za-z0-9_./-]*)`)
)

// notPath are the beginnings of words that have a slash and are no path of this tree: a system's own folders, import
// paths, what lies in a configuration directory, checks, and patterns.
var notPath = regexp.MustCompile(`^/|^<|^github\.com/|^golang\.org/|^hosts\.d/|^alert\.d/|^plugins/check_|^HOST/|^www\.|^[a-z]+://|[*<{$]`)

// architecturePaths reads the page's inline code, and its code blocks marked "tree": one path a line, below the path
// of the last line that is less indented.
func architecturePaths(t *Tree) []Finding {
	page, err := fs.ReadFile(t.FS, architecture)
	if err != nil {
		return []Finding{{architecture, "can't be read: " + err.Error()}}
	}
	var found []Finding
	var block string // the mark of the code block we are in
	var parents []indented
	lines := bufio.NewScanner(bytes.NewReader(page))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		mark, fence := strings.CutPrefix(line, "```")
		var named []string
		switch {
		case fence && block != "":
			block = ""
		case fence:
			block, parents = "code:"+mark, nil
		case block == "code:tree":
			var p string
			if p, parents = treePath(line, parents); p != "" {
				named = []string{p}
			}
		case block == "":
			named = spanPaths(line)
		}
		for _, p := range named {
			if _, err := fs.Stat(t.FS, path.Clean(p)); err != nil {
				found = append(found, Finding{fmt.Sprintf("%s:%d", architecture, n), p + " does not exist"})
			}
		}
	}
	return found
}

// spanPaths returns the paths that a line of text names in its inline code.
func spanPaths(line string) []string {
	var paths []string
	for _, m := range span.FindAllStringSubmatch(line, -1) {
		for word := range strings.FieldsSeq(m[1]) {
			word, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimRight(word, ",;"), "./"), "#")
			if (strings.Contains(word, "/") || fileLike.MatchString(word)) && !notPath.MatchString(word) {
				paths = append(paths, strings.TrimSuffix(word, "/"))
			}
		}
	}
	return paths
}

// indented is a path of a tree block and how far its line is indented.
type indented struct {
	by   int
	path string
}

// treePath returns the path that a line of a tree block names, and the lines it may have children of.
func treePath(line string, parents []indented) (string, []indented) {
	m := treeLine.FindStringSubmatch(line)
	if m == nil {
		return "", parents
	}
	by := len(m[1])
	for len(parents) > 0 && parents[len(parents)-1].by >= by {
		parents = parents[:len(parents)-1]
	}
	full := m[2]
	if len(parents) > 0 {
		full = path.Join(parents[len(parents)-1].path, full)
	}
	return full, append(parents, indented{by, full})
}
