//go:build plugins

package plugins

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// controlled runs a preparation and then a server in the background, and sends it the signals that are named in the pipe
// "control". It ends when the server does.
const controlled = `
prepare=$1; shift
mkfifo control
eval "$prepare" || exit 1
"$@" &
pid=$!
exec 3<>control
while read -r signal <&3; do kill -s "$signal" "$pid"; done &
wait "$pid"
`

// startControlled starts a server after the shell script prepare, so that signal reaches it.
func (d *daemon) startControlled(prepare string, command ...string) {
	d.t.Helper()
	d.start(append([]string{"bash", "-ec", controlled, "bash", prepare}, command...)...)
}

// signal sends the server a signal, such as "STOP".
func (d *daemon) signal(name string) {
	d.t.Helper()
	pipe, err := os.OpenFile(d.path("control"), os.O_WRONLY, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer pipe.Close()
	if _, err := pipe.WriteString(name + "\n"); err != nil {
		d.t.Fatal(err)
	}
}

// takes waits until the plugin says that the server is up.
func (d *daemon) takes(name string, args ...string) {
	d.t.Helper()
	last := ""
	defer func() {
		if d.t.Failed() {
			d.t.Logf("%s %v: %s", name, args, last)
		}
	}()
	d.until(name+" finds it", func() bool {
		exit, out := check(d.t, name, args...)
		last = out
		return exit == 0
	})
}

// frozen stops the server without ending it, and waits until the plugin says that it is silent.
func (d *daemon) frozen(name string, args ...string) {
	d.t.Helper()
	d.signal("STOP")
	d.until(name+" finds it silent", func() bool {
		exit, out := check(d.t, name, append(args, "-t", "1")...)
		return exit == 2 && strings.Contains(out, "silence for")
	})
	d.signal("CONT")
}

// gone ends the server and says what the plugin makes of that.
func (d *daemon) gone(name string, args ...string) {
	d.t.Helper()
	d.signal("KILL")
	<-d.ended
	checks(d.t, name, []row{{"a server that is gone", args, 2, "connection refused"}})
}

// loginFile writes a login file that only its owner can read.
func loginFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "login")
	rig.Write(t, path, text)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
