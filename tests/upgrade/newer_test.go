//go:build upgrade

package upgrade

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/tests/rig"
)

// What today's nodes can't read, events of another kind and messages of version 2, does no harm to them: they say so, go on
// with all that they can read, also for the same check, and leave it to a node that can. When there is one, it is told once,
// and by that node.
func TestWhatOnlyNewerNodesRead(t *testing.T) {
	t.Parallel()
	binary := newer(t)
	s := newStage(t, 3, "DMONITOR_GRACE=1h", "fresh.example", "seen.example")
	s.down("seen.example", 1)
	s.up("seen.example", 1)

	w := &writer{stage: s}
	w.nc, w.js = s.connect(0)
	w.event(noted, 1, "fresh.example") // the first event of its check
	w.event(noted, 1, "seen.example")
	w.event(events.Opened, 2, "two.example")
	w.notice(noted, 1, "odd.example")
	w.notice(events.Opened, 2, "slip.example")
	w.now(&events.Presence{Node: "node-9", Site: "site-9", Instance: "1"})
	w.now(&events.Result{ID: "r", Node: "node-1", Site: "node-1", Check: check("fresh.example"), Status: events.Fail, Started: time.Now()})
	s.everyLog(`message on dmonitor\.presence\.node-9 refused`, `message on dmonitor\.results\.node-1\.tcp\.fresh\.example refused`,
		`message on dmonitor\.outages\.opened\.tcp\.two\.example refused`)
	s.someLog(`message on dmonitor\.propose\.noted\.tcp\.fresh\.example is left`, `message on dmonitor\.propose\.noted\.tcp\.seen\.example is left`,
		`message on dmonitor\.propose\.opened\.tcp\.two\.example is left`, `message on dmonitor\.notices\.\w+ is left`)

	s.down("fresh.example", 1)
	s.down("seen.example", 2)
	s.up("fresh.example", 1)
	s.up("seen.example", 2)
	left := map[string]int{"two.example": 1, "odd.example": 1, "slip.example": 1}
	for name := range left {
		if n := s.mentions(name, recipients[0]); n != 0 {
			t.Errorf("%s is told by a node that can't read it", name)
		}
	}

	s.replace(2, binary)
	left["fresh.example"], left["seen.example"] = 3, 5
	rig.Until(t, "what was left is told", func() bool {
		for name, n := range left {
			if s.mentions(name, recipients[0]) < n {
				return false
			}
		}
		return s.mentions("two.example", recipients[1])+s.mentions("fresh.example", recipients[1])+s.mentions("seen.example", recipients[1]) >= 1+3+5
	})

	w.nc, w.js = s.connect(1)
	w.contribution()
	s.someLog(`stored message on \$KV\.CONFIG\.node-9 can't be read; passed over`)
	s.down("seen.example", 3)
	s.up("seen.example", 3)
	s.finished(1)
	left["seen.example"] += 2
	for name, n := range left {
		for i, to := range recipients {
			if want := n - w.onlyFirst[name]*i; s.mentions(name, to) != want {
				t.Errorf("%s is told %d of %s, want %d", to, s.mentions(name, to), name, want)
			}
		}
	}
	for _, l := range s.post.Letters() {
		checks := strings.Join(l.Header["X-Dmonitor-Check"], " ")
		// Not "two": whoever can read that event writes notices that all can.
		if l.By != 2 && (l.Header.Get("X-Dmonitor-Event") == noted || regexp.MustCompile(`odd|slip`).MatchString(checks)) {
			t.Errorf("node %d told what it can't read: %s: %s", l.By+1, l.Subject, checks)
		}
	}
	for _, n := range s.nodes {
		n.Stop()
	}
	for _, l := range s.logs() {
		if l.Level != "warn" || strings.Contains(l.Message, "dropped") {
			t.Errorf("%s: %s (%s)", l.Level, l.Message, l.Error)
		}
	}
}

func check(name string) events.Check { return events.Check{Host: name, Test: "tcp"} }

// writer writes what a newer node would.
type writer struct {
	*stage
	nc        *nats.Conn
	js        jetstream.JetStream
	onlyFirst map[string]int // notices by host that went to the first recipient only
}

// encode writes a message as a version would, and says opened events to be of a kind.
func (w *writer) encode(m events.Message, kind events.Event, version int) []byte {
	w.t.Helper()
	data, err := events.Encode(m)
	if err != nil {
		w.t.Fatal(err)
	}
	return []byte(strings.NewReplacer(`"v":1`, fmt.Sprintf(`"v":%d`, version), `"event":"opened"`, fmt.Sprintf(`"event":%q`, kind), `-opened"`, "-"+string(kind)+`"`).Replace(string(data)))
}

// opening is an event of which all but the kind and the version is right.
func opening(name string) events.Outage {
	now := time.Now().UTC()
	id := events.OutageID(check(name), "written by the test")
	o := events.Outage{
		ID: events.EventID(id, events.Opened), Outage: id, Event: events.Opened, Check: check(name), Time: now, Opened: now,
		Agree: 2, Able: 2, Round: "round", Reason: "the test says so", By: "node-9",
	}
	for _, node := range []string{"node-8", "node-9"} {
		o.Votes = append(o.Votes, events.NodeVote{Node: node, Site: node, Vote: events.Down, Status: events.Fail, Output: "FAIL", Time: now})
	}
	return o
}

// event commits an event of a check, after its last one.
func (w *writer) event(kind events.Event, version int, name string) {
	w.t.Helper()
	log, err := w.js.Stream(w.t.Context(), events.StreamOutages)
	if err != nil {
		w.t.Fatal(err)
	}
	filter, last := events.ProposeFilter(check(name)), uint64(0)
	switch m, err := log.GetLastMsgForSubject(w.t.Context(), filter); {
	case err == nil:
		last = m.Sequence
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		w.t.Fatal(err)
	}
	o := opening(name)
	msg := &nats.Msg{Subject: events.ProposeSubject(kind, o.Check), Data: w.encode(&o, kind, version)}
	if _, err := w.js.PublishMsg(w.t.Context(), msg, jetstream.WithExpectLastSequenceForSubject(last, filter)); err != nil {
		w.t.Fatal(err)
	}
}

// notice queues a notice to the first recipient.
func (w *writer) notice(kind events.Event, version int, name string) {
	w.t.Helper()
	o := opening(name)
	n := events.Notice{ID: events.NoticeID(o.Outage, o.Event, recipients[0]), Recipient: recipients[0], Created: time.Now(), Outage: o}
	id := events.NoticeID(o.Outage, kind, recipients[0])
	data := strings.Replace(string(w.encode(&n, kind, version)), n.ID, id, 1)
	if _, err := w.js.Publish(w.t.Context(), events.NoticeSubject(id), []byte(data)); err != nil {
		w.t.Fatal(err)
	}
	if w.onlyFirst == nil {
		w.onlyFirst = map[string]int{}
	}
	w.onlyFirst[name]++
}

// now publishes a message of version 2 to whoever listens.
func (w *writer) now(m events.Message) {
	w.t.Helper()
	data := w.encode(m, events.Opened, 2)
	if err := errors.Join(w.nc.Publish(m.Subject(), data), w.nc.Flush()); err != nil {
		w.t.Fatal(err)
	}
}

// contribution stores what a newer node's directory says, in version 2.
func (w *writer) contribution() {
	w.t.Helper()
	c := events.Contribution{Node: "node-9", Time: time.Now()}
	if _, err := w.js.Publish(w.t.Context(), "$KV."+events.BucketConfig+"."+events.ConfigKey(c.Node), w.encode(&c, events.Opened, 2)); err != nil {
		w.t.Fatal(err)
	}
}

// everyLog waits until each node's log has a line for each pattern; someLog, until one of them has.
func (s *stage) everyLog(patterns ...string) { s.t.Helper(); s.awaitLogs(len(s.nodes), patterns) }
func (s *stage) someLog(patterns ...string)  { s.t.Helper(); s.awaitLogs(1, patterns) }

func (s *stage) awaitLogs(nodes int, patterns []string) {
	s.t.Helper()
	for _, p := range patterns {
		line := regexp.MustCompile(p)
		rig.Until(s.t, fmt.Sprintf("%d logs with %s", nodes, p), func() bool {
			n := 0
			for _, node := range s.nodes {
				if line.MatchString(node.Log()) {
					n++
				}
			}
			return n >= nodes
		})
	}
}
