package confdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmonitor/dmonitor/pkg/events"
)

var edited = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// tree makes a file system of "path": "content".
func tree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range files {
		m[name] = &fstest.MapFile{Data: []byte(content), ModTime: edited}
	}
	return m
}

// check is what an empty file defines.
func check(host, test string) events.Definition {
	return Defaults{}.definition(events.Check{Host: host, Test: test}, edited)
}

// TestRead: every setting of every kind of file arrives, in a fixed order, with the defaults filled in.
func TestRead(t *testing.T) {
	t.Parallel()
	got, problems := Read(tree(map[string]string{
		"hosts.d/www.example.com/ping": "",
		"hosts.d/www.example.com/ssh": "# the usual\ninterval: 5m\ntimeout: 2500ms\nagree: 3\nplugin: tcp\n" +
			"args: [-p, 2222, 0x10, 1_000, yes, \"~\", 'a b', www.example.com]\nnodes: [a, b, c]\n" +
			"recipients: ops@example.com\nnote: |\n  Call Bob.\n  He knows.\n",
		"hosts.d/10.0.0.1/http":    "---\ninterval: 1s\r\nagree: 1\r\nnodes: tokyo-1\r\n",
		"hosts.d/a.example/comm":   "# nothing but a comment\n",
		"alert.d/zoe@example.com":  "hosts: [\"*.example.com\", web?]\ntests:\n- ssh\n- \"[a-h]*\"\n",
		"alert.d/bob@example.com":  "operator: true\nhosts: www.example.com\n",
		"alert.d/ann@example.com":  "",
		"nodes.txt":                "\ufeff# three of them\nTokyo.example.com\n\n10.0.0.2:2930 # the second\n[2001:DB8::1]\n",
		"revoked.d/reader.grafana": "",
		"revoked.d/prober.osaka-1": "before: 2026-03-01T09:00:00+09:00\nbecause: 'stolen: all of it'\n",
		"cluster.key":              "whatever",
		"plugins/check_ssh":        "#!/bin/sh",
	}), Defaults{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	quick := check("10.0.0.1", "http")
	quick.Interval, quick.Timeout, quick.Agree, quick.Nodes = events.Millis(time.Second), events.Millis(time.Second), 1, []string{"tokyo-1"}
	full := check("www.example.com", "ssh")
	full.Interval, full.Timeout, full.Agree = events.Millis(5*time.Minute), events.Millis(2500*time.Millisecond), 3
	full.Plugin, full.Args = "tcp", []string{"-p", "2222", "0x10", "1_000", "yes", "~", "a b", "www.example.com"}
	full.Nodes, full.Recipients, full.Note = []string{"a", "b", "c"}, []string{"ops@example.com"}, "Call Bob.\nHe knows."
	want := Snapshot{
		Checks: []events.Definition{quick, check("a.example", "comm"), check("www.example.com", "ping"), full},
		Recipients: []events.Recipient{
			{Address: "ann@example.com", Operator: true, Edited: edited},
			{Address: "bob@example.com", Operator: true, Hosts: []string{"www.example.com"}, Edited: edited},
			{Address: "zoe@example.com", Hosts: []string{"*.example.com", "web?"}, Tests: []string{"ssh", "[a-h]*"}, Edited: edited},
		},
		Revoked: []events.Revocation{
			{Kind: events.CredentialProber, Name: "osaka-1", Before: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Because: "stolen: all of it"},
			{Kind: events.CredentialReader, Name: "grafana", Before: edited},
		},
		Nodes: []string{"tokyo.example.com:2929", "10.0.0.2:2930", "[2001:db8::1]:2929"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestReadWhatMayMiss: an empty directory, and hosts without tests, are valid and give nothing.
func TestReadWhatMayMiss(t *testing.T) {
	t.Parallel()
	m := tree(map[string]string{"plugins/check_ssh": ""})
	m["hosts.d/www.example.com"] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	got, problems := Read(m, Defaults{})
	if err := problems.Err(); err != nil {
		t.Error(err)
	}
	if !got.Empty() || got.Nodes != nil {
		t.Errorf("snapshot of nothing: %+v", got)
	}
}

// TestReadPassesOver: what editors and package tools leave is passed over wherever it lies.
func TestReadPassesOver(t *testing.T) {
	t.Parallel()
	m := fstest.MapFS{}
	for _, name := range []string{
		"ssh~", "ssh.~1~", ".ssh.swp", ".ssh.swo", ".#ssh", "#ssh#", "ssh.swp", ".git", ".keep",
		"ssh.dpkg-new", "ssh.dpkg-old", "ssh.dpkg-dist", "ssh.dpkg-tmp",
	} {
		for _, dir := range []string{"", "hosts.d/", "hosts.d/www.example.com/", "alert.d/", "revoked.d/"} {
			m[dir+name] = &fstest.MapFile{Data: []byte("nonsense")}
		}
	}
	got, problems := Read(m, Defaults{})
	if err := problems.Err(); err != nil {
		t.Error(err)
	}
	if !got.Empty() {
		t.Errorf("read %+v", got)
	}
}

// TestReadReports: everything that is wrong is told at once, with what to do, and the right files are still in force.
func TestReadReports(t *testing.T) {
	t.Parallel()
	m := tree(map[string]string{
		"hosts.d/www.example.com/ping":        "",
		"hosts.d/www.example.com/ssh":         "interval: 30s\n\ntimeout: 5 parsecs\n",
		"hosts.d/www.example.com/http":        strings.Repeat("# a long story\n", MaxFile/15+1),
		"hosts.d/www.example.com/_host":       "",
		"hosts.d/www.example.com/SSH":         "",
		"hosts.d/www.example.com/ssh.bak":     "",
		"hosts.d/www.example.com/dir/deep":    "",
		"hosts.d/-rf/ping":                    "",
		"hosts.d/evil\nhosts.d: all fine/ssh": "",
		"hosts.d/README":                      "",
		"alert.d/bob":                         "",
		"alert.d/bob@example.com":             "",
		"alert.d/Bob@example.com":             "",
		"alert.d/eve@example.com":             "hosts: *.example.com\n",
		"revoked.d/tokyo-1":                   "",
		"revoked.d/node.tokyo-1":              "",
		"revoked.d/agent.tokyo-1":             "",
		"revoked.d/prober.tokyo.example.com":  "",
		"revoked.d/prober.tokyo-1":            "before: yesterday\n",
		"revoke.d/prober.tokyo-1":             "",
		"nodes.txt":                           "a\nb c\n",
		"host.d/mail.example.com/smtp":        "",
		"alerts.d/bob@example.com":            "",
	})
	m["hosts.d/www.example.com/pipe"] = &fstest.MapFile{Mode: fs.ModeNamedPipe | 0o644}
	m["hosts.d/www.example.com/socket"] = &fstest.MapFile{Mode: fs.ModeSocket | 0o644}
	m["hosts.d/www.example.com/device"] = &fstest.MapFile{Mode: fs.ModeDevice | fs.ModeCharDevice | 0o644}
	got, problems := Read(m, Defaults{})
	want := `alert.d/bob: recipient "bob": want a bare address, such as ops@example.com
alert.d/bob@example.com: the same recipient as Bob@example.com; keep one of the two
alert.d/eve@example.com:1: hosts: a value that starts with * is an alias in YAML; put it in quotes: "*..."
alerts.d: not read; did you mean alert.d?
host.d: not read; did you mean hosts.d?
hosts.d/-rf: host name "-rf": must not start with '-'
hosts.d/README: is a file; want a directory here
"hosts.d/evil\nhosts.d: all fine": host name "evil\nhosts.d: all fine": '\n' is not allowed; use letters, digits and . - : _
hosts.d/www.example.com/SSH: test name "SSH": 'S' is not allowed; use lower-case letters, digits and - _
hosts.d/www.example.com/_host: "_host" is a reserved name; names that start with _ are kept for later; rename or remove it
hosts.d/www.example.com/device: is a device; want a regular file here
hosts.d/www.example.com/dir: is a directory; want a regular file here
hosts.d/www.example.com/http: larger than 64 KiB; shorten it
hosts.d/www.example.com/pipe: is a named pipe; want a regular file here
hosts.d/www.example.com/socket: is a socket; want a regular file here
hosts.d/www.example.com/ssh:3: timeout: "5 parsecs" is no duration; write for example 5s or 500ms
hosts.d/www.example.com/ssh.bak: test name "ssh.bak": '.' is not allowed; use lower-case letters, digits and - _; a test's file has no extension; rename or remove it
nodes.txt:2: "b c": want one node a line
revoke.d: not read; did you mean revoked.d?
revoked.d/agent.tokyo-1: kind of credential "agent": want one of prober, reader, operator
revoked.d/node.tokyo-1: credentials of nodes can't be revoked: who has the cluster key makes another; change the key
revoked.d/prober.tokyo-1:1: before: "yesterday" is no moment; write for example 2026-03-14T12:00:00Z
revoked.d/prober.tokyo.example.com: node name "tokyo.example.com": '.' is not allowed; use lower-case letters, digits and -
revoked.d/tokyo-1: "tokyo-1": want KIND.NAME, such as prober.tokyo-1`
	if diff := cmp.Diff(want, problems.Err().Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	valid := Snapshot{
		Checks:     []events.Definition{check("www.example.com", "ping")},
		Recipients: []events.Recipient{{Address: "Bob@example.com", Operator: true, Edited: edited}},
	}
	if diff := cmp.Diff(valid, got); diff != "" {
		t.Errorf("what is in force: -want +got:\n%s", diff)
	}
}

// TestReadFailures: what the file system refuses is told where it happened, and hurts nothing else.
func TestReadFailures(t *testing.T) {
	t.Parallel()
	m := tree(map[string]string{
		"hosts.d/a/ssh": "", "hosts.d/b/ssh": "", "hosts.d/c/ssh": "", "alert.d/ops@example.com": "", "nodes.txt": "a\n",
	})
	got, problems := Read(failFS{m, map[string]error{
		"open hosts.d/a/ssh":  fs.ErrPermission,
		"stat hosts.d/b/ssh":  errors.New("input/output error"),
		"readdir alert.d":     fs.ErrPermission,
		"stat nodes.txt":      fs.ErrPermission,
		"open hosts.d/c/none": fs.ErrPermission,
	}}, Defaults{})
	want := `alert.d: permission denied; let the user that dmonitor runs as read it
hosts.d/a/ssh: permission denied; let the user that dmonitor runs as read it
hosts.d/b/ssh: can't be read: input/output error
nodes.txt: permission denied; let the user that dmonitor runs as read it`
	if diff := cmp.Diff(want, problems.Err().Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(Snapshot{Checks: []events.Definition{check("c", "ssh")}}, got); diff != "" {
		t.Errorf("what is in force: -want +got:\n%s", diff)
	}
}

// failFS fails at "operation path".
type failFS struct {
	fstest.MapFS
	fail map[string]error
}

func (f failFS) err(op, name string) error {
	if err := f.fail[op+" "+name]; err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

func (f failFS) Open(name string) (fs.File, error) {
	if err := f.err("open", name); err != nil {
		return nil, err
	}
	return f.MapFS.Open(name)
}

func (f failFS) Stat(name string) (fs.FileInfo, error) {
	if err := f.err("stat", name); err != nil {
		return nil, err
	}
	return f.MapFS.Stat(name)
}

func (f failFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.err("readdir", name); err != nil {
		return nil, err
	}
	return f.MapFS.ReadDir(name)
}

// TestReadLinks: on a real disk, symbolic links are followed, those that lead nowhere are told, and so is a missing
// directory.
func TestReadLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "elsewhere/web/ssh"), "interval: 5m\n")
	mkdir(t, filepath.Join(dir, "etc/hosts.d/mail"))
	for link, to := range map[string]string{
		"etc/hosts.d/web":       "../../elsewhere/web",
		"etc/hosts.d/mail/ssh":  "../../../elsewhere/web/ssh",
		"etc/hosts.d/mail/lost": "nowhere",
		"etc/hosts.d/mail/loop": "loop",
		"etc/hosts.d/gone":      "nowhere",
		"etc/alert.d":           "nowhere",
		"etc/nodes.txt":         "nowhere",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	got, problems := Read(os.DirFS(filepath.Join(dir, "etc")), Defaults{})
	want := `alert.d: is a symbolic link that leads nowhere; remove it, or create what it points to
hosts.d/gone: is a symbolic link that leads nowhere; remove it, or create what it points to
hosts.d/mail/loop: can't be read: too many levels of symbolic links
hosts.d/mail/lost: is a symbolic link that leads nowhere; remove it, or create what it points to
nodes.txt: is a symbolic link that leads nowhere; remove it, or create what it points to`
	if diff := cmp.Diff(want, problems.Err().Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var names []string
	for _, d := range got.Checks {
		names = append(names, d.Check.String()+" "+short(d.Interval.Duration()))
	}
	if diff := cmp.Diff([]string{"mail/ssh 5m", "web/ssh 5m"}, names); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	_, problems = Read(os.DirFS(filepath.Join(dir, "missing")), Defaults{})
	if got, want := problems.Err().Error(), ".: the directory does not exist; create it, or set DMONITOR_CONFIG"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	mkdir(t, filepath.Dir(file))
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestReadTooManyRevoked: more than the bus carries is a problem of the directory, and the first ones are in force.
func TestReadTooManyRevoked(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range events.MaxRevocations + 1 {
		files[fmt.Sprintf("revoked.d/reader.r%04d", i)] = ""
	}
	got, problems := Read(tree(files), Defaults{})
	if want := "revoked.d: has more than 1000 files; remove those of credentials that have expired"; problems.Err() == nil || problems.Err().Error() != want {
		t.Errorf("problems %v, want %s", problems.Err(), want)
	}
	if len(got.Revoked) != events.MaxRevocations {
		t.Errorf("%d are in force", len(got.Revoked))
	}
}
