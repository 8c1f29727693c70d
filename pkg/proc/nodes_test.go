package proc

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What nodes.txt says counts when it has said so for two seconds; a list that leaves this node alone, for ten. What is
// wrong is told once, and what was in force stays.
func TestNodesWatch(t *testing.T) {
	two, three := []string{"a:2929", "b:2929"}, []string{"a:2929", "b:2929", "c:2929"}
	type at struct {
		second  float64
		look    nodesLook
		want    []string // the list that counts from now on
		problem string
	}
	for _, tc := range []struct {
		name    string
		inForce []string
		looks   []at
	}{
		{"nothing new", two, []at{{0, nodesLook{nodes: two}, nil, ""}, {5, nodesLook{nodes: two}, nil, ""}}},
		{"a third node", two, []at{
			{0, nodesLook{nodes: two}, nil, ""},
			{3, nodesLook{nodes: three}, nil, ""},
			{4, nodesLook{nodes: three}, nil, ""},
			{5, nodesLook{nodes: three}, three, ""},
			{6, nodesLook{nodes: three}, nil, ""},
		}},
		{"half a file for a moment", three, []at{
			{0, nodesLook{nodes: three}, nil, ""},
			{1, nodesLook{nodes: two}, nil, ""},
			{2, nodesLook{nodes: three}, nil, ""},
			{3, nodesLook{nodes: two}, nil, ""},
			{4, nodesLook{nodes: three}, nil, ""},
			{9, nodesLook{nodes: three}, nil, ""},
		}},
		{"gone", two, []at{
			{0, nodesLook{}, nil, ""}, {9, nodesLook{}, nil, ""}, {10, nodesLook{}, []string{}, ""}, {11, nodesLook{}, nil, ""},
		}},
		{"the folder is gone", two, []at{{0, nodesLook{away: true}, nil, ""}, {60, nodesLook{away: true}, nil, ""}, {61, nodesLook{}, nil, ""}}},
		{"something wrong", two, []at{
			{0, nodesLook{problem: "x"}, nil, ""},
			{2, nodesLook{problem: "x"}, nil, "x"},
			{3, nodesLook{problem: "x"}, nil, ""},
			{4, nodesLook{problem: "y"}, nil, ""},
			{6, nodesLook{problem: "y"}, nil, "y"},
			{7, nodesLook{nodes: two}, nil, ""},
			{9, nodesLook{nodes: two}, nil, ""},
			{10, nodesLook{problem: "y"}, nil, ""},
			{12, nodesLook{problem: "y"}, nil, "y"},
		}},
		{"company", nil, []at{{0, nodesLook{nodes: two}, nil, ""}, {2, nodesLook{nodes: two}, two, ""}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := &nodesWatch{inForce: tc.inForce}
			start := time.Unix(1_800_000_000, 0)
			for _, a := range tc.looks {
				got, changed, problem := w.step(a.look, start.Add(time.Duration(a.second*float64(time.Second))))
				if changed != (a.want != nil) || !slices.Equal(got, a.want) || problem != a.problem {
					t.Errorf("after %v s: %q, changed %v, problem %q; want %q, %q", a.second, got, changed, problem, a.want, a.problem)
				}
			}
		})
	}
}

func TestReadNodes(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "nodes.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if l := readNodes(dir); len(l.nodes) > 0 || l.problem != "" || l.away {
		t.Errorf("no file: %+v", l)
	}
	if l := readNodes(filepath.Join(dir, "away")); !l.away {
		t.Errorf("no folder: %+v", l)
	}
	write("a\n# b\nc:3000\n")
	if l := readNodes(dir); !slices.Equal(l.nodes, []string{"a:2929", "c:3000"}) || l.problem != "" {
		t.Errorf("two nodes: %+v", l)
	}
	write("a\nb:x\n")
	if l := readNodes(dir); len(l.nodes) > 0 || !strings.Contains(l.problem, dir+": nodes.txt:2: ") {
		t.Errorf("a bad line: %+v", l)
	}
}

// A list given by the environment is not watched, nor is one that nobody needs.
func TestFixedNodesAreNotWatched(t *testing.T) {
	for _, e := range []Env{{Nodes: []string{"a:2929", "b:2929"}}, {BusURL: "nats://a:4222"}} {
		p := &Process{Env: e}
		if err := p.watchNodes(t.Context()); err != nil { // it returns although the context has not ended
			t.Errorf("%+v: %v", e, err)
		}
	}
}

// Only a change of nodes.txt starts parts again, not one during which something else failed.
func TestOnlyMode(t *testing.T) {
	mode := &modeError{why: "nodes.txt lists no other node any more"}
	if onlyMode(errors.Join(mode, nil)) != mode {
		t.Error("a change is not seen")
	}
	if onlyMode(errors.Join(mode, errors.New("parts did not stop"))) != nil || onlyMode(nil) != nil || onlyMode(errors.New("x")) != nil {
		t.Error("a failure is taken for a change")
	}
}
