package stockplugins

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/prober/plugin"
)

// block is a marked code block of the page: its kind, its name, and what stands between the fences.
var block = regexp.MustCompile("(?s)<!-- (\\w+): ([^\n]*?) -->\n```\\w*\n(.*?)```\n")

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the marked blocks of one kind, by name.
func blocks(t *testing.T, kind string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range block.FindAllStringSubmatch(page(t), -1) {
		if m[1] == kind {
			found[m[2]] = m[3]
		}
	}
	if len(found) == 0 {
		t.Fatalf("docs/plugins.md has no block marked %q", kind)
	}
	return found
}

// The page's own plugin does what the page says, and abstains where it should.
func TestPluginOfTheDocs(t *testing.T) {
	t.Parallel()
	var queue atomic.Int64
	queue.Store(12)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/queue" {
			fmt.Fprintln(w, queue.Load())
		}
	}))
	t.Cleanup(srv.Close)
	if out, err := exec.CommandContext(t.Context(), "../../.ci/need", "curl=curl").CombinedOutput(); err != nil {
		t.Fatalf("%s(%v)", out, err)
	}
	dir := t.TempDir()
	write := func(port string) {
		for name, script := range blocks(t, "plugin") {
			script = strings.ReplaceAll(script, "8080", port)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := runner(t, dir)
	run := definition(t, "plugin: queue")
	look := func(rule string, want events.Status, says string) {
		t.Helper()
		if a := r.Run(t.Context(), run); a.Status != want || a.Output != says {
			t.Errorf("%s: %s, %q (%s), want %s, %q", rule, a.Status, a.Output, a.Detail, want, says)
		}
	}
	write(portOf(srv.Listener))
	look("a short queue", events.OK, "OK")
	queue.Store(1000)
	look("a long queue", events.Fail, "FAIL 1000 messages are waiting")
	write(closed(t))
	look("no queue", events.Fail, "FAIL the queue does not answer")
	t.Run("without curl it abstains", func(t *testing.T) {
		script := filepath.Join(dir, "check_queue")
		cmd := exec.CommandContext(t.Context(), "/bin/sh", script, "127.0.0.1")
		cmd.Env = []string{"PATH=/nonexistent"}
		out, _ := cmd.Output()
		if got := plugin.Judge(plugin.Seen{Exit: cmd.ProcessState.ExitCode(), Stdout: out}).Status; got != events.Unknown {
			t.Errorf("%s, %q, want unknown", got, out)
		}
	})
}

// The page's files for the plugins of Nagios are right: they run, and find what there is to find.
func TestFilesOfTheDocs(t *testing.T) {
	t.Parallel()
	chat := greeter(t, "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams'>\n")
	r := runner(t, stock)
	for name, file := range blocks(t, "config") {
		if a := r.Run(t.Context(), definition(t, strings.ReplaceAll(file, `"5222"`, `"`+chat+`"`))); a.Status.Vote() == events.None {
			t.Errorf("%s: %s, %q, %q", name, a.Status, a.Output, a.Detail)
		}
	}
}

// greeter says a line to who connects, and hangs up when the other side does or the test ends.
func greeter(t *testing.T, line string) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Write([]byte(line))
				_, _ = conn.Read(make([]byte, 512))
				_, _ = conn.Write([]byte("250 fine\r\n"))
				_, _ = conn.Read(make([]byte, 512))
			}()
		}
	}()
	return portOf(l)
}

// The page lists every option of every shipped plugin, and no other.
func TestOptionsOfTheDocs(t *testing.T) {
	t.Parallel()
	option := regexp.MustCompile(`--[a-z][a-z-]+`)
	there := map[string]bool{"--help": true}
	dir := shipped(t)
	for _, name := range []string{"cert", "dns", "ftp", "http", "https", "imap", "imaps", "ldap", "ldaps", "mysql", "ntp", "ping", "pop3", "pop3s", "postgres", "redis", "rsync", "smtp", "smtps", "ssh", "tcp"} {
		out, _ := exec.CommandContext(t.Context(), filepath.Join(dir, "check_"+name), "--help").Output() // exit code 3: help is no result
		if !strings.Contains(string(out), "--timeout") {
			t.Fatalf("check_%s --help: %s", name, out)
		}
		for _, o := range option.FindAllString(string(out), -1) {
			there[o] = true
		}
	}
	told := map[string]bool{}
	for _, o := range option.FindAllString(page(t), -1) {
		told[o] = true
		if !there[o] {
			t.Errorf("docs/plugins.md tells of %s, which no plugin has", o)
		}
	}
	for o := range there {
		if !told[o] {
			t.Errorf("docs/plugins.md does not tell of %s", o)
		}
	}
}
