package examples

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var update = flag.Bool("update", false, "write the code blocks of docs/events.md anew")

const page = "../../docs/events.md"

// block is a marked code block: what it shows, and what stands between the fences.
var block = regexp.MustCompile("(?s)<!-- (file|output): (\\S+) -->\n```\\w*\n(.*?)```\n")

// What the page shows is what the files say, to the letter. It is not parallel, because it may write the page.
func TestPageShowsTheFiles(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	shown := map[string]bool{}
	for _, m := range block.FindAllStringSubmatchIndex(text, -1) {
		kind, name, got := text[m[2]:m[3]], text[m[4]:m[5]], text[m[6]:m[7]]
		want := strings.Join(wantLines(), "\n") + "\n"
		if kind == "file" {
			want = content(t, filepath.Join(filepath.Dir(page), name))
		}
		shown[filepath.Base(name)] = true
		if got != want && !*update {
			t.Errorf("%s: the page shows\n%s\nwant (go test -update)\n%s", name, got, want)
		}
	}
	if *update {
		fresh := block.ReplaceAllStringFunc(text, func(s string) string {
			m := block.FindStringSubmatch(s)
			want := strings.Join(wantLines(), "\n") + "\n"
			if m[1] == "file" {
				want = content(t, filepath.Join(filepath.Dir(page), m[2]))
			}
			return strings.TrimSuffix(s, m[3]+"```\n") + want + "```\n"
		})
		if len(shown) == 0 {
			t.Fatalf("%s has no marked blocks", page)
		}
		if err := os.WriteFile(page, []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := filepath.Glob("../../pkg/events/testdata/*.json")
	if err != nil || len(golden) == 0 {
		t.Fatalf("golden messages: %v, %v", golden, err)
	}
	for _, file := range append(golden, "subscriber.py", "main.go", "outage-opened.headers.txt") {
		if !shown[filepath.Base(file)] {
			t.Errorf("%s is not on the page", file)
		}
	}
	if n := strings.Count(text, "<!-- "); n != len(block.FindAllString(text, -1)) {
		t.Errorf("%d marks, but %d blocks", n, len(block.FindAllString(text, -1)))
	}
}

// The tables of the page name every subject, stream and bucket, and every value a reader may meet.
func TestPageNamesEverything(t *testing.T) {
	t.Parallel()
	text := content(t, page)
	check := events.Check{Host: "<host>", Test: "<test>"}
	names := []string{
		events.OutageSubject("<event>", check), events.ProposeSubject("<event>", check), events.ResultSubject("<node>", check),
		events.PresenceSubject("<node>"), events.JobsSubject("<node>"), events.ConfirmSubject(check), events.NoticeSubject("<notice>"),
		events.DeliverySubject("<outcome>", "<notice>"), "$KV." + events.BucketConfig + "." + events.ConfigKey("<node>"),
		events.SubjectConfig + "<node>", events.StreamOutages, events.StreamNotices, events.StreamDeliveries, events.StreamResults,
		events.BucketConfig, events.BucketLeases, events.StreamTroubles,
		events.TroubleSubject("<event>", events.TroubleKey{Kind: "<kind>", Node: "<about>"}),
		events.ProposeTroubleSubject("<event>", events.TroubleKey{Kind: "<kind>", Node: "<about>"}),
		events.SubjectUncommitted + "<node>", events.SubjectTold + "<node>", events.SubjectToldAsk + "<node>",
	}
	names = append(names, words(events.Statuses)...)
	names = append(names, words(events.Events)...)
	names = append(names, words(events.Votes)...)
	names = append(names, words(events.Outcomes)...)
	names = append(names, words(events.TroubleKinds)...)
	names = append(names, words(events.TroubleEvents)...)
	for _, w := range names {
		if !strings.Contains(text, "`"+w+"`") {
			t.Errorf("`%s` is not on the page", w)
		}
	}
	for _, what := range []string{
		fmt.Sprintf("at most %d MiB", events.MaxMessage>>20), fmt.Sprintf("at most %d bytes", events.MaxHostLen),
		fmt.Sprintf("after %s silent ones", map[int]string{5: "five"}[int(events.PresenceTimeout/events.PresenceInterval)]),
	} {
		if !strings.Contains(text, what) {
			t.Errorf("the page should say %q", what)
		}
	}
}

// Links within the page and to its neighbours lead somewhere.
func TestPageLinks(t *testing.T) {
	t.Parallel()
	text := regexp.MustCompile("(?s)```.*?```").ReplaceAllString(content(t, page), "")
	for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
		link := m[1]
		switch anchor, within := strings.CutPrefix(link, "#"); {
		case strings.HasPrefix(link, "https://"):
		case within:
			heading := regexp.MustCompile(`(?im)^#+ ` + strings.ReplaceAll(regexp.QuoteMeta(anchor), "-", " ") + `$`)
			if !heading.MatchString(text) {
				t.Errorf("%s: no such heading", link)
			}
		default:
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), link)); err != nil {
				t.Error(err)
			}
		}
	}
}

func content(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func words[T ~string](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}
