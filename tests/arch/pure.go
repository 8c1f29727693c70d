package arch

import (
	"cmp"
	"fmt"
	"go/ast"
	"slices"
)

// purePackages decide without doing: state, input and now go in, new state and decisions come out.
var purePackages = []string{
	"services/scheduler/plan", "services/arbiter/round", "services/arbiter/trouble",
	"services/mailer/batch", "services/mailer/told", "services/mailer/letter",
}

// impure are the parts of the standard library that reach the machine, the network, chance or the log. A path stands
// for everything below it too.
var impure = []string{"os", "net", "log", "math/rand", "crypto/rand", "syscall", "unsafe", "plugin", "testing", "runtime"}

// harmless are exceptions from impure: they only take text apart.
var harmless = []string{"net/url", "net/netip"}

// clockFuncs are the functions of package time that read the clock or wait.
var clockFuncs = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}

func pure(f *File) bool { return !f.Test && slices.Contains(purePackages, f.Dir) }

// pureImports also finds a pure package that isn't there: a rule about nothing would hold for ever.
func pureImports(t *Tree) []Finding {
	var found []Finding
	seen := map[string]bool{}
	for _, f := range t.Files {
		if !pure(f) {
			continue
		}
		seen[f.Dir] = true
		for _, i := range f.Imports {
			if why := impurity(f.Dir, i.Path); why != "" {
				found = append(found, Finding{f.at(i.Line), fmt.Sprintf("a pure package imports %s: %s", i.Path, why)})
			}
		}
	}
	for _, dir := range purePackages {
		if !seen[dir] {
			found = append(found, Finding{dir, "this pure package does not exist: correct the list in tests/arch/pure.go"})
		}
	}
	return found
}

// impurity says why a pure package in dir may not import a path, or nothing if it may.
func impurity(dir, imported string) string {
	if ours, ok := own(imported); ok {
		if ours == "pkg/events" || below(ours, dir) {
			return ""
		}
		return "of the project's own only pkg/events may be imported here"
	}
	if !standard(imported) {
		return "only pkg/events and the standard library may be imported here"
	}
	if slices.Contains(harmless, imported) {
		return ""
	}
	if slices.ContainsFunc(impure, func(p string) bool { return below(imported, p) }) {
		return "it reaches outside"
	}
	return ""
}

// pureClock finds every mention of a clock function, called or not, whatever name package time goes by. A dot import
// is refused, since it would hide them.
func pureClock(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !pure(f) {
			continue
		}
		for _, i := range f.Imports {
			if i.Path != "time" {
				continue
			}
			if i.Name == "." {
				found = append(found, Finding{f.at(i.Line), "imports time with a dot"})
				continue
			}
			found = append(found, clockUses(f, cmp.Or(i.Name, "time"))...)
		}
	}
	return found
}

// clockUses finds name.Now and the like in a file.
func clockUses(f *File, name string) []Finding {
	var found []Finding
	ast.Inspect(f.AST, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		x, ok := sel.X.(*ast.Ident)
		if ok && x.Name == name && slices.Contains(clockFuncs, sel.Sel.Name) {
			found = append(found, Finding{f.at(f.line(sel.Pos())), "a pure package uses time." + sel.Sel.Name})
		}
		return true
	})
	return found
}
