package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// lateness is how old a result of a remote prober may be when it arrives: its run, on a busy machine. Cuts last longer.
const lateness = 4 * time.Second

// afar is two monitoring hosts, a third voice, and a remote prober that reaches the two hosts through proxies.
type afar struct {
	*rig.Stage
	t       *testing.T
	ring    *key.Ring
	creds   string // the remote prober's file
	remote  *rig.Node
	proxies []*proxy
	bus     *bus.Bus // an observer's

	mu      sync.Mutex
	results map[string]int // by node
	late    []string
	opened  []events.Outage
	closed  int
}

const tokyo = "tokyo-1"

func newAfar(t *testing.T, env ...string) *afar {
	t.Helper()
	dir, text := t.TempDir(), key.New()
	file := filepath.Join(dir, "cluster.key")
	a := &afar{t: t, creds: filepath.Join(dir, "prober.creds"), results: map[string]int{}}
	must(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
	var err error
	if a.ring, err = key.Load(file); err != nil {
		t.Fatal(err)
	}
	a.issue()
	a.Stage = rig.SetStage(t, 3, time.Second, append(env, "DMONITOR_KEY_FILE="+file)...)
	a.Nodes[2].Command = "bus"
	urls := []string{"nats://127.0.0.1:1"} // nobody is there
	for _, n := range a.Nodes[:2] {
		p := newProxy(t, n.Addr+":4222")
		a.proxies = append(a.proxies, p)
		urls = append(urls, "nats://"+p.addr)
	}
	a.remote = rig.NewRemote(t, strings.Join(urls, ","), a.creds)
	a.remote.Start() // before there is anybody to connect to
	for _, n := range a.Nodes {
		n.Start()
	}
	rig.WaitClients(t, a.Nodes)
	a.observe()
	return a
}

// issue makes new credentials for the remote prober, in the place of those it has.
func (a *afar) issue() {
	a.t.Helper()
	text, _, err := a.ring.Mint(events.CredentialProber, tokyo, time.Now(), time.Time{})
	must(a.t, err)
	must(a.t, os.WriteFile(a.creds+".new", text, 0o600))
	must(a.t, os.Rename(a.creds+".new", a.creds))
}

// observe takes notes of what is said on the bus.
func (a *afar) observe() {
	a.t.Helper()
	var urls []string
	for _, n := range a.Nodes {
		urls = append(urls, "nats://"+n.Addr+":4222")
	}
	b, err := bus.Open(a.t.Context(), bus.Options{
		URL: strings.Join(urls, ","), Node: "observer", Log: zerolog.Nop(), Key: func() *key.Ring { return a.ring },
	})
	must(a.t, err)
	a.bus = b
	a.t.Cleanup(func() { must(a.t, b.Close(context.Background())) })
	_, err = bus.Subscribe(b, events.AllResults, func(r events.Result) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.results[r.Node]++
		if age := time.Since(r.Started); r.Node == tokyo && age > lateness {
			a.late = append(a.late, fmt.Sprintf("%s after %v", r.ID, age))
		}
	})
	must(a.t, err)
	_, err = bus.Subscribe(b, events.AllOutages, func(o events.Outage) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if o.Event == events.Opened {
			a.opened = append(a.opened, o)
		} else {
			a.closed++
		}
	})
	must(a.t, err)
}

// awaitLooks waits for two more results of each of these nodes.
func (a *afar) awaitLooks(nodes ...string) {
	a.t.Helper()
	count := func(n string) int { a.mu.Lock(); defer a.mu.Unlock(); return a.results[n] }
	for _, n := range nodes {
		before := count(n)
		rig.Until(a.t, "results of "+n, func() bool { return count(n) >= before+2 })
	}
}

// outage has the host go down and up again, and returns who saw it.
func (a *afar) outage() []string {
	a.t.Helper()
	heard := func() (int, int) { a.mu.Lock(); defer a.mu.Unlock(); return len(a.opened), a.closed }
	before, _ := heard()
	a.Host.Down()
	rig.Until(a.t, "an outage", func() bool { n, _ := heard(); return n > before })
	a.Up(a.t)
	rig.Until(a.t, "its end", func() bool { opened, closed := heard(); return opened == closed })
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.opened[len(a.opened)-1].Witnesses(events.Down)
}

// connected is which of the two hosts the remote prober is connected to.
func (a *afar) connected() int {
	a.t.Helper()
	at := -1
	rig.Until(a.t, "the remote prober is connected", func() bool {
		at = slices.IndexFunc(a.proxies, func(p *proxy) bool { return p.open() > 0 })
		return at >= 0
	})
	return at
}

func (a *afar) checkLate() {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.late) > 0 {
		a.t.Errorf("results came late: %v", a.late)
	}
}

// A remote prober is a site like any other: where three have to agree it is the third; when the member it is connected to
// dies it goes on with another one, and is one of two. What it saw while it was cut off is not sent later. When it is gone the
// operators are told, and it can be forgotten.
func TestRemoteProber(t *testing.T) {
	t.Parallel()
	a := newAfar(t, grace, "DMONITOR_AGREE=3")
	a.awaitLooks("node-1", "node-2", tokyo)
	if out, _ := a.Nodes[0].Run("nodes"); !strings.Contains(out, "looks, as a remote prober") || strings.Contains(out, "AWAY") {
		t.Errorf("nodes:\n%s", out)
	}
	if got := a.outage(); !slices.Equal(got, []string{"node-1", "node-2", tokyo}) {
		t.Errorf("witnesses %v, want all three", got)
	}

	file := filepath.Join(a.Nodes[0].Etc(), "hosts.d/127.0.0.1/tcp")
	text, err := os.ReadFile(file)
	must(t, err)
	rig.Write(t, file, string(text)+"agree: 2\n")
	rig.Until(t, "two are enough", func() bool {
		c, err := a.bus.Catalog(t.Context())
		return err == nil && c.Checks[events.Check{Host: "127.0.0.1", Test: "tcp"}].Agree == 2
	})
	at := a.connected()
	other := a.Nodes[1-at]
	a.Nodes[at].Kill()
	a.awaitLooks(fmt.Sprintf("node-%d", 2-at), tokyo)
	if got := a.outage(); !slices.Equal(got, []string{fmt.Sprintf("node-%d", 2-at), tokyo}) {
		t.Errorf("witnesses %v, want those who are left", got)
	}
	a.Nodes[at].Start()
	a.awaitLooks("node-1", "node-2", tokyo)

	for _, p := range a.proxies {
		p.cut()
	}
	rig.Until(t, "the cut-off prober is missed by its silence", func() bool {
		out, _ := other.Run("status")
		return strings.Contains(out, "2 nodes looking")
	})
	for _, p := range a.proxies {
		p.heal()
	}
	a.awaitLooks(tokyo)

	a.remote.Kill()
	gone := func() bool { out, _ := other.Run("status"); return strings.Contains(out, "TROUBLE  node "+tokyo) }
	rig.Until(t, "the operators' trouble that it is gone", gone)
	rig.Until(t, "a mail of that", func() bool {
		for _, m := range a.Inbox.Mails() {
			if strings.HasPrefix(m.Subject, "NODE "+tokyo+" is gone") {
				return true
			}
		}
		return false
	})
	if out, code := other.Run("nodes", "forget", tokyo); code != 0 || !strings.Contains(out, "is not missed any more") {
		t.Errorf("forget: %d\n%s", code, out)
	}
	rig.Until(t, "it is forgotten", func() bool { return !gone() })
	a.checkLate()
}

// A remote prober whose credentials are revoked says so and stays; with new ones in the place of the old it is back, without a
// restart; and it is back when all members were away.
func TestRemoteProberComesBack(t *testing.T) {
	t.Parallel()
	a := newAfar(t)
	a.awaitLooks(tokyo)
	must(t, os.MkdirAll(filepath.Join(a.Nodes[0].Etc(), "revoked.d"), 0o755))
	rig.Write(t, filepath.Join(a.Nodes[0].Etc(), "revoked.d", "prober."+tokyo), "")
	revoked := time.Now()
	rig.Until(t, "the prober says that it is refused", func() bool {
		return strings.Contains(a.remote.Log(), "the credentials are revoked") && strings.Contains(a.remote.Log(), a.creds)
	})
	if code, ended := a.remote.Ended(); ended {
		t.Fatalf("it ended with exit code %d", code)
	}
	rig.Until(t, "the next second: credentials are issued in whole ones", func() bool { return time.Since(revoked) > 2*time.Second })
	a.issue()
	a.awaitLooks(tokyo)

	for _, n := range a.Nodes {
		n.Kill()
	}
	for _, n := range a.Nodes {
		n.Start()
	}
	a.awaitLooks("node-1", "node-2", tokyo)
	a.checkLate()
	a.remote.Stop()
	if n := strings.Count(a.remote.Log(), "don't trust each other"); n > 3 {
		t.Errorf("it said %d times that it is refused", n)
	}
}

// proxy passes connections on to a member, as long as it isn't cut.
type proxy struct {
	addr string

	mu    sync.Mutex
	isCut bool
	conns map[net.Conn]bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{addr: l.Addr().String(), conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); p.cut(); p.heal() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns[in] = true
			p.mu.Unlock()
			go p.pass(in, out)
			go p.pass(out, in)
		}
	}()
	return p
}

// pass copies until either end is closed. While the proxy is cut nothing gets through, and nobody is told.
func (p *proxy) pass(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		isCut := p.isCut
		p.mu.Unlock()
		if err == nil && !isCut {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			to.Close()
			from.Close()
			p.mu.Lock()
			delete(p.conns, to)
			delete(p.conns, from)
			p.mu.Unlock()
			return
		}
	}
}

// open is how many connections there are.
func (p *proxy) open() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.conns) }

func (p *proxy) cut()  { p.mu.Lock(); defer p.mu.Unlock(); p.isCut = true }
func (p *proxy) heal() { p.mu.Lock(); defer p.mu.Unlock(); p.isCut = false }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
