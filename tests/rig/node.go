package rig

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience bounds every wait. It is long since machines are shared; nothing is slower for it unless it fails.
const Patience = 90 * time.Second

// Build builds dmonitor once per process and returns the binary's path. The folder goes with the first test that asks.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dmonitor-rig-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "dmonitor")
	cmd := exec.Command("go", "build", "-o", binary, "github.com/dmonitor/dmonitor/cmd/dmonitor")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build dmonitor: %w\n%s", err, out)
	}
	return binary, nil
})

// Main runs the tests of a package that uses Binary, and removes what it built.
func Main(m *testing.M) {
	code := m.Run()
	if binary, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(code)
}

// Binary returns the path of dmonitor, built from this tree.
func Binary(t testing.TB) string {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// Node is one `dmonitor run` with an address and folders of its own.
type Node struct {
	Command string // another command of dmonitor than run
	t       testing.TB
	Addr    string // loopback address; ports are the usual ones
	dir     string
	env     []string
	binary  string // empty: dmonitor as it is in this tree
	cmd     *exec.Cmd
	done    chan struct{}
	mu      sync.Mutex
	log     bytes.Buffer
	exitErr error
}

// NewNodes makes n nodes that list each other. The first has the given configuration files; the others have none of
// their own, since the cluster checks the union. The cluster key is on all of them, see KeyFile.
func NewNodes(t testing.TB, n int, files map[string]string, env ...string) []*Node {
	t.Helper()
	var nodes []*Node
	var members []string
	base := freeLoopback(t, n)
	keyText, said := files[KeyFile]
	if !said {
		keyText = Key()
	}
	for i := range n {
		members = append(members, fmt.Sprintf("%s.%d:2929", base, i+1))
	}
	for i := range n {
		nd := &Node{t: t, Addr: fmt.Sprintf("%s.%d", base, i+1), dir: t.TempDir()}
		Write(t, filepath.Join(nd.Etc(), "nodes.txt"), strings.Join(members, "\n")+"\n")
		if i == 0 {
			for name, text := range files {
				if name == KeyFile {
					continue
				}
				Write(t, filepath.Join(nd.Etc(), name), text)
			}
		}
		nd.WriteKey(keyText)
		nd.env = append([]string{
			"DMONITOR_CONFIG=" + nd.Etc(), "DMONITOR_DATA=" + nd.Data(), "DMONITOR_NODE=" + fmt.Sprintf("node-%d", i+1),
			"DMONITOR_LISTEN=" + nd.Addr + ":2929", "DMONITOR_CLIENT_LISTEN=" + nd.Addr + ":4222",
			"DMONITOR_HTTP_LISTEN=" + nd.Addr + ":8080", "DMONITOR_LOG_FORMAT=json",
		}, env...)
		nodes = append(nodes, nd)
		t.Cleanup(nd.cleanUp)
	}
	return nodes
}

// NewRemote makes a remote prober that connects to members at these addresses with a credentials file. It has no address.
func NewRemote(t testing.TB, urls, creds string, env ...string) *Node {
	t.Helper()
	n := &Node{t: t, Command: "prober", Addr: "a remote prober", dir: t.TempDir()}
	n.env = append([]string{
		"DMONITOR_CONFIG=" + n.Etc(), "DMONITOR_DATA=" + n.Data(), "DMONITOR_BUS_URL=" + urls, "DMONITOR_BUS_CREDS=" + creds,
		"DMONITOR_HTTP_LISTEN=off", "DMONITOR_LOG_FORMAT=json",
	}, env...)
	t.Cleanup(n.cleanUp)
	return n
}

// given are the prefixes that this process has given out: nodes of another stage may not listen yet.
var given sync.Map

// freeLoopback finds a prefix of 127/8 whose first addresses have the ports 2929, 4222 and 8080 free.
func freeLoopback(t testing.TB, n int) string {
	t.Helper()
	for try := range 200 {
		base := fmt.Sprintf("127.%d.%d", 50+try, os.Getpid()%250)
		if _, taken := given.LoadOrStore(base, true); taken {
			continue
		}
		free := true
		for i := range n {
			for _, port := range []string{"2929", "4222", "8080"} {
				l, err := net.Listen("tcp", fmt.Sprintf("%s.%d:%s", base, i+1, port))
				if err != nil {
					free = false
					continue
				}
				l.Close()
			}
		}
		if free {
			return base
		}
	}
	t.Fatal("no free loopback addresses in 127/8")
	return ""
}

// Set sets a variable of the node's environment, for its next start.
func (n *Node) Set(name, value string) { n.env = append(n.env, name+"="+value) }

// Use has the node run another program as dmonitor, from its next start on; empty: the one from this tree.
func (n *Node) Use(binary string) { n.binary = binary }

func (n *Node) program() string {
	if n.binary != "" {
		return n.binary
	}
	return Binary(n.t)
}

// Write writes a file and the folders above it.
func Write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Etc is the node's configuration folder.
func (n *Node) Etc() string { return filepath.Join(n.dir, "etc") }

// Start runs the node.
func (n *Node) Start() {
	n.t.Helper()
	// Its standard input ends when this process does, however that ends: no node is left behind.
	n.cmd = exec.Command(n.program(), cmp.Or(n.Command, "run"), "--until-eof")
	if _, err := n.cmd.StdinPipe(); err != nil {
		n.t.Fatal(err)
	}
	n.cmd.Env = append(os.Environ(), n.env...)
	n.cmd.Stderr = lockedWriter{n}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.done = make(chan struct{})
	go func() {
		n.exitErr = n.cmd.Wait()
		close(n.done)
	}()
}

type lockedWriter struct{ n *Node }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	return w.n.log.Write(p)
}

// Log is what the node has logged so far.
func (n *Node) Log() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

// Signal sends a signal to the node.
func (n *Node) Signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		n.t.Fatal(err)
	}
}

// Kill ends the node without a word.
func (n *Node) Kill() {
	n.t.Helper()
	n.Signal(syscall.SIGKILL)
	<-n.done
}

// Freeze stops the node's clock: it does nothing, and its connections stay open.
func (n *Node) Freeze() {
	n.t.Helper()
	n.Signal(syscall.SIGSTOP)
}

// Thaw lets a frozen node go on, as if nothing had happened.
func (n *Node) Thaw() {
	n.t.Helper()
	n.Signal(syscall.SIGCONT)
}

// Stop ends the node politely; it has to end well and in time.
func (n *Node) Stop() {
	n.t.Helper()
	n.Signal(syscall.SIGTERM)
	select {
	case <-n.done:
		if n.exitErr != nil {
			n.t.Errorf("%s ended with %v, its log:\n%s", n.Addr, n.exitErr, n.Log())
		}
	case <-time.After(Patience):
		n.t.Errorf("%s did not stop, its log:\n%s", n.Addr, n.Log())
		n.Kill()
	}
}

// Ended tells whether the node has ended by itself, and with which exit code.
func (n *Node) Ended() (code int, ended bool) {
	select {
	case <-n.done:
		return n.cmd.ProcessState.ExitCode(), true
	default:
		return 0, false
	}
}

// Data is the node's data folder.
func (n *Node) Data() string { return filepath.Join(n.dir, "var") }

func (n *Node) cleanUp() {
	if n.cmd == nil {
		return
	}
	select {
	case <-n.done:
	default:
		n.Kill()
	}
	if n.t.Failed() {
		n.t.Logf("log of %s:\n%s", n.Addr, n.Log())
	}
}

// Run runs a command of dmonitor against this node.
func (n *Node) Run(args ...string) (stdout string, code int) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.program(), args...)
	cmd.Env = append(os.Environ(), n.env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		n.t.Fatalf("dmonitor %v: %v", args, err)
	}
	if errs.Len() > 0 {
		n.t.Logf("dmonitor %v said: %s", args, errs.String())
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// Until polls until cond holds.
func Until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not seen within %v: %s", Patience, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
