//go:build upgrade

package upgrade

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/demo/host"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/mailer/letter"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// recipients are told of everything; only the second is told about dmonitor itself.
var recipients = []string{"day@example.com", "night@example.com"}

// stage is some nodes, hosts by name, and a mail server that knows who sends.
type stage struct {
	t     *testing.T
	nodes []*rig.Node
	isNew []bool
	hosts map[string]*host.Host
	post  *rig.Post
}

// newStage starts nodes of today's version. All of them have to agree on hosts whose names begin with "all", two on others.
func newStage(t *testing.T, nodes int, env string, hosts ...string) *stage {
	t.Helper()
	s := &stage{t: t, isNew: make([]bool, nodes), hosts: map[string]*host.Host{}, post: rig.NewPost(t, nodes)}
	// Not every version knows of cluster keys.
	files := map[string]string{rig.KeyFile: "", "alert.d/" + recipients[0]: "operator: false\n", "alert.d/" + recipients[1]: ""}
	for _, name := range hosts {
		h, err := host.New(host.Options{HTTPListen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		rig.Background(t, h.Run)
		s.hosts[name] = h
		_, port, err := net.SplitHostPort(h.HTTPAddr())
		if err != nil {
			t.Fatal(err)
		}
		agree := 2
		if strings.HasPrefix(name, "all") {
			agree = nodes
		}
		files["hosts.d/"+name+"/tcp"] = fmt.Sprintf("interval: 2s\ntimeout: 2s\nagree: %d\nargs: [-H, 127.0.0.1, -p, %q]\n", agree, port)
	}
	s.nodes = rig.NewNodes(t, nodes, files, env, "DMONITOR_MAIL_FROM=dmonitor@example.com")
	for i, n := range s.nodes {
		n.Set("DMONITOR_SMTP_URL", s.post.URL(i))
		n.Start()
	}
	s.ready(0)
	return s
}

// replace stops a node politely and starts it with another program on the same data; empty: today's.
func (s *stage) replace(i int, binary string) {
	s.t.Helper()
	s.nodes[i].Stop()
	s.nodes[i].Use(binary)
	s.isNew[i] = binary != ""
	s.nodes[i].Start()
	s.ready(i)
}

// ready waits until node i hears that all nodes are there, in the version they should be, and look at everything; and
// that each says what its version says.
func (s *stage) ready(i int) {
	s.t.Helper()
	rig.WaitClients(s.t, s.nodes[i:i+1])
	presence := rig.Subscribe(s.t, s.nodes[i].Addr+":4222", events.AllPresence)
	results := rig.Subscribe(s.t, s.nodes[i].Addr+":4222", events.AllResults)
	missing := map[string]bool{}
	rig.Until(s.t, fmt.Sprintf("node %d hears all nodes look", i+1), func() bool {
		clear(missing)
		for n := range s.nodes {
			missing[fmt.Sprintf("dmonitor.presence.node-%d", n+1)] = true
			for name := range s.hosts {
				missing[fmt.Sprintf("dmonitor.results.node-%d.tcp.%s", n+1, name)] = true
			}
		}
		for _, e := range append(presence.Events(), results.Events()...) {
			for n := range s.nodes {
				name := strings.Split(e.Subject, ".")[2]
				if name == fmt.Sprintf("node-%d", n+1) && strings.Contains(string(e.Data), `"later":{"word":"later"`) == s.isNew[n] {
					delete(missing, e.Subject)
				}
			}
		}
		return len(missing) == 0
	})
}

// down has a host go down, and waits until everybody has been told of its outages.
func (s *stage) down(name string, times int) {
	s.t.Helper()
	s.hosts[name].Down()
	s.told(name, events.Opened, times)
}

// up has it come back.
func (s *stage) up(name string, times int) {
	s.t.Helper()
	if err := s.hosts[name].Up(); err != nil {
		s.t.Fatal(err)
	}
	s.told(name, events.Closed, times)
}

func (s *stage) told(name string, event events.Event, times int) {
	s.t.Helper()
	rig.Until(s.t, fmt.Sprintf("everybody is told for the %dth time that %s was %s", times, name, event), func() bool {
		for _, to := range recipients {
			if s.mails(name, event, to) < times {
				return false
			}
		}
		return true
	})
}

// mails counts the mails about one event of a host's outages that somebody got.
func (s *stage) mails(name string, event events.Event, to string) (n int) {
	for _, l := range s.post.Letters() {
		if slices.Contains(l.To, to) && l.Header.Get("X-Dmonitor-Check") == name+"/tcp" && l.Header.Get("X-Dmonitor-Event") == string(event) {
			n++
		}
	}
	return n
}

// connect speaks to a node as another program would.
func (s *stage) connect(i int) (*nats.Conn, jetstream.JetStream) {
	s.t.Helper()
	nc, err := nats.Connect("nats://"+s.nodes[i].Addr+":4222", nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.IgnoreDiscoveredServers())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		s.t.Fatal(err)
	}
	return nc, js
}

// finished waits until the queues are empty: then nothing is told any more.
func (s *stage) finished(i int) {
	s.t.Helper()
	_, js := s.connect(i)
	rig.Until(s.t, "nothing waits to be told", func() bool {
		for stream, consumer := range map[string]string{events.StreamOutages: events.ConsumerFanOut, events.StreamNotices: events.ConsumerSend} {
			c, err := js.Consumer(s.t.Context(), stream, consumer)
			if err != nil {
				return false
			}
			if info, err := c.Info(s.t.Context()); err != nil || info.NumPending > 0 || info.NumAckPending > 0 {
				return false
			}
		}
		return true
	})
}

// history is what the log says, by what a node prints.
func (s *stage) history(i int) (all []events.Outage) {
	s.t.Helper()
	out, code := s.nodes[i].Run("outages", "--json", "--since", "100h")
	if code != 0 {
		s.t.Fatalf("outages: exit code %d", code)
	}
	for line := range strings.Lines(out) {
		var o events.Outage
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			s.t.Fatalf("outages --json printed %q: %v", line, err)
		}
		all = append(all, o)
	}
	return all
}

// notice is what somebody is to be told.
type notice struct {
	check string
	event events.Event
	to    string
}

// once holds the mails against the log: everybody was told once of each event, and of nothing else. It returns how often
// the operator was told of dmonitor itself, by event; that too only once each.
//
// A mail that was sent without a majority stands for the log's event of the same check, whatever its outage is called:
// the majority may have decided in a round of its own, and then nobody is told twice.
func (s *stage) once(history []events.Outage) (troubles map[string]int) {
	s.t.Helper()
	troubles = map[string]int{}
	want := map[string]notice{}
	for _, o := range history {
		for _, to := range recipients {
			want["<"+events.NoticeID(o.Outage, o.Event, to)+"@"+letter.Domain+">"] = notice{o.Check.String(), o.Event, to}
		}
	}
	for _, l := range s.post.Letters() {
		if what := l.Header.Get("X-Dmonitor-Trouble"); what != "" {
			if troubles[l.MessageID]++; troubles[l.MessageID] > 1 {
				s.t.Errorf("told of dmonitor itself more than once: %s", l.Subject)
			}
			troubles[l.Header.Get("X-Dmonitor-Event")]++
			continue
		}
		id := l.MessageID
		if _, ok := want[id]; !ok && strings.Contains(l.Text, "without a majority") {
			for other, n := range want {
				if n.check == l.Header.Get("X-Dmonitor-Check") && string(n.event) == l.Header.Get("X-Dmonitor-Event") && slices.Contains(l.To, n.to) {
					id = other
				}
			}
		}
		if _, ok := want[id]; !ok {
			s.t.Errorf("told once too often, or of nothing in the log: %s to %v by node %d", l.Subject, l.To, l.By+1)
		}
		delete(want, id)
	}
	if len(want) > 0 {
		s.t.Errorf("%d notices were not told: %v", len(want), slices.Collect(maps.Values(want)))
	}
	return troubles
}

// mentions counts how often somebody is told something about a host's check, whether in a mail of its own or among others.
func (s *stage) mentions(name, to string) (n int) {
	for _, l := range s.post.Letters() {
		for _, check := range l.Header["X-Dmonitor-Check"] {
			if slices.Contains(l.To, to) && check == name+"/tcp" {
				n++
			}
		}
	}
	return n
}

// logLine is a line of a node's log.
type logLine struct{ Level, Error, Message string }

// logs returns what all nodes have logged above the level info.
func (s *stage) logs() (all []logLine) {
	s.t.Helper()
	for _, n := range s.nodes {
		for line := range strings.Lines(n.Log()) {
			l := logLine{Level: "error", Message: line} // If it is no JSON, something crashed.
			_ = json.Unmarshal([]byte(line), &l)
			if l.Level != "info" && l.Level != "debug" {
				all = append(all, l)
			}
		}
	}
	return all
}
