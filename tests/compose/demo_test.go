//go:build compose

package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// project keeps the test's containers apart from a demo that somebody runs at the same time.
const project = "dmonitor-test"

// agree is how many have to see it down: in this test one more than by default.
const agree = 3

// demo is the running docker-compose.yml.
type demo struct {
	compose []string // how Compose is called
	port    string   // where the inbox's page is, on 127.0.0.1
	mails   []mail   // those about outages that were seen last

	troubles []string // subjects of the mails that dmonitor sent about itself
}

// mail is one mail as the inbox lists it.
type mail struct {
	To        []string `json:"to"`
	Subject   string   `json:"subject"`
	MessageID string   `json:"message_id"`
	InReplyTo string   `json:"in_reply_to"`
	Double    int64    `json:"double"` // the mail that this one repeats
	Parts     []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"parts"`
}

// text is the part that is plain text.
func (m mail) text() string {
	for _, p := range m.Parts {
		if strings.HasPrefix(p.Type, "text/plain") {
			return p.Text
		}
	}
	return ""
}

// startDemo builds and starts everything, and takes it down again when the test ends. If the test failed, it first
// prints what the containers said.
func startDemo(t *testing.T) *demo {
	t.Helper()
	d := &demo{compose: needDocker(t), port: freePort(t)}
	needImages(t)
	d.run(t, "down", "-v", "--remove-orphans") // what a run that was killed has left
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
		defer cancel()
		if t.Failed() {
			_ = d.visible(ctx, "ps")
			_ = d.visible(ctx, "logs", "--no-color", "--tail", "200")
		}
		if err := d.visible(ctx, "down", "-v", "--remove-orphans"); err != nil {
			t.Errorf("take the demo down: %v", err)
		}
	})
	start := time.Now()
	d.run(t, "build")
	t.Logf("built in %s", time.Since(start).Round(time.Second))
	d.run(t, "up", "-d")
	return d
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// visible runs Compose. Its output goes into the test's log as it comes: builds take minutes.
func (d *demo) visible(ctx context.Context, args ...string) error {
	args = append(append(slices.Clone(d.compose[1:]), "-p", project), args...)
	cmd := exec.CommandContext(ctx, d.compose[0], args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stdout, os.Stdout
	cmd.Env = append(os.Environ(), "INBOX_PORT="+d.port, fmt.Sprintf("AGREE=%d", agree))
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", d.compose[0], strings.Join(args, " "), err)
	}
	return nil
}

func (d *demo) run(t *testing.T, args ...string) {
	t.Helper()
	if err := d.visible(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

// container is what Docker says of one.
type container struct {
	Name   string
	Image  string
	Config struct{ User string }
	State  struct {
		Running  bool
		ExitCode int
	}
	HostConfig struct {
		PortBindings map[string][]struct{ HostIP string }
	}
}

// containers lists the demo's containers, stopped ones too, by the name of their service.
func (d *demo) containers(t *testing.T) map[string]container {
	t.Helper()
	ids, err := command(t.Context(), nil, "docker", "ps", "-aq", "--filter", "label=com.docker.compose.project="+project)
	if err != nil {
		t.Fatal(err)
	}
	out, err := command(t.Context(), nil, "docker", append([]string{"inspect"}, strings.Fields(ids)...)...)
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		container
		Config struct {
			User   string
			Labels map[string]string
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	all := map[string]container{}
	for _, c := range list {
		c.container.Config.User = c.Config.User
		all[c.Config.Labels["com.docker.compose.service"]] = c.container
	}
	return all
}

// await polls the inbox until the mails are as wanted, and fails the test when patience ends.
func (d *demo) await(t *testing.T, what string, patience time.Duration, wanted func([]mail) bool) []mail {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	var lastErr error
	for {
		mails, err := d.read(ctx)
		lastErr = err
		for i := len(d.mails); i < len(mails); i++ {
			t.Logf("mail: %s", mails[i].Subject)
		}
		if err == nil {
			d.mails = mails
		}
		if err == nil && wanted(mails) {
			t.Logf("%s: after %s", what, time.Since(start).Round(time.Second))
			return mails
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v; the inbox has %d mails (last error: %v)", what, patience, len(d.mails), lastErr)
		case <-poll.C:
		}
	}
}

// read asks the inbox for all its mails, oldest first.
func (d *demo) read(ctx context.Context) ([]mail, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+d.port+"/api/mails", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the inbox says %s", resp.Status)
	}
	var mails []mail
	if err := json.NewDecoder(resp.Body).Decode(&mails); err != nil {
		return nil, fmt.Errorf("read the inbox: %w", err)
	}
	// What dmonitor says of itself comes in its own time, between the mails about outages.
	d.troubles = nil
	return slices.DeleteFunc(mails, func(m mail) bool {
		own := strings.HasSuffix(m.Subject, "(dmonitor)")
		if own {
			d.troubles = append(d.troubles, m.Subject)
		}
		return own
	}), nil
}

// connectedTo tells whether a container has a connection to the client port of another one, by the kernel's table of its
// connections: "0: 0A00A8C0:8F2E 0200A8C0:107E 01 …", addresses backwards, 4222 is 107E, 01 is established.
func (d *demo) connectedTo(t *testing.T, from, to string) bool {
	t.Helper()
	all := d.containers(t)
	out, err := command(t.Context(), nil, "docker", "exec", strings.TrimPrefix(all[from].Name, "/"), "bash", "-c",
		`for a in $(getent ahostsv4 `+to+` | cut -d" " -f1 | sort -u); do printf "%s " $a; done; echo; cat /proc/net/tcp`)
	if err != nil {
		t.Fatal(err)
	}
	addresses, table, _ := strings.Cut(out, "\n")
	for a := range strings.FieldsSeq(addresses) {
		ip := net.ParseIP(a).To4()
		if strings.Contains(table, fmt.Sprintf(" %02X%02X%02X%02X:107E 01 ", ip[3], ip[2], ip[1], ip[0])) {
			return true
		}
	}
	return false
}

// stranger connects from a new container on the same network, says something, and returns what it hears in three seconds.
func (d *demo) stranger(t *testing.T, to, port, words string) string {
	t.Helper()
	out, err := command(t.Context(), nil, "docker", "run", "--rm", "--network", project+"_default", "--entrypoint", "bash", d.containers(t)["tokyo"].Image,
		"-c", `exec 3<>/dev/tcp/"$0"/"$1" && printf "$2" >&3; timeout 3 cat <&3 || true`, to, port, words)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
