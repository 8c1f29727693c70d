package cluster

import (
	"encoding/json"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/demo/host"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// interval is how often each node looks.
const interval = 2 * time.Second

// patience bounds every wait. A notice may wait half a minute for others of its recipient, 20 s more for a mailer that
// fell silent, and half a minute again at the next one.
const patience = 150 * time.Second

// recipients are told of everything; the second isn't told about dmonitor itself.
var recipients = []string{"night@example.com", "ops@example.com"}

// stage is what the rounds play on: some hosts, three nodes, and a mail server that knows who sends.
type stage struct {
	t     testing.TB
	nodes []*actor
	hosts []*host.Host
	post  *rig.Post
	lead  atomic.Pointer[map[string]string] // stream: its leader's name, as of a moment ago

	outages map[string]int // how many each check has had
	known   map[string]bool
	spans   []span // of kills and freezes
}

// actor is a node and how it is just now.
type actor struct {
	*rig.Node
	i       int
	life    life
	since   time.Time
	back    time.Time     // when it is to return; zero: not by itself
	ended   chan struct{} // closed when a polite stop has ended
	away    int           // further rounds for which it stays away
	clients []*ears       // one for each time it ran; the last may be nil while its port is closed
}

type life string

const (
	well    life = "well"
	frozen  life = "frozen"
	gone    life = "gone"
	leaving life = "leaving"
)

// ears are plain subscribers of one node.
type ears struct{ outages, confirms, results *rig.TextClient }

func checkName(h int) string { return fmt.Sprintf("host-%d.example/tcp", h+1) }

func newStage(t testing.TB, nodes, hosts int, env ...string) *stage {
	t.Helper()
	s := &stage{t: t, post: rig.NewPost(t, nodes), outages: map[string]int{}, known: map[string]bool{}}
	files := map[string]string{
		"alert.d/" + recipients[0]: "operator: false\n",
		"alert.d/" + recipients[1]: "",
	}
	for i := range hosts {
		h, err := host.New(host.Options{HTTPListen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		rig.Background(t, h.Run)
		s.hosts = append(s.hosts, h)
		_, port, err := net.SplitHostPort(h.HTTPAddr())
		if err != nil {
			t.Fatal(err)
		}
		files["hosts.d/"+checkName(i)] = fmt.Sprintf("interval: %s\ntimeout: 1s\nargs: [-H, 127.0.0.1, -p, %q]\n", interval, port)
	}
	for i, n := range rig.NewNodes(t, nodes, files, append(env, "DMONITOR_MAIL_FROM=dmonitor@example.com")...) {
		n.Set("DMONITOR_SMTP_URL", s.post.URL(i))
		s.nodes = append(s.nodes, &actor{Node: n, i: i, life: gone})
	}
	for _, a := range s.nodes {
		s.start(a)
	}
	s.until("three nodes look", s.allLook())
	s.followLeaders()
	return s
}

// followLeaders asks every now and then who leads the logs. It may be a moment behind: it is for choosing whom to hit,
// and for the table.
func (s *stage) followLeaders() {
	var urls []string
	for _, a := range s.nodes {
		urls = append(urls, "nats://"+a.Addr+":4222")
	}
	nc, err := nats.Connect(strings.Join(urls, ","), append(rig.Login(s.t), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.IgnoreDiscoveredServers(), nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2))...)
	if err != nil {
		s.t.Fatal(err)
	}
	ask := func() {
		lead := map[string]string{}
		for _, stream := range []string{events.StreamOutages, events.StreamNotices} {
			var info struct{ Cluster struct{ Leader string } }
			if m, err := nc.Request("$JS.API.STREAM.INFO."+stream, nil, time.Second); err == nil && json.Unmarshal(m.Data, &info) == nil {
				lead[stream] = info.Cluster.Leader
			}
		}
		s.lead.Store(&lead)
	}
	ask()
	done, ended := make(chan struct{}), make(chan struct{})
	s.t.Cleanup(func() { close(done); nc.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(300 * time.Millisecond):
				ask()
			}
		}
	}()
}

// leads lists what a node leads.
func (s *stage) leads(a *actor) (streams []string) {
	for _, stream := range []string{events.StreamOutages, events.StreamNotices} {
		if (*s.lead.Load())[stream] == fmt.Sprintf("node-%d", a.i+1) {
			streams = append(streams, stream)
		}
	}
	return streams
}

func (s *stage) start(a *actor) {
	a.Start()
	a.life, a.since, a.back, a.away = well, time.Now(), time.Time{}, 0
	a.clients = append(a.clients, nil)
}

// tend starts and thaws who is due, and subscribes to who has opened its port.
func (s *stage) tend() {
	for _, a := range s.nodes {
		if a.life == leaving {
			select {
			case <-a.ended:
				a.life = gone
			default:
			}
		}
		if due := !a.back.IsZero() && time.Now().After(a.back); due && a.life == gone {
			s.endSpan(a)
			s.start(a)
		} else if due && a.life == frozen {
			s.endSpan(a)
			a.Thaw()
			a.life, a.back = well, time.Time{}
		}
		if n := len(a.clients); a.life == well && a.clients[n-1] == nil {
			a.clients[n-1] = s.listen(a)
		}
	}
}

func (s *stage) endSpan(a *actor) {
	for i := range s.spans {
		if s.spans[i].node == a.i && s.spans[i].to.IsZero() {
			s.spans[i].to = time.Now()
		}
	}
}

// listen subscribes, if the node takes clients already.
func (s *stage) listen(a *actor) *ears {
	conn, err := net.DialTimeout("tcp", a.Addr+":4222", time.Second)
	if err != nil {
		return nil
	}
	conn.Close()
	sub := func(subject string) *rig.TextClient { return rig.Subscribe(s.t, a.Addr+":4222", subject) }
	return &ears{outages: sub(events.AllOutages), confirms: sub("dmonitor.confirm.>"), results: sub(events.AllResults)}
}

// ears of all nodes that run.
func (s *stage) ears() (all []*ears) {
	for _, a := range s.nodes {
		if e := a.clients[len(a.clients)-1]; a.life == well && e != nil {
			all = append(all, e)
		}
	}
	return all
}

// until polls, and lets happen what is due meanwhile. The budget counts from the last node's return, since nothing can
// be expected of too few.
func (s *stage) until(what string, cond func() bool) {
	s.t.Helper()
	began := time.Now()
	for !cond() {
		s.tend()
		if time.Since(began) > patience {
			s.t.Fatalf("not seen within %v: %s", patience, what)
		}
		for _, a := range s.nodes {
			if !a.back.IsZero() && a.back.After(began) {
				began = time.Now()
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// allLook is met when every node that runs has looked at every check since.
func (s *stage) allLook() func() bool {
	start := time.Now()
	return func() bool {
		var running []string
		var one *ears
		for _, a := range s.nodes {
			if a.life == well {
				running = append(running, fmt.Sprintf("node-%d", a.i+1))
				if e := a.clients[len(a.clients)-1]; e != nil {
					one = e
				}
			}
		}
		if one == nil {
			return false
		}
		seen := map[string]bool{}
		for _, e := range one.results.Since(max(0, one.results.Count()-200)) {
			r, err := events.Decode[events.Result](e.Subject, e.Data)
			if err == nil && r.Started.After(start) {
				seen[path.Join(r.Node, r.Check.String())] = true
			}
		}
		for _, node := range running {
			for h := range s.hosts {
				if !seen[path.Join(node, checkName(h))] {
					return false
				}
			}
		}
		return true
	}
}

// hit does to a node what a blow says.
func (s *stage) hit(a *actor, b blow) {
	now := time.Now()
	a.back, a.away, a.since = now.Add(b.away), b.rounds, now
	if b.rounds > 0 {
		a.back = time.Time{}
	}
	switch b.kind {
	case kill:
		a.Kill()
		a.life = gone
	case freeze:
		a.Freeze()
		a.life = frozen
	case stop:
		a.life, a.ended = leaving, make(chan struct{})
		go func() { defer close(a.ended); a.Stop() }()
		return
	}
	s.spans = append(s.spans, span{node: a.i, from: now})
}

// wells lists the nodes that can be hit.
func (s *stage) wells() []*actor {
	return slices.DeleteFunc(slices.Clone(s.nodes), func(a *actor) bool { return a.life != well })
}

// readLog reads the log of outages from any node that answers.
func (s *stage) readLog() (all []logged, ok bool) {
	for _, a := range s.wells() {
		out, code := a.Run("outages", "--json", "--since", "100h")
		if code != 0 {
			continue
		}
		for line := range strings.Lines(out) {
			var l logged
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				s.t.Fatalf("outages --json printed %q: %v", line, err)
			}
			all = append(all, l)
		}
		return all, true
	}
	return nil, false
}
