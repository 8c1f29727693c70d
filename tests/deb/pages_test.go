package deb

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const pluginsPage = "../../packaging/man/dmonitor-plugins.7.md"

var (
	optionOnPage = regexp.MustCompile(`\*\*--([a-z0-9-]+)`)
	optionInHelp = regexp.MustCompile(`(?m)^ +(?:-\w, +)?--([a-z0-9-]+)`)
	heading      = regexp.MustCompile(`(?m)^# (.+)$`)
)

// build makes a program of the workspace.
func build(t *testing.T, module, main string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-C", "../../"+module, "-o", bin, main).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", main, err, out)
	}
	return bin
}

// sections splits a page by its headings.
func sections(t *testing.T, page string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text, found := string(data), map[string]string{}
	at := heading.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		found[text[m[2]:m[3]]] = text[m[1]:end]
	}
	return found
}

func options(re *regexp.Regexp, text string) []string {
	var names []string
	for _, m := range re.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// shipped lists the plugins that a dmonitor-plugins has.
func shipped(t *testing.T, bin string) []string {
	t.Helper()
	help, err := exec.Command(bin, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(help), "\n")
	_, list, _ := strings.Cut(first, ": ")
	names := strings.Fields(list)
	if len(names) < 5 {
		t.Fatalf("plugins found in the help: %q", names)
	}
	return names
}

// TestPluginsPage: dmonitor-plugins(7) has a section for each plugin, in one shape, and names the options that --help does.
func TestPluginsPage(t *testing.T) {
	t.Parallel()
	bin := build(t, "plugins", "./cmd/dmonitor-plugins")
	names := shipped(t, bin)
	page := sections(t, pluginsPage)
	common := options(optionOnPage, page["COMMON OPTIONS"])
	for _, name := range names {
		section, ok := page[strings.ToUpper(name)]
		if !ok {
			t.Errorf("%s: there is no section # %s", pluginsPage, strings.ToUpper(name))
			continue
		}
		for _, part := range []string{"\n**" + name + "** *", "\nOptions:\n", "\nExamples:\n", "\n    " + name + " "} {
			if !strings.Contains(section, part) {
				t.Errorf("%s: the section of %s lacks %q", pluginsPage, name, part)
			}
		}
		out, _ := exec.Command(bin, name, "--help").Output() // its exit code is 3
		want := slices.DeleteFunc(options(optionInHelp, string(out)), func(o string) bool { return slices.Contains(common, o) })
		have := slices.DeleteFunc(options(optionOnPage, section), func(o string) bool { return slices.Contains(common, o) })
		for _, o := range want {
			if !slices.Contains(have, o) {
				t.Errorf("%s: the section of %s lacks --%s", pluginsPage, name, o)
			}
		}
		for _, o := range have {
			if !slices.Contains(want, o) {
				t.Errorf("%s: the section of %s names --%s, which it does not take", pluginsPage, name, o)
			}
		}
	}
	for title := range page {
		if name := strings.ToLower(title); strings.HasPrefix(name, "check_") && !slices.Contains(names, name) {
			t.Errorf("%s: # %s: there is no such plugin", pluginsPage, title)
		}
	}
}

// TestDmonitorPages: dmonitor(8) has every command that --help lists, and dmonitor-config(5) every variable.
func TestDmonitorPages(t *testing.T) {
	t.Parallel()
	bin := build(t, "cmd/dmonitor", ".")
	for _, c := range []struct {
		page string
		args []string
		in   *regexp.Regexp
	}{
		{"../../packaging/man/dmonitor.8.md", []string{"--help"}, regexp.MustCompile(`(?m)^  ([a-z]+)( |$)`)},
		{"../../packaging/man/dmonitor-config.5.md", []string{"run", "--help"}, regexp.MustCompile(`(?m)^ +(DMONITOR_[A-Z_]+) `)},
	} {
		page, err := os.ReadFile(c.page)
		if err != nil {
			t.Fatal(err)
		}
		help, err := exec.Command(bin, c.args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		found := c.in.FindAllStringSubmatch(string(help), -1)
		if len(found) < 8 {
			t.Fatalf("dmonitor %s: found only %q in\n%s", strings.Join(c.args, " "), found, help)
		}
		for _, m := range found {
			if !strings.Contains(string(page), "**"+m[1]+"**") {
				t.Errorf("%s: %s is not there", c.page, m[1])
			}
		}
	}
}

// TestPluginArguments: both pages that name the command say how arguments get to the plugin, as its --help does.
func TestPluginArguments(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"../../packaging/man/dmonitor.8.md": "**plugin** *TEST* *HOST* [**--** *ARGS*]\n",
		pluginsPage:                         "**dmonitor plugin** *TEST* *HOST* [**--** *ARGS*]\n",
	} {
		if page, err := os.ReadFile(path); err != nil || !strings.Contains(string(page), want) {
			t.Errorf("%s: %v; want %q", path, err, want)
		}
	}
}
