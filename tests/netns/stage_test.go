//go:build netns

package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/demo/host"
	"github.com/dmonitor/dmonitor/demo/inbox"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// The machines of a stage.
const (
	one, two, three = "node-1", "node-2", "node-3"
	web             = "web"  // the watched host
	mail            = "mail" // the mail server
)

var (
	nodes = []string{one, two, three}
	addrs = map[string]string{one: "10.77.0.1", two: "10.77.0.2", three: "10.77.0.3", web: "10.77.0.11", mail: "10.77.0.12"}
)

// settings of a stage; the zero value is the usual one.
type settings struct {
	name     string                // of the host; empty: its address
	interval time.Duration         // how often each node looks; 0: every two seconds
	timeout  time.Duration         // of the check; 0: two seconds
	slow     map[string]*slowCable // nodes with a cable of their own kind
	resolv   map[string]string     // what /etc/resolv.conf says at a node; empty: as on this machine
}

// stage is three nodes, what they look at, whom they tell, and the network between them.
type stage struct {
	*lan
	check string // as users write it
	host  *host.Host
	inbox *inbox.Inbox
	nodes map[string]*node
}

// node is one `dmonitor run`, and a client at its port that listens to everything of interest.
type node struct {
	*space
	dir     string
	env     []string
	outages *rig.TextClient // committed events
	results *rig.TextClient // of all nodes, as far as they reach this one
	missed  []int           // which committed events could not reach it, counted from 0: it was cut off then

	mu  sync.Mutex
	log bytes.Buffer
}

// newStage starts everything and returns when every node looks at the host and the cluster is whole.
func newStage(t *testing.T, set settings) *stage {
	t.Helper()
	t.Parallel()
	if set.name == "" {
		set.name = addrs[web]
	}
	if set.interval == 0 {
		set.interval = 2 * time.Second
	}
	if set.timeout == 0 {
		set.timeout = 2 * time.Second
	}
	s := &stage{lan: newLAN(t, addrs, set.slow), check: set.name + "/tcp", nodes: map[string]*node{}}
	var err error
	s.machines[web].inside(func() { s.host, err = host.New(host.Options{HTTPListen: addrs[web] + ":80"}) })
	if err != nil {
		t.Fatal(err)
	}
	s.machines[mail].inside(func() {
		s.inbox, err = inbox.New(inbox.Options{SMTPListen: addrs[mail] + ":25", HTTPListen: addrs[mail] + ":80", MaxMails: 1000})
	})
	if err != nil {
		t.Fatal(err)
	}
	if set.resolv != nil {
		s.startNames()
	}
	rig.Background(t, s.host.Run)
	rig.Background(t, s.inbox.Run)
	for _, name := range nodes {
		s.nodes[name] = s.newNode(name, set)
	}
	for _, n := range s.nodes {
		n.start()
	}
	for _, n := range s.nodes {
		n.listen()
	}
	s.whole()
	return s
}

func (s *stage) newNode(name string, set settings) *node {
	s.t.Helper()
	n := &node{space: s.machines[name], dir: s.t.TempDir()}
	etc := filepath.Join(n.dir, "etc")
	rig.Write(s.t, filepath.Join(etc, "nodes.txt"), fmt.Sprintf("%s\n%s\n%s\n", addrs[one], addrs[two], addrs[three]))
	if name == one { // the cluster checks the union
		rig.Write(s.t, filepath.Join(etc, "hosts.d", set.name, "tcp"),
			fmt.Sprintf("interval: %s\ntimeout: %s\nargs: [-H, %s, -p, \"80\"]\n", set.interval, set.timeout, set.name))
		rig.Write(s.t, filepath.Join(etc, "alert.d/ops@example.com"), "")
	}
	if text := set.resolv[name]; text != "" {
		rig.Write(s.t, n.resolvConf(), text)
		n.run("", "mount", "--bind", n.resolvConf(), "/etc/resolv.conf")
	}
	n.env = []string{
		"DMONITOR_CONFIG=" + etc, "DMONITOR_DATA=" + filepath.Join(n.dir, "var"), "DMONITOR_NODE=" + name, "DMONITOR_INSECURE=true",
		"DMONITOR_LOG_FORMAT=json", "DMONITOR_SMTP_URL=smtp://" + addrs[mail], "DMONITOR_MAIL_FROM=dmonitor@example.com",
	}
	return n
}

// resolvConf is the file that is /etc/resolv.conf at this node.
func (n *node) resolvConf() string { return filepath.Join(n.dir, "resolv.conf") }

func (n *node) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(p)
}

// said is what the node has logged so far.
func (n *node) said() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

func (n *node) start() {
	n.t.Helper()
	cmd := n.spawn(n, n.env, rig.Binary(n.t), "run", "--until-eof")
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if n.t.Failed() {
			n.t.Logf("log of %s:\n%s", n.name, n.said())
		}
	})
}

// clients is where a node takes clients, seen from itself.
const clients = "127.0.0.1:4222"

// listen connects to the node's port for clients, from its own machine.
func (n *node) listen() {
	n.t.Helper()
	rig.Until(n.t, n.name+" takes clients", func() (ok bool) {
		n.inside(func() {
			if conn, err := net.Dial("tcp", clients); err == nil {
				conn.Close()
				ok = true
			}
		})
		return ok
	})
	n.inside(func() {
		n.outages = rig.Subscribe(n.t, clients, "dmonitor.outages.>")
		n.results = rig.Subscribe(n.t, clients, "dmonitor.results.>")
	})
}

// dmonitor runs a command of dmonitor on the node's machine.
func (n *node) dmonitor(args ...string) (stdout string, code int) {
	n.t.Helper()
	cmd := n.command(append([]string{rig.Binary(n.t)}, args...)...)
	cmd.Env = append(os.Environ(), n.env...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		n.t.Fatalf("dmonitor %v: %v", args, err)
	}
	if exit != nil && len(exit.Stderr) > 0 {
		n.t.Logf("at %s dmonitor %v said: %s", n.name, args, exit.Stderr)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// looks lists the results that have reached this node, and come from that one.
func (n *node) looks(from string) []rig.TextEvent {
	return slices.DeleteFunc(n.results.Events(), func(e rig.TextEvent) bool { return strings.Split(e.Subject, ".")[2] != from })
}

// whole waits until every node hears of two fresh looks of every node, and has no trouble to report.
func (s *stage) whole() {
	s.t.Helper()
	s.looked(2, nodes...)
	for _, name := range nodes {
		n := s.nodes[name]
		out := ""
		rig.Until(s.t, name+" says that all is well", func() bool {
			var code int
			out, code = n.dmonitor("status")
			return code == 0 && strings.Contains(out, one) && strings.Contains(out, two) && strings.Contains(out, three)
		})
	}
}

// looked waits until these nodes have each heard of n more looks of each of them. That is how "nothing happened" is
// shown: what would happen has had its chances.
func (s *stage) looked(n int, among ...string) {
	s.t.Helper()
	type pair struct{ at, from string }
	before := map[pair]int{}
	for _, at := range among {
		for _, from := range among {
			before[pair{at, from}] = len(s.nodes[at].looks(from))
		}
	}
	for p, had := range before {
		rig.Until(s.t, fmt.Sprintf("%s hears of %d more looks of %s", p.at, n, p.from), func() bool {
			return len(s.nodes[p.at].looks(p.from)) >= had+n
		})
	}
}

// lookedAlone waits until each of these nodes has looked n more times, by its own word: others may not hear of it.
func (s *stage) lookedAlone(n int, who ...string) {
	s.t.Helper()
	before := map[string]int{}
	for _, name := range who {
		before[name] = len(s.nodes[name].looks(name))
	}
	for name, had := range before {
		rig.Until(s.t, fmt.Sprintf("%s looks %d more times", name, n), func() bool { return len(s.nodes[name].looks(name)) >= had+n })
	}
}

// up brings the host back.
func (s *stage) up() {
	s.t.Helper()
	var err error
	s.machines[web].inside(func() { err = s.host.Up() })
	if err != nil {
		s.t.Fatal(err)
	}
}
