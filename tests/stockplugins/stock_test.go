package stockplugins

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/prober/plugin"
)

// stock is where Debian installs them.
const stock = "/usr/lib/nagios/plugins"

func TestMain(m *testing.M) {
	if out, err := exec.Command("../../.ci/need", stock+"/check_tcp=monitoring-plugins-basic").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s(%v)\n", out, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// site is a web server that answers /404 with 404 and so on, and / with a page.
func site(t *testing.T) (port string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := http.StatusOK
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &code) // any other path is fine
		w.WriteHeader(code)
		fmt.Fprintln(w, "hello, world")
	}))
	t.Cleanup(srv.Close)
	return portOf(srv.Listener)
}

func portOf(l net.Listener) string { return fmt.Sprint(l.Addr().(*net.TCPAddr).Port) }

// mute takes connections, as the kernel does it, and never says a word.
func mute(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return portOf(l)
}

// closed is a port that refuses connections: it is bound, so that nobody else gets it, but nobody listens.
func closed(t *testing.T) (port string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(sa.(*syscall.SockaddrInet4).Port)
}

// shipped is a folder with the plugins dmonitor ships.
func shipped(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "dmonitor-plugins")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/dmonitor-plugins")
	build.Dir = "../../plugins" // in the module it belongs to
	for _, cmd := range []*exec.Cmd{build, exec.CommandContext(t.Context(), bin, "link", dir)} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	return dir
}

// definition reads a test's file as dmonitor does.
func definition(t *testing.T, file string) events.Run {
	t.Helper()
	dir := fstest.MapFS{"hosts.d/127.0.0.1/it": {Data: []byte(file), Mode: 0o644, ModTime: time.Unix(1, 0)}}
	s, problems := confdir.Read(dir, confdir.Defaults{})
	if len(problems) > 0 {
		t.Fatal(problems.Err())
	}
	return s.Checks[0].Run
}

func runner(t *testing.T, dirs ...string) *plugin.Runner {
	t.Helper()
	r, err := plugin.NewRunner(plugin.Options{Dirs: dirs, Node: "node-1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// The same files, run with the stock plugins and with ours, come to the same end.
func TestStockAndShipped(t *testing.T) {
	t.Parallel()
	web, silent, refusing := site(t), mute(t), closed(t)
	runners := map[string]*plugin.Runner{"stock": runner(t, stock), "shipped": runner(t, shipped(t))}
	cases := []struct {
		rule string
		file string
		want events.Status
		says string // by the stock plugin
	}{
		{"tcp: an open port", "plugin: tcp\nargs: [-H, 127.0.0.1, -p, '" + silent + "']", events.OK, "TCP OK"},
		{"tcp: a closed port", "plugin: tcp\nargs: [-H, 127.0.0.1, -p, '" + refusing + "']", events.Fail, "Connection refused"},
		{"tcp: what has to come", "plugin: tcp\nargs: [-H, 127.0.0.1, -p, '" + web + "', -s, \"GET / HTTP/1.0\\r\\n\\r\\n\", -e, HTTP/1.]", events.OK, "TCP OK"},
		{"http: a page", "plugin: http\nargs: [-H, 127.0.0.1, -p, '" + web + "']", events.OK, "HTTP OK"},
		{"http: a page with a text", "plugin: http\nargs: [-H, 127.0.0.1, -p, '" + web + "', -u, /, -s, hello]", events.OK, "HTTP OK"},
		{"http: a page without it", "plugin: http\nargs: [-H, 127.0.0.1, -p, '" + web + "', -s, goodbye]", events.Fail, "string 'goodbye' not found"},
		{"http: not found", "plugin: http\nargs: [-I, 127.0.0.1, -p, '" + web + "', -u, /404]", events.Warning, "404 Not Found"},
		{"http: out of order", "plugin: http\nargs: [-I, 127.0.0.1, -p, '" + web + "', -u, /500]", events.Fail, "500 Internal Server Error"},
		{"http: a closed port", "plugin: http\nargs: [-I, 127.0.0.1, -p, '" + refusing + "']", events.Fail, "Connection refused"},
		{"http: silence, and its own timeout", "plugin: http\nargs: [-H, 127.0.0.1, -p, '" + silent + "', -t, '1']", events.Fail, "Socket timeout after 1 second"},
		{"ssh: no SSH server", "plugin: ssh\nargs: [-p, '" + refusing + "', 127.0.0.1]", events.Fail, "Connection refused"},
		{"ping: replies", "plugin: ping\nargs: [-H, 127.0.0.1, -w, '1000,50%', -c, '5000,100%', -p, '1']", events.OK, "PING OK"},
		{"ping: slower than the bound", "plugin: ping\nargs: [-H, 127.0.0.1, -w, '0.00001,50%', -c, '0.00001,100%', -p, '1']", events.Fail, "PING CRITICAL"},
		{"ping: no arguments that make sense", "plugin: ping\nargs: [-H, 127.0.0.1, -w, fast]", events.Unknown, ""},
	}
	for _, c := range cases {
		for whose, r := range runners {
			t.Run(whose+" "+c.rule, func(t *testing.T) {
				t.Parallel()
				a := r.Run(t.Context(), definition(t, c.file))
				if a.Status != c.want || whose == "stock" && !strings.Contains(a.Output+"\n"+a.Detail, c.says) {
					t.Errorf("%s: %s, %q, %q\nwant %s and %q", a.Path, a.Status, a.Output, a.Detail, c.want, c.says)
				}
				if c.want == events.OK && len(a.Perf) == 0 {
					t.Errorf("%s: no perfdata", a.Path)
				}
			})
		}
	}
}

// A stock plugin knows nothing of the check's timeout: the prober ends it. Ours ends before, and says why.
func TestTimeout(t *testing.T) {
	t.Parallel()
	file := "plugin: http\ntimeout: 2s\nargs: [-H, 127.0.0.1, -p, '" + mute(t) + "']"
	if a := runner(t, stock).Run(t.Context(), definition(t, file)); a.Status != events.Timeout {
		t.Errorf("stock: %s, %q, want timeout", a.Status, a.Output)
	}
	a := runner(t, shipped(t)).Run(t.Context(), definition(t, file))
	if a.Status != events.Fail || !strings.Contains(a.Output, "no sign of an answer to the request within 1.8 s") {
		t.Errorf("shipped: %s, %q, want fail and why", a.Status, a.Output)
	}
}

// Where both have a plugin, the folder that comes first decides; where ours is missing, the stock one is found.
func TestFolders(t *testing.T) {
	t.Parallel()
	ours := shipped(t)
	r := runner(t, ours, stock)
	for name, dir := range map[string]string{"tcp": ours, "http": ours, "dummy": stock, "load": stock} {
		if path, err := r.Find(name); err != nil || filepath.Dir(path) != dir {
			t.Errorf("check_%s: %s, %v; want the one in %s", name, path, err, dir)
		}
	}
	// check_dummy says what it is told to: a stock plugin that is no test of a network is run as well.
	for code, want := range []events.Status{events.OK, events.Warning, events.Fail, events.Unknown} {
		a := r.Run(t.Context(), definition(t, fmt.Sprintf("plugin: dummy\nargs: ['%d', told so]", code)))
		if a.Status != want || !strings.HasSuffix(a.Output, ": told so") {
			t.Errorf("check_dummy %d: %s, %q, want %s", code, a.Status, a.Output, want)
		}
	}
}

// Without dmonitor around it, the package does what these tests take for granted.
func TestByHand(t *testing.T) {
	t.Parallel()
	for port, want := range map[string]int{mute(t): 0, closed(t): 2} {
		cmd := exec.CommandContext(t.Context(), stock+"/check_tcp", "-H", "127.0.0.1", "-p", port)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
			t.Errorf("check_tcp: %v, %s, want exit code %d", err, out, want)
		}
	}
}
