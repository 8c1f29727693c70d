package confdir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmonitor/dmonitor/pkg/events"
)

const wrongFile = "check/wrong-file"

// badFiles has a file for every rule, and what is said about it. The file stands in testdata under its name here; the
// messages call it by its last element.
var badFiles = map[string]string{
	"check/agree-range":          `agree-range:1: agree: "65" is no number of sites; write 1 to 64`,
	"check/agree-word":           `agree-word:1: agree: "two" is no number of sites; write 1 to 64`,
	"check/alias":                `alias:1: note: a value that starts with * is an alias in YAML; put it in quotes: "*..."`,
	"check/anchor":               `anchor:1: note: a value that starts with & is an anchor in YAML; put it in quotes: "&..."`,
	"check/args-empty":           `args-empty:1: args: the list is empty; remove the line, and the plugin is called with the host alone`,
	"check/args-long":            `args-long:3: args: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…" has 4097 bytes; at most 4096 are allowed`,
	"check/args-many":            `args-many:1: args: 65 of them; at most 64 are allowed`,
	"check/args-nul":             `args-nul:1: args: "a\x00b" holds a NUL; no program can be called with that`,
	"check/args-null":            `args-null:1: args: the list has an empty entry; remove it, or write "" or "null" in quotes`,
	"check/args-text":            `args-text:1: args: want a list; write [-p, 2222, www.example.com]`,
	"check/colon-in-note":        `colon-in-note:2: not YAML: mapping value is not allowed in this context; look at brackets and indentation; a value with ': ' in it has to be in quotes`,
	"check/control-character":    `control-character:2: holds bytes that are no text; write it as UTF-8 without control characters`,
	"check/directive":            `directive:1: more than one document; remove the lines that start with --- or %`,
	"check/further-keys":         `further-keys:3: note: want a value or a list of values, not further keys; see the indentation; put a value with ': ' in quotes`,
	"check/interval-list":        `interval-list:1: interval: want one value, not a list; write interval: value`,
	"check/interval-no-duration": `interval-no-duration:3: interval: "5 parsecs" is no duration; write for example 30s or 5m`,
	"check/interval-no-unit":     `interval-no-unit:1: interval: "30" has no unit; write for example 30s or 5m`,
	"check/interval-range":       `interval-range:1: interval: "1ms" is out of range; write 100ms to 24h`,
	"check/key-twice":            `key-twice:3: "interval" stands on line 1 already; keep one of the two`,
	"check/list-in-list":         `list-in-list:3: args: a list in a list; write [value, value]`,
	"check/list-of-keys":         `list-of-keys:1: want lines of the form key: value; keys are interval, timeout, agree, plugin, args, nodes, recipients, note`,
	"check/merge":                `merge:2: unknown key "<<"; keys are interval, timeout, agree, plugin, args, nodes, recipients, note`,
	"check/no-value":             `no-value:2: agree: has no value; write one, or remove the line`,
	"check/nodes-empty":          `nodes-empty:1: nodes: the list is empty; remove the line, and every node looks`,
	"check/nodes-name":           `nodes-name:1: nodes: node name "Paris": 'P' is not allowed; use lower-case letters, digits and -`,
	"check/nodes-too-few":        `nodes-too-few:2: nodes: 1 can look, but 2 sites have to agree; name more nodes, or lower agree`,
	"check/nodes-twice":          `nodes-twice:1: nodes: "a" is named twice; remove one of the two`,
	"check/not-keys":             `not-keys:1: want lines of the form key: value; keys are interval, timeout, agree, plugin, args, nodes, recipients, note`,
	"check/not-utf8":             `not-utf8:3: holds bytes that are no text; write it as UTF-8 without control characters`,
	"check/note-direction":       `note-direction:1: note: holds control characters, or marks that turn the direction of writing; remove them`,
	"check/note-list":            `note-list:1: note: want one value, not a list; write note: value`,
	"check/note-long":            `note-long:1: note: 8999 bytes; at most 8192 are allowed`,
	"check/plugin-name":          `plugin-name:1: plugin name "/usr/lib/check_ssh": '/' is not allowed; use lower-case letters, digits and - _; write the name only, for example ssh for check_ssh`,
	"check/plugin-prefix":        `plugin-prefix:1: plugin: the check_ of "check_ssh" is put in front by dmonitor; write ssh`,
	"check/recipients-address":   `recipients-address:3: recipients: recipient "Bob <bob@example.com>": want a bare address, such as ops@example.com`,
	"check/several": `several:1: unknown key "intervall"; did you mean interval?
several:2: timeout: "soon" is no duration; write for example 5s or 500ms
several:3: agree: "0" is no number of sites; write 1 to 64
several:4: nodes: the list is empty; remove the line, and every node looks`,
	"check/syntax":                      `syntax:3: not YAML: ',' or ']' must be specified; look at brackets and indentation; a value with ': ' in it has to be in quotes`,
	"check/tag":                         `tag:1: note: a value that starts with ! is a tag in YAML; put it in quotes: "!..."`,
	"check/timeout-longer":              `timeout-longer:2: timeout: 1m30s is longer than the interval, 30s; shorten the timeout or look less often`,
	"check/timeout-longer-than-default": `timeout-longer-than-default:1: timeout: 2m is longer than the interval, 1m; shorten the timeout or look less often`,
	"check/timeout-no-duration":         `timeout-no-duration:1: timeout: "soon" is no duration; write for example 5s or 500ms`,
	"check/timeout-range":               `timeout-range:1: timeout: "11m" is out of range; write 10ms to 10m`,
	"check/too-deep":                    `too-deep:2: nested deeper than any setting needs; want lines of the form key: value, or key: [value, value]`,
	"check/too-many-values":             `too-many-values:2001: has more values than any file of settings needs; want lines of the form key: value, or key: [value, value]`,
	"check/two-documents":               `two-documents:3: more than one document; remove the lines that start with --- or %`,
	"check/unknown-key": `unknown-key:2: unknown key "intervall"; did you mean interval?
unknown-key:3: unknown key "foo"; keys are interval, timeout, agree, plugin, args, nodes, recipients, note`,
	"recipient/alias":           `alias:1: hosts: a value that starts with * is an alias in YAML; put it in quotes: "*..."`,
	"recipient/empty-list":      `empty-list:1: hosts: the list is empty; remove the line, and every host counts`,
	"recipient/empty-pattern":   `empty-pattern:1: tests: "" matches nothing; write "*" for all`,
	"recipient/operator":        `operator:1: operator: "yes" is neither true nor false; write true or false`,
	"recipient/operator-list":   `operator-list:1: operator: want one value, not a list; write operator: value`,
	"recipient/pattern":         `pattern:1: hosts: "web[0-9" is no pattern; write for example "*.example.com" or "web[0-9]"`,
	"recipient/slash":           `slash:3: tests: "www/ssh": a pattern with a slash or a space matches nothing; write for example "*.example.com"`,
	"recipient/unknown-key":     `unknown-key:1: unknown key "host"; did you mean hosts?`,
	"revoked/because-direction": `because-direction:1: because: holds control characters, or marks that turn the direction of writing; remove them`,
	"revoked/because-long":      `because-long:1: because: 1030 bytes; at most 1024 are allowed`,
	"revoked/date-only":         `date-only:2: before: "2026-03-14" is no moment; write for example 2026-03-14T12:00:00Z`,
	"revoked/list":              `list:1: before: want one value, not a list; write before: value`,
	"revoked/several": `several:1: unknown key "befor"; did you mean before?
several:2: because: has no value; write one, or remove the line`,
	"revoked/year-zero":   `year-zero: before is missing`,
	"nodes/after-bracket": `after-bracket:1: "[::1]2929": want nothing or :port after the ]`,
	"nodes/bare-ipv6":     `bare-ipv6:1: "2001:db8::1": write an IPv6 address in brackets, such as [2001:db8::1]:2929`,
	"nodes/bracket":       `bracket:1: "[2001:db8::1": the closing ] is missing`,
	"nodes/bracket-name":  `bracket-name:1: "[www.example.com]:2929": "www.example.com" is no IPv6 address; only those stand in brackets`,
	"nodes/comma":         `comma:1: "a,b": want one node a line`,
	"nodes/name":          `name:2: host name "b_c!": '!' is not allowed; use letters, digits and . - : _`,
	"nodes/no-host":       `no-host:1: host name is empty`,
	"nodes/no-port":       `no-port:1: "a:": "" is no port; write 1 to 65535`,
	"nodes/not-utf8":      `not-utf8:2: "\xff" is not UTF-8`,
	"nodes/port":          `port:2: "b:99999": "99999" is no port; write 1 to 65535`,
	"nodes/port-name":     `port-name:1: "a:dmonitor": "dmonitor" is no port; write 1 to 65535`,
	"nodes/scheme":        `scheme:1: "nats://a:2929": want host or host:port, without a scheme or a path`,
	"nodes/several": `several:1: "a b": want one node a line
several:3: "::1": write an IPv6 address in brackets, such as [2001:db8::1]:2929`,
	"nodes/twice":         `twice:4: a:2929 stands on line 2 already; remove one of the two`,
	"nodes/two-on-a-line": `two-on-a-line:2: "b c": want one node a line`,
	"nodes/zone":          `zone:1: "[fe80::1%eth0]": "fe80::1%eth0" is no IPv6 address; only those stand in brackets`,
}

// TestBadFiles: every rule has a file that breaks it, and says so in exactly these words, with the right line.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	for _, file := range testFiles(t) {
		if file == wrongFile {
			continue // has a test of its own
		}
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			want, ok := badFiles[file]
			if !ok {
				t.Fatalf("testdata/%s is not in the table", file)
			}
			if diff := cmp.Diff(want, problemsOf(t, file).Err().Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for file := range badFiles {
		if _, err := os.Stat(filepath.Join("testdata", file)); err != nil {
			t.Errorf("in the table, but: %v", err)
		}
	}
}

// TestWrongFile: a file that is wrong from end to end is reported in a bounded number of lines.
func TestWrongFile(t *testing.T) {
	t.Parallel()
	got := problemsOf(t, wrongFile)
	if len(got) != maxPerFile+1 {
		t.Fatalf("%d problems, want %d", len(got), maxPerFile+1)
	}
	want := "wrong-file: has more problems than these; see whether it is the right file"
	if last := got[maxPerFile].String(); last != want {
		t.Errorf("last line %q, want %q", last, want)
	}
}

func testFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, dir := range []string{"check", "recipient", "revoked", "nodes"} {
		entries, err := os.ReadDir(filepath.Join("testdata", dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			files = append(files, dir+"/"+e.Name())
		}
	}
	return files
}

func problemsOf(t *testing.T, file string) Problems {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	kind, name, _ := strings.Cut(file, "/")
	var problems Problems
	switch kind {
	case "check":
		_, problems = parseCheck(name, data, events.Check{Host: "www.example.com", Test: "ssh"}, Defaults{}, time.Time{})
	case "recipient":
		_, problems = parseRecipient(name, data, "ops@example.com", time.Time{})
	case "revoked":
		_, problems = parseRevocation(name, data, events.Revocation{Kind: events.CredentialProber, Name: "tokyo-1"}, edited)
	case "nodes":
		var nodes []string
		if nodes, problems = ParseNodes(name, data); len(nodes) > 0 {
			t.Errorf("nodes %q in spite of problems: half a list makes another cluster", nodes)
		}
	}
	if len(problems) == 0 {
		t.Fatalf("testdata/%s: nothing is wrong with it", file)
	}
	return problems
}
