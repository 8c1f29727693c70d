//go:build mta

package mta

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/tests/rig"
)

// password is what the mail server wants of the user monitor. It is not in ASCII alone and has what a URL would have to
// quote, since passwords do.
const password = "s3cret/pässword"

// watch is a dmonitor with one check, whose answer a test dictates.
type watch struct {
	*rig.Node
	t     *testing.T
	state string // the file that the plugin prints
	pass  string // DMONITOR_SMTP_PASSWORD_FILE
}

// newWatch makes a dmonitor that trusts itself alone, and that, once started, tells these people through a mail server.
func newWatch(t *testing.T, url, ca, note string, people ...string) *watch {
	t.Helper()
	dir := t.TempDir()
	w := &watch{t: t, state: filepath.Join(dir, "state"), pass: filepath.Join(dir, "password")}
	rig.Write(t, w.pass, password+"\n")
	w.says("OK all is well")
	quoted, err := json.Marshal(note) // YAML takes JSON for what it is.
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"hosts.d/www.example.com/queue": "interval: 3s\ntimeout: 3s\nargs: [" + w.state + "]\nnote: " + string(quoted) + "\n",
	}
	for _, p := range people {
		files["alert.d/"+p] = ""
	}
	env := []string{"DMONITOR_AGREE=1", "DMONITOR_SMTP_URL=" + url, "DMONITOR_MAIL_FROM=dmonitor <dmonitor@example.com>", "SSL_CERT_FILE=" + ca}
	if strings.Contains(url, "@") {
		env = append(env, "DMONITOR_SMTP_PASSWORD_FILE="+w.pass)
	}
	w.Node = rig.NewNodes(t, 1, files, env...)[0]
	plugin := filepath.Join(w.Etc(), "plugins/check_queue")
	rig.Write(t, plugin, "#!/bin/sh\ncat \"$1\"\n")
	if err := os.Chmod(plugin, 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

// says has the plugin say this from now on.
func (w *watch) says(text string) {
	w.t.Helper()
	rig.Write(w.t, w.state+".new", text+"\n")
	if err := os.Rename(w.state+".new", w.state); err != nil {
		w.t.Fatal(err)
	}
}

// status is what these tests read of `dmonitor status --json`.
type status struct {
	Pending *int                                        `json:"notices_pending"`
	Failed  []struct{ Event, Recipient, Answer string } `json:"notices_failed"`
}

// status asks; the answer is empty as long as there is none.
func (w *watch) status() (s status) {
	w.t.Helper()
	out, _ := w.Run("status", "--json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return status{}
	}
	return s
}

// settled waits until no notice is in the queue. From then on nothing can be sent a second time.
func (w *watch) settled() status {
	w.t.Helper()
	var s status
	rig.Until(w.t, "every notice is dealt with", func() bool {
		s = w.status()
		return s.Pending != nil && *s.Pending == 0
	})
	return s
}

// logged waits for something in the log.
func (w *watch) logged(what string) {
	w.t.Helper()
	rig.Until(w.t, "the log says "+what, func() bool { return strings.Contains(w.Log(), what) })
}

// line returns the first line of the log that has it.
func (w *watch) line(what string) string {
	for l := range strings.Lines(w.Log()) {
		if strings.Contains(l, what) {
			return l
		}
	}
	return ""
}
