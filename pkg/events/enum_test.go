package events

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// declared reads from the source what constants of a type there are, so that a new value can't be left out of the list.
func declared(t *testing.T, typeName string) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") {
			out = append(out, constantsOf(t, file, typeName)...)
		}
	}
	return out
}

func constantsOf(t *testing.T, file *ast.File, typeName string) (out []string) {
	t.Helper()
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typeName && len(spec.Values) == 1 {
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
				s, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, s)
			}
		}
		return true
	})
	return out
}

func walk[T ~string](t *testing.T, typeName string, list []T, validate func(T) error) {
	t.Helper()
	var names []string
	for _, v := range list {
		names = append(names, string(v))
		if err := validate(v); err != nil {
			t.Errorf("%s %q: %v", typeName, v, err)
		}
		if err := validateWord(typeName, string(v), MaxTestLen, true); err != nil {
			t.Errorf("%v: a value is also a subject token", err)
		}
		if validate(T(strings.ToUpper(string(v)))) == nil || validate(v+"x") == nil {
			t.Errorf("%s %q: its neighbours are accepted", typeName, v)
		}
	}
	want := declared(t, typeName)
	slices.Sort(names)
	slices.Sort(want)
	if len(want) == 0 || !slices.Equal(names, want) {
		t.Errorf("%s: the list has %v, declared are %v", typeName, names, want)
	}
	if validate("") == nil {
		t.Errorf("%s: the empty value is accepted", typeName)
	}
}

// Every value of every enum is in its list, is accepted, and no other is.
func TestEnumsAreWalkedWhole(t *testing.T) {
	walk(t, "Status", Statuses, Status.validate)
	walk(t, "Vote", Votes, Vote.validate)
	walk(t, "Event", Events, Event.validate)
	walk(t, "Outcome", Outcomes, Outcome.validate)
	walk(t, "TroubleKind", TroubleKinds, TroubleKind.validate)
	walk(t, "TroubleEvent", TroubleEvents, TroubleEvent.validate)
	walk(t, "CredentialKind", CredentialKinds, CredentialKind.validate)
}

// The word that decides everything: how a status counts. A status without a line here fails.
func TestStatusVote(t *testing.T) {
	want := map[Status]Vote{OK: Up, Warning: Up, Fail: Down, Timeout: Down, Unknown: None}
	for _, s := range Statuses {
		if v, ok := want[s]; !ok || s.Vote() != v {
			t.Errorf("%s counts as %q, want %q", s, s.Vote(), v)
		}
	}
	for _, s := range []Status{"", "FAIL", "new"} {
		if s.Vote() != None {
			t.Errorf("%q counts as %q: what nobody knows is no witness", s, s.Vote())
		}
	}
}

// Two nodes of one site have one vote: up wins over down, down over none, in whatever order.
func TestMergeVotes(t *testing.T) {
	want := map[[2]Vote]Vote{
		{Up, Up}: Up, {Up, Down}: Up, {Up, None}: Up, {Down, Down}: Down, {Down, None}: Down, {None, None}: None,
	}
	for _, a := range Votes {
		for _, b := range Votes {
			w, ok := want[[2]Vote{a, b}]
			if !ok {
				w, ok = want[[2]Vote{b, a}]
			}
			if got := mergeVotes(a, b); !ok || got != w {
				t.Errorf("%s and %s make %s, want %s", a, b, got, w)
			}
		}
		if got := mergeVotes("", a); got != a {
			t.Errorf("the first vote %s became %s", a, got)
		}
	}
}
