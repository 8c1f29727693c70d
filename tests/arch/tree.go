package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// Prefix is what every module path of the project begins with; the rest is the module's folder.
const Prefix = "github.com/dmonitor/dmonitor/"

// Finding is one place where a rule is broken.
type Finding struct {
	Where string // a path below the root, with ":line" where there is one
	What  string // what is wrong and, where it isn't plain, what to do
}

func (f Finding) String() string { return f.Where + ": " + f.What }

// Import is one import line.
type Import struct {
	Path string // what is imported
	Name string // the name it goes by in the file, as written; empty if none is written
	Line int
}

// File is one Go file, parsed.
type File struct {
	Path      string // below the root, with slashes
	Dir       string // the package's folder
	Test      bool   // its name ends in _test.go
	Generated bool   // it says that a program wrote it
	Lines     int
	Imports   []Import
	AST       *ast.File
	fset      *token.FileSet
}

func (f *File) line(pos token.Pos) int { return f.fset.Position(pos).Line }

func (f *File) at(line int) string { return fmt.Sprintf("%s:%d", f.Path, line) }

// Module is one go.mod.
type Module struct {
	Dir string // below the root
	Mod *modfile.File
}

// Tree is everything the rules look at.
type Tree struct {
	FS      fs.FS
	Files   []*File
	Modules []*Module         // sorted by folder
	Work    *modfile.WorkFile // nil if there is no go.work
}

// Load reads a source tree. It passes over folders that are not the project's own source: hidden ones, testdata,
// bin, dist and node_modules.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{FS: fsys}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && foreign(p):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		return t.read(p)
	})
	if err != nil {
		return nil, fmt.Errorf("read the source tree: %w", err)
	}
	slices.SortFunc(t.Modules, func(a, b *Module) int { return strings.Compare(a.Dir, b.Dir) })
	return t, nil
}

// foreign says whether a folder is passed over.
func foreign(dir string) bool {
	if dir == "." {
		return false
	}
	name := path.Base(dir)
	return strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "bin", "dist", "node_modules"}, name)
}

func (t *Tree) read(p string) error {
	name := path.Base(p)
	if !strings.HasSuffix(name, ".go") && name != "go.mod" && p != "go.work" {
		return nil
	}
	src, err := fs.ReadFile(t.FS, p)
	if err != nil {
		return err
	}
	switch {
	case name == "go.mod":
		mod, err := modfile.Parse(p, src, nil)
		if err != nil {
			return err
		}
		t.Modules = append(t.Modules, &Module{Dir: path.Dir(p), Mod: mod})
	case p == "go.work":
		t.Work, err = modfile.ParseWork(p, src, nil)
		return err
	default:
		f, err := parse(p, src)
		if err != nil {
			return err
		}
		t.Files = append(t.Files, f)
	}
	return nil
}

func parse(p string, src []byte) (*File, error) {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, p, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &File{
		Path: p, Dir: path.Dir(p), AST: tree, fset: fset,
		Test:      strings.HasSuffix(p, "_test.go"),
		Generated: ast.IsGenerated(tree),
		Lines:     strings.Count(string(src), "\n"),
	}
	for _, spec := range tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		i := Import{Path: imported, Line: f.line(spec.Pos())}
		if spec.Name != nil {
			i.Name = spec.Name.Name
		}
		f.Imports = append(f.Imports, i)
	}
	return f, nil
}

// below says whether a folder or import path is dir itself or lies in it.
func below(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// own returns the folder of an import of the project's own, and whether it is one.
func own(imported string) (string, bool) { return strings.CutPrefix(imported, Prefix) }

// standard says whether an import is of the standard library: its first element has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}
