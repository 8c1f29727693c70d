package arch

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// files is a made-up tree: path to text.
type files map[string]string

// sound is a small house in which every rule holds.
func sound() files {
	return files{
		"go.work":                          "go 1.26\n\nuse (\n\t./pkg/events\n\t./pkg/bus\n\t./services/arbiter\n\t./services/mailer\n\t./services/scheduler\n)\n",
		"pkg/events/go.mod":                "module " + Prefix + "pkg/events\n\ngo 1.26\n",
		"pkg/events/doc.go":                "// Package events is the contract.\npackage events\n\nimport \"strings\"\n\nvar Upper = strings.ToUpper\n",
		"pkg/bus/go.mod":                   mod("pkg/bus", "../../", "pkg/events") + "\nrequire example.com/lib v1.2.0\n",
		"pkg/bus/bus.go":                   src("bus", Prefix+"pkg/events", "example.com/lib"),
		"pkg/bus/embed/embed.go":           src("embed", "github.com/nats-io/nats-server/v2/server"),
		"pkg/bus/bustest/bustest.go":       src("bustest", Prefix+"pkg/bus", "testing"),
		"services/arbiter/go.mod":          mod("services/arbiter", "../../", "pkg/bus", "pkg/events"),
		"services/arbiter/arbiter.go":      src("arbiter", Prefix+"services/arbiter/round", Prefix+"pkg/bus"),
		"services/arbiter/a_test.go":       "package arbiter\n\nimport _ \"" + Prefix + "pkg/bus/bustest\"\n",
		"services/arbiter/round/r.go":      src("round", Prefix+"pkg/events", "net/netip") + "\nimport \"time\"\n\nfunc later(a, b time.Time) bool { return a.After(b) }\n",
		"services/mailer/go.mod":           mod("services/mailer", "../../", "pkg/events"),
		"services/mailer/letter/l.go":      src("letter", "strings"),
		"services/mailer/batch/b.go":       src("batch", "slices"),
		"services/mailer/told/t.go":        src("told", "slices"),
		"services/arbiter/trouble/t.go":    src("trouble", "slices"),
		"services/scheduler/go.mod":        mod("services/scheduler", "../../", "pkg/events"),
		"services/scheduler/plan/p.go":     src("plan", "slices"),
		"services/scheduler/testdata/x.go": "this is not Go",
		"ARCHITECTURE.md": "The bus is `pkg/bus`, see `pkg/events/doc.go` and `/etc/dmonitor`, `hosts.d/www.example.com/ssh`.\n\n" +
			"```tree\npkg/         what all share\n    bus/embed/   the server\n    events/\nservices/arbiter\n```\n\n```\nnot/a/path\n```\n",
	}
}

// mod writes a go.mod that requires and replaces siblings.
func mod(dir, up string, siblings ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "module %s%s\n\ngo 1.26\n", Prefix, dir)
	for _, s := range siblings {
		fmt.Fprintf(&b, "\nrequire %[1]s%[2]s v0.0.0\n\nreplace %[1]s%[2]s => %[3]s%[2]s\n", Prefix, s, up)
	}
	return b.String()
}

// src writes a Go file with a doc comment and imports.
func src(pkg string, imports ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "// Package %s is made up.\npackage %[1]s\n", pkg)
	for _, i := range imports {
		fmt.Fprintf(&b, "\nimport _ %q\n", i)
	}
	return b.String()
}

// broken are trees that differ from the sound one in a single way, and the one rule that must say so.
var broken = []struct {
	name string
	rule string
	edit files  // files to add or replace
	gone string // a file to take away
	want string // part of the finding
}{
	{name: "events imports bus", rule: "layers", edit: files{"pkg/events/x.go": src("events", Prefix+"pkg/bus")}, want: "pkg/events may not import pkg/bus"},
	{name: "bus imports a service", rule: "layers", edit: files{"pkg/bus/x.go": src("bus", Prefix+"services/arbiter")}, want: "pkg/bus may not import services/arbiter"},
	{name: "a service imports another", rule: "layers", edit: files{"services/mailer/x.go": src("mailer", Prefix+"services/arbiter")}, want: "services/mailer may not import services/arbiter"},
	{name: "a service's test imports another", rule: "layers", edit: files{"services/mailer/x_test.go": src("mailer", Prefix+"services/arbiter/round")}, want: "services/mailer may not import"},
	{name: "a service imports a command", rule: "layers", edit: files{"services/mailer/x.go": src("mailer", Prefix+"cmd/dmonitor")}, want: "may not import cmd/dmonitor"},
	{name: "a command imports tests", rule: "layers", edit: files{"cmd/dmonitor/x.go": src("main", Prefix+"tests/arch")}, want: "may not import tests/arch"},
	{name: "a name that only begins like an allowed one", rule: "layers", edit: files{"pkg/bus/x.go": src("bus", Prefix+"pkg/events2")}, want: "may not import pkg/events2"},
	{name: "a folder outside the house", rule: "layers", edit: files{"util/x.go": src("util")}, want: "no place in the house"},
	{name: "events imports a library", rule: "events-std", edit: files{"pkg/events/x.go": src("events", "example.com/lib")}, want: "imports example.com/lib"},
	{name: "a service embeds the server", rule: "embed", edit: files{"services/arbiter/x.go": src("arbiter", "github.com/nats-io/nats-server/v2/server")}, want: "go through pkg/bus/embed"},
	{name: "bus itself embeds the server", rule: "embed", edit: files{"pkg/bus/x.go": src("bus", "github.com/nats-io/nats-server/v2/server")}, want: "go through pkg/bus/embed"},
	{name: "bustest in production", rule: "testhelp", edit: files{"services/arbiter/x.go": src("arbiter", Prefix+"pkg/bus/bustest")}, want: "which is for tests"},
	{name: "round imports os", rule: "pure-imports", edit: files{"services/arbiter/round/x.go": src("round", "os")}, want: "imports os"},
	{name: "plan imports slog", rule: "pure-imports", edit: files{"services/scheduler/plan/x.go": src("plan", "log/slog")}, want: "imports log/slog"},
	{name: "letter imports rand v2", rule: "pure-imports", edit: files{"services/mailer/letter/x.go": src("letter", "math/rand/v2")}, want: "imports math/rand/v2"},
	{name: "letter imports net/http", rule: "pure-imports", edit: files{"services/mailer/letter/x.go": src("letter", "net/http")}, want: "imports net/http"},
	{name: "round logs", rule: "pure-imports", edit: files{"services/arbiter/round/x.go": src("round", "github.com/rs/zerolog")}, want: "only pkg/events and the standard library"},
	{name: "round counts for Prometheus", rule: "pure-imports", edit: files{"services/arbiter/round/x.go": src("round", "github.com/prometheus/client_golang/prometheus")}, want: "only pkg/events and the standard library"},
	{name: "round imports bus", rule: "pure-imports", edit: files{"services/arbiter/round/x.go": src("round", Prefix+"pkg/bus")}, want: "only pkg/events may"},
	{name: "a pure package is gone", rule: "pure-imports", gone: "services/scheduler/plan/p.go", want: "does not exist"},
	{name: "round reads the clock", rule: "pure-clock", edit: files{"services/arbiter/round/x.go": clock(`"time"`, "time.Now()")}, want: "x.go:6: a pure package uses time.Now"},
	{name: "round hands the clock on", rule: "pure-clock", edit: files{"services/arbiter/round/x.go": clock(`"time"`, "time.Since")}, want: "uses time.Since"},
	{name: "round renames the clock", rule: "pure-clock", edit: files{"services/arbiter/round/x.go": clock(`clock "time"`, "clock.Until")}, want: "uses time.Until"},
	{name: "round hides the clock", rule: "pure-clock", edit: files{"services/arbiter/round/x.go": clock(`. "time"`, "Now")}, want: "with a dot"},
	{name: "round waits", rule: "pure-clock", edit: files{"services/arbiter/round/x.go": clock(`"time"`, "time.NewTimer")}, want: "uses time.NewTimer"},
	{name: "no doc comment", rule: "package-doc", edit: files{"services/arbiter/extra/x.go": "package extra\n"}, want: "services/arbiter/extra: no file"},
	{name: "a doc comment in the external test only", rule: "package-doc", edit: files{
		"services/arbiter/extra/x.go": "package extra\n", "services/arbiter/extra/x_test.go": src("extra_test"),
	}, want: "services/arbiter/extra: no file"},
	{name: "a comment with a gap", rule: "package-doc", edit: files{"services/arbiter/extra/x.go": "// Package extra.\n\npackage extra\n"}, want: "no file"},
	{name: "ARCHITECTURE.md names a lost folder", rule: "architecture", edit: files{"ARCHITECTURE.md": "one\n\nsee `pkg/lost`\n"}, want: "ARCHITECTURE.md:3: pkg/lost does not exist"},
	{name: "ARCHITECTURE.md names a lost file", rule: "architecture", edit: files{"ARCHITECTURE.md": "`LOST.md`\n"}, want: "LOST.md does not exist"},
	{name: "ARCHITECTURE.md names a lost file of a command", rule: "architecture", edit: files{"ARCHITECTURE.md": "`go run ./cmd/lost demo`\n"}, want: "cmd/lost does not exist"},
	{name: "ARCHITECTURE.md draws a lost folder", rule: "architecture", edit: files{"ARCHITECTURE.md": "```tree\npkg/\n    bus/   here\n    lost/  not here\n```\n"}, want: "ARCHITECTURE.md:4: pkg/lost does not exist"},
	{name: "no ARCHITECTURE.md", rule: "architecture", gone: "ARCHITECTURE.md", want: "can't be read"},
	{name: "a module outside go.work", rule: "workspace", edit: files{"demo/go.mod": mod("demo", "../")}, want: "demo/go.mod: this module is not in go.work"},
	{name: "go.work uses nothing", rule: "workspace", gone: "services/mailer/go.mod", want: "uses services/mailer"},
	{name: "no go.work", rule: "workspace", gone: "go.work", want: "does not exist"},
	{name: "a module by another name", rule: "workspace", edit: files{"services/mailer/go.mod": mod("services/post", "../../")}, want: "path is not"},
	{name: "a replace line is missing", rule: "replace", edit: files{"services/mailer/go.mod": mod("services/mailer", "../../") + "\nrequire " + Prefix + "pkg/events v0.0.0\n"}, want: "lacks replace"},
	{name: "a sibling's sibling is missing", rule: "replace", edit: files{"services/mailer/go.mod": mod("services/mailer", "../../", "pkg/bus")}, want: "pkg/events => ../../pkg/events"},
	{name: "a replace line leads astray", rule: "replace", edit: files{"services/mailer/go.mod": mod("services/mailer", "../", "pkg/events")}, want: "lacks replace"},
	{name: "a replace line too many", rule: "replace", edit: files{"services/mailer/go.mod": mod("services/mailer", "../../", "pkg/events") + "\nreplace " + Prefix + "pkg/bus => ../../pkg/bus\n"}, want: "which it does not need"},
	{name: "somebody else is replaced", rule: "replace", edit: files{"services/mailer/go.mod": mod("services/mailer", "../../", "pkg/events") + "\nreplace example.com/lib => ../lib\n"}, want: "not a sibling"},
	{name: "two versions of one library", rule: "versions", edit: files{"services/mailer/go.mod": mod("services/mailer", "../../", "pkg/events") + "\nrequire example.com/lib v1.3.0\n"}, want: "wants example.com/lib v1.3.0"},
	{name: "two versions of Go", rule: "versions", edit: files{"pkg/events/go.mod": "module " + Prefix + "pkg/events\n\ngo 1.25\n"}, want: "wants go 1.25"},
	{name: "a long file", rule: "size", edit: files{"services/mailer/x.go": src("mailer") + strings.Repeat("// more\n", maxLines)}, want: "split it"},
}

func clock(imported, use string) string {
	return "package round\n\nimport " + imported + "\n\n// f uses it.\nvar f = " + use + "\n"
}

// TestSound: in the sound tree no rule finds anything.
func TestSound(t *testing.T) {
	t.Parallel()
	tree := load(t, sound())
	for _, rule := range Rules {
		for _, f := range rule.Check(tree) {
			t.Errorf("%s: %v", rule.Name, f)
		}
	}
}

// TestBroken: each broken tree is found by its rule, and by no other.
func TestBroken(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for _, c := range broken {
		tried[c.rule] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := sound()
			maps.Copy(all, c.edit)
			delete(all, c.gone)
			found := check(load(t, all))
			if len(found) == 0 {
				t.Fatal("no rule noticed")
			}
			hit := false
			for rule, findings := range found {
				for _, f := range findings {
					hit = hit || rule == c.rule && strings.Contains(f.String(), c.want)
				}
				// A module or a package taken away is rightly noticed by more than one rule.
				if rule != c.rule && c.gone == "" {
					t.Errorf("the rule %s found too: %v", rule, findings)
				}
			}
			if !hit {
				t.Errorf("the rule %s did not say %q; found: %v", c.rule, c.want, found)
			}
		})
	}
	for _, rule := range Rules {
		if !tried[rule.Name] {
			t.Errorf("no tree breaks the rule %s: nobody knows whether it can fail", rule.Name)
		}
	}
}

// TestAllowList: a long file needs a reason, and a reason needs a long file.
func TestAllowList(t *testing.T) {
	t.Parallel()
	tree := load(t, files{"a/long.go": strings.Repeat("\n", 500) + src("a"), "a/short.go": src("a")})
	for name, c := range map[string]struct {
		allowed map[string]string
		want    int
	}{
		"no entry":      {nil, 1},
		"a reason":      {map[string]string{"a/long.go": "a table of the protocol"}, 0},
		"an empty one":  {map[string]string{"a/long.go": " "}, 1},
		"a stale entry": {map[string]string{"a/long.go": "a table of the protocol", "a/short.go": "was long once"}, 1},
	} {
		if got := checkSize(tree, c.allowed); len(got) != c.want {
			t.Errorf("%s: found %v, want %d", name, got, c.want)
		}
	}
}

// check runs all rules and returns what they found by rule.
func check(tree *Tree) map[string][]Finding {
	found := map[string][]Finding{}
	for _, rule := range Rules {
		if f := rule.Check(tree); len(f) > 0 {
			found[rule.Name] = f
		}
	}
	return found
}

func load(t *testing.T, all files) *Tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for p, text := range all {
		fsys[p] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
