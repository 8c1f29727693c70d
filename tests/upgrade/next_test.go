//go:build upgrade

package upgrade

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// nextVersion is what the newer dmonitor says its version is.
const nextVersion = "next"

// noted is an event of an outage that only the newer dmonitor knows.
const noted = "noted"

// edit replaces a piece of a file that has to be there once.
type edit struct {
	file string
	old  *regexp.Regexp
	new  string
}

func exactly(file, old, new string) edit {
	return edit{file, regexp.MustCompile(regexp.QuoteMeta(old)), strings.ReplaceAll(new, "$", "$$")}
}

// edits make today's tree the newer one: all that is said on the bus has a field more, which is always filled; events
// may be "noted"; and version 2 of a message is read like version 1.
func edits() []edit {
	all := []edit{
		exactly("pkg/events/doc.go", "package events\n", "package events\n\n"+
			"// Later is what later versions say.\ntype Later struct {\n\tWord    string         `json:\"word\"`\n\tNumbers map[string]int `json:\"numbers\"`\n}\n\n"+
			"var later = &Later{Word: \"later\", Numbers: map[string]int{\"one\": 1}}\n"),
		exactly("pkg/events/enum.go", "var Events = []Event{Opened, Closed}", `var Events = []Event{Opened, Closed, "`+noted+`"}`),
		exactly("pkg/events/codec.go", "\tcase v > Version:\n", "\tcase v > Version+1:\n"),
		exactly("services/mailer/matter.go", "t.outage.Event == events.Opened || t.outage.Event == events.Closed",
			`t.outage.Event == events.Opened || t.outage.Event == events.Closed || t.outage.Event == "`+noted+`"`),
	}
	for _, m := range []struct{ file, name string }{
		{"result", "Result"},
		{"presence", "Presence"},
		{"outage", "Outage"},
		{"notice", "Notice"},
		{"notice", "Delivery"},
		{"trouble", "Trouble"},
		{"uncommitted", "Uncommitted"},
		{"uncommitted", "Told"},
		{"job", "Job"},
		{"job", "Confirmation"},
		{"config", "Contribution"},
	} {
		file := "pkg/events/" + m.file + ".go"
		all = append(all,
			exactly(file, "type "+m.name+" struct {\n", "type "+m.name+" struct {\n\tLater *Later `json:\"later\"`\n"),
			edit{file, regexp.MustCompile(`(func \((\w) \*` + m.name + `\) tidy\(\) \{\n)`), "${1}\t${2}.Later = later\n"},
		)
	}
	return all
}

// apply makes an edit in a tree.
func (e edit) apply(tree string) error {
	path := filepath.Join(tree, e.file)
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := len(e.old.FindAllIndex(data, -1)); n != 1 {
		return fmt.Errorf("%s: %q is there %d times, want once: the patch of tests/upgrade no longer fits", e.file, e.old, n)
	}
	return os.WriteFile(path, e.old.ReplaceAll(data, []byte(e.new)), 0o644)
}

// next is the newer dmonitor, built once.
var next struct {
	sync.Once
	binary string
	err    error
}

// newer returns the path of the newer dmonitor. It lies beside today's, and goes with it.
func newer(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(rig.Binary(t)), "next")
	next.Do(func() { next.binary, next.err = buildNext(dir) })
	if next.err != nil {
		t.Fatal(next.err)
	}
	return next.binary
}

func buildNext(dir string) (string, error) {
	tree, binary := filepath.Join(dir, "tree"), filepath.Join(dir, "dmonitor")
	if err := copyTree("../..", tree); err != nil {
		return "", err
	}
	for _, e := range edits() {
		if err := e.apply(tree); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("go", "build", "-ldflags", "-X github.com/dmonitor/dmonitor/pkg/proc.version="+nextVersion, "-o", binary, "./cmd/dmonitor")
	cmd.Dir = tree
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the newer dmonitor: %w\n%s", err, out)
	}
	return binary, nil
}

// copyTree copies what git knows of, and what it would, as it is in the working tree.
func copyTree(from, to string) error {
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = from
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list the tree: %w", err)
	}
	names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		data, err := os.ReadFile(filepath.Join(from, name))
		if os.IsNotExist(err) { // deleted, and not committed yet
			continue
		}
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// A patch that no longer fits is noticed.
func TestPatchHasToFit(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"none": "package a\n", "twice": "b b", "once": "a $b c"} {
		rig.Write(t, filepath.Join(dir, name), text)
		if err := exactly(name, "b", "${1}x").apply(dir); (err == nil) != (name == "once") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, "once")); err != nil || string(data) != "a $${1}x c" {
		t.Errorf("%q, %v", data, err)
	}
}
