package arch

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/mod/modfile"
)

// workspace wants every module in go.work, every folder of go.work to be a module, and every module's path to be the
// project's followed by its folder.
func workspace(t *Tree) []Finding {
	if t.Work == nil {
		return []Finding{{"go.work", "does not exist"}}
	}
	var found []Finding
	used := map[string]bool{}
	for _, u := range t.Work.Use {
		used[path.Clean(u.Path)] = true
	}
	for _, m := range t.Modules {
		if !used[m.Dir] {
			found = append(found, Finding{m.Dir + "/go.mod", "this module is not in go.work"})
		}
		delete(used, m.Dir)
		if want := Prefix + m.Dir; m.Mod.Module == nil || m.Mod.Module.Mod.Path != want {
			found = append(found, Finding{m.Dir + "/go.mod", "the module's path is not " + want})
		}
	}
	for dir := range used {
		found = append(found, Finding{"go.work", "uses " + dir + ", which has no go.mod"})
	}
	return found
}

// replaces wants a replace line for every sibling that a module requires, and for those that the siblings require:
// replace lines of a dependency don't count, so without them a module can't be built alone.
func replaces(t *Tree) []Finding {
	byPath := map[string]*Module{}
	for _, m := range t.Modules {
		byPath[Prefix+m.Dir] = m
	}
	var found []Finding
	for _, m := range t.Modules {
		where := m.Dir + "/go.mod"
		has := map[string]string{}
		for _, r := range m.Mod.Replace {
			has[r.Old.Path] = r.New.Path
		}
		for sibling := range needed(m, byPath) {
			dir, _ := own(sibling)
			got, ok := has[sibling]
			delete(has, sibling)
			if !ok || path.Join(m.Dir, got) != dir {
				up := strings.Repeat("../", strings.Count(m.Dir, "/")+1)
				found = append(found, Finding{where, fmt.Sprintf("lacks replace %s => %s%s", sibling, up, dir)})
			}
		}
		for old := range has {
			if dir, ours := own(old); ours {
				found = append(found, Finding{where, "replaces " + dir + ", which it does not need"})
			} else {
				found = append(found, Finding{where, "replaces " + old + ", which is not a sibling"})
			}
		}
	}
	return found
}

// needed returns the siblings that a module requires, directly or through others.
func needed(m *Module, byPath map[string]*Module) map[string]bool {
	need := map[string]bool{}
	var walk func(*Module)
	walk = func(m *Module) {
		for _, r := range m.Mod.Require {
			if _, ours := own(r.Mod.Path); !ours || need[r.Mod.Path] {
				continue
			}
			need[r.Mod.Path] = true
			if next := byPath[r.Mod.Path]; next != nil {
				walk(next)
			}
		}
	}
	walk(m)
	return need
}

// versions wants one version of each direct dependency, and of Go, across all modules: in the workspace the highest
// one is used for all, and a module built alone would silently be a different program.
func versions(t *Tree) []Finding {
	type choice struct{ version, where string }
	first := map[string]choice{}
	var found []Finding
	compare := func(what, version, where string) {
		c, ok := first[what]
		switch {
		case !ok:
			first[what] = choice{version, where}
		case c.version != version:
			found = append(found, Finding{where, fmt.Sprintf("wants %s %s, but %s wants %s", what, version, c.where, c.version)})
		}
	}
	if t.Work != nil && t.Work.Go != nil {
		compare("go", t.Work.Go.Version, "go.work")
	}
	for _, m := range t.Modules {
		where := m.Dir + "/go.mod"
		if m.Mod.Go != nil {
			compare("go", m.Mod.Go.Version, where)
		}
		for _, r := range m.Mod.Require {
			if direct(r) {
				compare(r.Mod.Path, r.Mod.Version, where)
			}
		}
	}
	return found
}

func direct(r *modfile.Require) bool {
	_, ours := own(r.Mod.Path)
	return !ours && !r.Indirect
}
