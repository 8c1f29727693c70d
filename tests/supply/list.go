package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// ours is what our own modules' paths begin with. They stand under the licence at the root.
const ours = "github.com/dmonitor/dmonitor"

// platforms are those we build for. What a program is made of depends on them: files of other systems are left out.
var platforms = []string{"linux/amd64", "linux/arm64", "linux/arm"}

// Module is one module of which packages are built in, and the licences found in it.
type Module struct {
	Path, Version string
	Root          string   // the folder it lies in
	Dirs          []string // of the packages that are built in, absolute, sorted
	Files         []File   // licences and notices that cover them, sorted by name
}

// File is one file with a licence or a notice.
type File struct {
	Name string   // relative to the module, with slashes
	Text string   // as it is
	IDs  []string // SPDX identifiers of the licences recognised in it, sorted; none for a notice
}

// IDs are the SPDX identifiers of all licences in the module, sorted.
func (m *Module) IDs() []string {
	var ids []string
	for _, f := range m.Files {
		ids = append(ids, f.IDs...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

type listed struct {
	Dir      string
	Standard bool
	Module   *listedModule
}

type listedModule struct {
	Path, Version, Dir string
	Main               bool
	Replace            *listedModule
}

// list returns the modules that packages are built from, on any of the platforms, sorted by path, the Go distribution
// itself first; ours are left out.
func list(dir string, packages []string, tests bool, tags string) ([]*Module, error) {
	root, err := goRoot()
	if err != nil {
		return nil, err
	}
	all := []*Module{root}
	found := map[string]*Module{}
	lists, errs := make([][]listed, len(platforms)), make([]error, len(platforms))
	var asked sync.WaitGroup
	for i, platform := range platforms {
		asked.Go(func() { lists[i], errs[i] = goList(dir, platform, packages, tests, tags) })
	}
	asked.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, packages := range lists {
		for _, p := range packages {
			if p.Standard || p.Module == nil || p.Module.Main || own(p.Module.Path) {
				continue
			}
			m := found[p.Module.Path]
			if m == nil {
				from := p.Module
				if from.Replace != nil {
					from = from.Replace
				}
				m = &Module{Path: p.Module.Path, Version: from.Version, Root: from.Dir}
				found[m.Path], all = m, append(all, m)
			}
			m.Dirs = append(m.Dirs, p.Dir)
		}
	}
	slices.SortFunc(all[1:], func(a, b *Module) int { return strings.Compare(a.Path, b.Path) })
	for _, m := range all {
		slices.Sort(m.Dirs)
		m.Dirs = slices.Compact(m.Dirs)
		if m.Files, err = licences(m); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// goRoot is the Go distribution: the standard library is in every program.
func goRoot() (*Module, error) {
	out, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("ask where Go lies: %w", err)
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	dir := filepath.Join(root, "src")
	// Some distributions put the licence of Go itself elsewhere, and leave a link.
	return &Module{Path: "std", Version: strings.TrimPrefix(version, "go"), Root: root, Dirs: []string{dir}}, nil
}

func goList(dir, platform string, packages []string, tests bool, tags string) ([]listed, error) {
	args := []string{"list", "-deps", "-json=Dir,Standard,Module", "-tags=" + tags}
	if tests {
		args = append(args, "-test")
	}
	cmd := exec.Command("go", append(append(args, "--"), packages...)...)
	system, machine, _ := strings.Cut(platform, "/")
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+machine, "CGO_ENABLED=0")
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go list for %s: %w: %s", platform, err, strings.TrimSpace(stderr.String()))
	}
	var all []listed
	for d := json.NewDecoder(&stdout); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read what go list says: %w", err)
		}
		all = append(all, p)
	}
}
