package demo

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/demo/host"
	"github.com/dmonitor/dmonitor/pkg/confdir"
)

// node is one `dmonitor run` process with its own folders and its own way to the host.
type node struct {
	name, dir, binary string
	listen, client    string // its addresses on the bus
	http              string // that of its metrics
	members, smtp     string // the bus it joins, the mail server it uses
	path              *host.Path

	cmd    *exec.Cmd
	stdin  io.Closer
	done   chan struct{} // closed when the process is gone
	killed bool          // by the story
}

// configure writes the node's configuration folder. All nodes have the same check; only the plugin differs in the way
// it takes to the host, as the networks of real nodes do.
func (n *node) configure() error {
	etc := filepath.Join(n.dir, "etc")
	_, port, err := net.SplitHostPort(n.path.Addr())
	if err != nil {
		return fmt.Errorf("way of %s: %w", n.name, err)
	}
	files := map[string]string{
		filepath.Join("hosts.d", hostName, testName): fmt.Sprintf("interval: %s\ntimeout: 1s\n", interval),
		filepath.Join("alert.d", recipient):          "",
		filepath.Join("plugins", "check_"+testName): fmt.Sprintf(
			"#!/bin/sh\n# This node's way to the host is a port of its own, which the demo can cut.\nexec %s -H 127.0.0.1 -p %s\n",
			shellQuote(filepath.Join(n.dir, "var", "plugins", "check_http")), port),
	}
	for name, text := range files {
		path := filepath.Join(etc, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("configure %s: %w", n.name, err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "plugins") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			return fmt.Errorf("configure %s: %w", n.name, err)
		}
	}
	_, problems := confdir.Read(os.DirFS(etc), confdir.Defaults{Interval: interval, Timeout: time.Second, Agree: 2})
	if len(problems) > 0 {
		return fmt.Errorf("configure %s: %s", n.name, problems[0])
	}
	return nil
}

// start runs the node. It ends by itself when this process does, since its standard input ends then.
func (n *node) start() error {
	logFile, err := os.OpenFile(n.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	defer logFile.Close()
	n.cmd = exec.Command(n.binary, "run", "--until-eof")
	n.cmd.Env = append(withoutSettings(os.Environ()),
		"DMONITOR_CONFIG="+filepath.Join(n.dir, "etc"), "DMONITOR_DATA="+filepath.Join(n.dir, "var"),
		"DMONITOR_NODE="+n.name, "DMONITOR_NODES="+n.members, "DMONITOR_LISTEN="+n.listen,
		"DMONITOR_CLIENT_LISTEN="+n.client, "DMONITOR_HTTP_LISTEN="+n.http, "DMONITOR_SMTP_URL=smtp://"+n.smtp, "DMONITOR_LOG_FORMAT=json",
		"DMONITOR_MAIL_FROM=dmonitor@"+n.name+".example.com")
	n.cmd.Stdout, n.cmd.Stderr = logFile, logFile
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.done = make(chan struct{})
	go func() {
		_ = n.cmd.Wait() // How it ended is in its log; the story only asks whether it lives.
		close(n.done)
	}()
	return nil
}

// kill ends the node as a power cut would: without a word.
func (n *node) kill() error {
	n.killed = true
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", n.name, err)
	}
	<-n.done
	return nil
}

// stop ends the node politely, and by force when it takes too long.
func (n *node) stop() {
	_ = n.stdin.Close()
	select {
	case <-n.done:
	case <-time.After(10 * time.Second):
		_ = n.kill()
	}
}

func (n *node) gone() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

func (n *node) logPath() string { return filepath.Join(n.dir, "log") }

// lastWords returns the end of the node's log, for an error.
func (n *node) lastWords() string {
	data, err := os.ReadFile(n.logPath())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// withoutSettings keeps the user's own DMONITOR_ settings out of the demo.
func withoutSettings(environ []string) []string {
	var out []string
	for _, v := range environ {
		if !strings.HasPrefix(v, "DMONITOR_") {
			out = append(out, v)
		}
	}
	return out
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
