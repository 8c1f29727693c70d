package arch

import (
	"os"
	"testing"
)

// TestHouse holds every rule against the project itself.
func TestHouse(t *testing.T) {
	t.Parallel()
	tree, err := Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) < 50 || len(tree.Modules) < 10 {
		t.Fatalf("found only %d files and %d modules: this is not the project", len(tree.Files), len(tree.Modules))
	}
	for _, rule := range Rules {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			for _, f := range rule.Check(tree) {
				t.Errorf("%v\n\tthe rule: %s", f, rule.Says)
			}
		})
	}
}
