package docs

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/mailer"
	"github.com/dmonitor/dmonitor/services/prober"
)

const page = "../../docs/configuration.md"

var update = flag.Bool("update", false, "write the errors in docs/configuration.md anew")

// block is a marked code block: its kind, what the mark says further, and what stands between the fences.
var block = regexp.MustCompile("(?s)<!-- (\\w+):? ?([^\n]*?) ?-->\n```\\w*\n(.*?)```\n")

func read(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// folder makes a configuration folder of the blocks of one kind.
func folder(text, kind string) fstest.MapFS {
	dir := fstest.MapFS{}
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		if m[1] == kind {
			dir[m[2]] = &fstest.MapFile{Data: []byte(m[3]), Mode: 0o644, ModTime: time.Unix(1, 0)}
		}
	}
	return dir
}

// The examples are right, and mean what the page says.
func TestExamples(t *testing.T) {
	t.Parallel()
	dir := folder(read(t), "config")
	s, problems := confdir.Read(dir, confdir.Defaults{})
	if len(problems) > 0 {
		t.Fatal(problems.Err())
	}
	if len(s.Nodes)+len(s.Checks)+len(s.Recipients)+len(s.Revoked) != 4+len(dir)-1 {
		t.Errorf("%d nodes, %d checks and %d recipients from %d files", len(s.Nodes), len(s.Checks), len(s.Recipients), len(dir))
	}
	if want := "tokyo.example.com:2929"; s.Nodes[0] != want {
		t.Errorf("first node %s, want %s", s.Nodes[0], want)
	}
	checks := map[string]events.Definition{}
	for _, d := range s.Checks {
		checks[d.Check.String()] = d
	}
	if d := checks["www.example.com/ping"]; d.Plugin != "ping" || d.Agree != events.DefaultAgree || d.Args != nil {
		t.Errorf("an empty file: %+v", d)
	}
	d := checks["www.example.com/ssh-backup"]
	v := reflect.ValueOf(d)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "From" {
			t.Errorf("the example with everything leaves out %s", name)
		}
	}
	told := events.Merge([]events.Contribution{{Node: "a", Checks: s.Checks, Recipients: s.Recipients}})
	for host, want := range map[string][]string{
		"web7.example.com": {"ops@example.com", "web@example.com"}, "web77.example.com": {"ops@example.com"},
	} {
		if got := told.RecipientsOf(events.Check{Host: host, Test: "http"}); !slices.Equal(got, want) {
			t.Errorf("%s: told are %v, want %v", host, got, want)
		}
	}
	for _, r := range s.Recipients {
		if r.Operator != (r.Address == "ops@example.com") {
			t.Errorf("%s: operator %t", r.Address, r.Operator)
		}
	}
}

// The errors on the page are those that are printed. It is not parallel, because it may write the page.
func TestErrors(t *testing.T) {
	text := read(t)
	seen := map[string]int{}
	fresh := block.ReplaceAllStringFunc(text, func(s string) string {
		m := block.FindStringSubmatch(s)
		seen[m[1]]++
		var want string
		switch m[1] {
		case "says":
			_, problems := confdir.Read(folder(text, "bad"), confdir.Defaults{})
			for _, p := range problems {
				want += "/etc/dmonitor/" + p.String() + "\n"
			}
			want += fmt.Sprintf("/etc/dmonitor: %d problems\n", len(problems))
		case "env":
			_, err := proc.Load(strings.Fields(m[2]), "mon")
			if err == nil {
				t.Errorf("%s: no error", m[2])
				return s
			}
			want = err.Error() + "\n"
		default:
			return s
		}
		if m[3] != want && !*update {
			t.Errorf("the page says\n%s\nwant (go test -update)\n%s", m[3], want)
		}
		return strings.TrimSuffix(s, m[3]+"```\n") + want + "```\n"
	})
	if seen["says"] != 1 || seen["env"] != 1 || seen["bad"] != 2 || strings.Count(text, "<!-- ") != len(block.FindAllString(text, -1)) {
		t.Errorf("blocks on the page: %v", seen)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(page, []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// row is the first two cells of a table's row: `name` and default.
var row = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]*?) ?\\|")

// rows reads the table below a heading, by name; only names that keep says yes to.
func rows(text, from, to string) map[string]string {
	_, part, _ := strings.Cut(text, from)
	part, _, _ = strings.Cut(part, to)
	out := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(part, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// The table of variables has every one that the code reads, with its default, and no other.
func TestVariables(t *testing.T) {
	t.Parallel()
	table := rows(read(t), "\n## Environment variables\n", "\nThe mail server is")
	var names []string
	for f := range reflect.TypeFor[proc.Env]().Fields() {
		name := proc.Prefix + f.Tag.Get("env")
		names = append(names, name)
		got, ok := table[name]
		if !ok {
			t.Errorf("%s is not in the table", name)
		}
		if want := f.Tag.Get("envDefault"); want != "" && got != "`"+want+"`" {
			t.Errorf("%s: the page's default is %s, want `%s`", name, got, want)
		}
	}
	if want := fmt.Sprint(prober.DefaultConcurrency); table["DMONITOR_CONCURRENCY"] != want {
		t.Errorf("DMONITOR_CONCURRENCY: the page's default is %s, want %s", table["DMONITOR_CONCURRENCY"], want)
	}
	for name := range table {
		if !slices.Contains(names, name) {
			t.Errorf("%s: nobody reads it", name)
		}
	}
	for _, name := range regexp.MustCompile(`DMONITOR_\w+`).FindAllString(read(t), -1) {
		if !slices.Contains(names, name) && name != "DMONITOR_AGRE" {
			t.Errorf("%s: nobody reads it", name)
		}
	}
}

// The table of the mail server's options has those that the mailer takes. It says itself which, to who gets it wrong.
func TestMailOptions(t *testing.T) {
	t.Parallel()
	_, err := mailer.New(mailer.Options{SMTPURL: "smtp://localhost?no=such"})
	if err == nil {
		t.Fatal("an unknown option is taken")
	}
	want := regexp.MustCompile(`\b\w+=\w+`).FindAllString(err.Error(), -1)
	want = slices.DeleteFunc(want, func(o string) bool { return o == "verify=yes" }) // the default, of which nobody needs to know
	slices.Sort(want)
	var got []string
	text := read(t)
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+=\\w+)` \\|").FindAllStringSubmatch(text, -1) {
		got = append(got, m[1])
		_, err := mailer.New(mailer.Options{SMTPURL: "smtp://localhost?" + m[1]})
		if err == nil || strings.Contains(err.Error(), "SMTP_URL") { // what it lacks is a bus
			t.Errorf("%s: %v", m[1], err)
		}
	}
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the page has %v, the mailer %v", got, want)
	}
}

// The tables of keys have those that confdir knows. It says itself which, to who gets it wrong.
func TestKeys(t *testing.T) {
	t.Parallel()
	text := read(t)
	for file, section := range map[string][2]string{
		"hosts.d/a/ssh":      {"\n### hosts.d", "\n### alert.d"},
		"alert.d/a@b.com":    {"\n### alert.d", "\n### cluster.key"},
		"revoked.d/prober.a": {"\n### revoked.d", "\n### plugins"},
	} {
		_, problems := confdir.Read(fstest.MapFS{file: &fstest.MapFile{Data: []byte("- no key"), Mode: 0o644}}, confdir.Defaults{})
		if len(problems) != 1 {
			t.Fatalf("%s: %v", file, problems)
		}
		keys, ok := strings.CutPrefix(problems[0].Remedy, "keys are ")
		if !ok {
			t.Fatalf("%s: %s", file, problems[0])
		}
		want := strings.Split(keys, ", ")
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(rows(text, section[0], section[1]))); !slices.Equal(got, want) {
			t.Errorf("%s: the page has %v, the code %v", file, got, want)
		}
	}
	for _, what := range []string{
		fmt.Sprintf("%v to %s", events.MinInterval, "24h"), fmt.Sprintf("%v to %s", events.MinTimeout, "10m"),
		fmt.Sprintf("1 to %d", events.MaxAgree), fmt.Sprintf("at most %d KiB", events.MaxNote>>10), fmt.Sprintf("at most %d |", events.MaxArgs),
		fmt.Sprintf("at most %d KiB", confdir.MaxFile>>10), fmt.Sprint(confdir.DefaultPort), prober.ShippedPlugins, prober.NagiosPlugins,
	} {
		if !strings.Contains(text, what) {
			t.Errorf("the page should say %q", what)
		}
	}
	if events.MaxInterval != 24*time.Hour || events.MaxTimeout != 10*time.Minute || events.DefaultInterval != time.Minute ||
		events.DefaultTimeout != 10*time.Second || events.DefaultAgree != 2 {
		t.Error("limits or defaults have changed: correct the tables")
	}
}
