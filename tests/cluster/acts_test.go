package cluster

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/mailer/letter"
)

// down makes hosts stop answering.
func (s *stage) down(hosts ...int) {
	for _, h := range hosts {
		s.hosts[h].Down()
		s.outages[checkName(h)]++
	}
}

// up makes hosts answer again.
func (s *stage) up(hosts ...int) {
	s.t.Helper()
	for _, h := range hosts {
		if err := s.hosts[h].Up(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// awaitTold waits until everybody has been told of each outage that the hosts have had.
func (s *stage) awaitTold(event string, hosts ...int) {
	s.t.Helper()
	s.until(fmt.Sprintf("everybody has been told that hosts %v %s", hosts, event), func() bool {
		told := map[string]map[string]bool{}
		for _, l := range s.post.Letters() {
			all, _ := tellings(l)
			for _, x := range all {
				key := x.check + x.event + x.recipient
				if told[key] == nil {
					told[key] = map[string]bool{}
				}
				told[key][x.thread] = true
			}
		}
		for _, h := range hosts {
			for _, to := range recipients {
				if len(told[checkName(h)+event+to]) < s.outages[checkName(h)] {
					return false
				}
			}
		}
		return true
	})
}

// fell takes nodes away until back is called with them.
func (s *stage) fell(k kind, nodes ...*actor) {
	s.t.Helper()
	for _, a := range nodes {
		s.hit(a, blow{kind: k, rounds: 1})
	}
	s.until("the nodes are gone", func() bool {
		return !slices.ContainsFunc(nodes, func(a *actor) bool { return a.life == well || a.life == leaving })
	})
}

// back brings nodes back, and waits until all nodes that run look.
func (s *stage) back(nodes ...*actor) {
	s.t.Helper()
	for _, a := range nodes {
		a.back = time.Now()
	}
	s.until("the nodes are back", func() bool {
		return !slices.ContainsFunc(nodes, func(a *actor) bool { return a.life != well })
	})
	s.settle()
}

// settle waits until every node that runs has looked twice more, so that what would be told once too often shows.
func (s *stage) settle() {
	s.t.Helper()
	for range 2 {
		s.until("all nodes look", s.allLook())
	}
}

// told counts the mails that tell of a check.
func (s *stage) told(check, event string) (n int) {
	for _, l := range s.post.Letters() {
		all, _ := tellings(l)
		for _, x := range all {
			if x.check == check && x.event == event {
				n++
			}
		}
	}
	return n
}

// thread is the Message-ID of an outage's opening as a mail of its own.
func thread(outage, recipient string) string {
	return "<" + events.NoticeID(outage, events.Opened, recipient) + "@" + letter.Domain + ">"
}

// calm is how long no mail has to come before the mails are counted: a notice whose mailer fell silent comes again
// after 20 s.
const calm = 30 * time.Second

// quieten waits until nothing more can come.
func (s *stage) quieten() {
	s.t.Helper()
	last, count := time.Now(), len(s.post.Letters())
	s.until("no more mails", func() bool {
		if n := len(s.post.Letters()); n != count {
			count, last = n, time.Now()
		}
		return time.Since(last) > calm
	})
}

// finish waits until nothing more can come, and judges all that was told. It returns the verdict, how many notices there
// were, and how many mails were about dmonitor itself.
func (s *stage) finish() (v verdict, notices, others int) {
	s.t.Helper()
	var away []*actor
	for _, a := range s.nodes {
		if a.life != well {
			away = append(away, a)
		}
	}
	s.back(away...)
	s.quieten()
	var log []logged
	var wrong []string
	s.until("the log can be read", func() (ok bool) {
		log, ok = s.readLog()
		return ok
	})
	if _, wrong = checkLog(log, s.outages); len(wrong) > 0 {
		s.t.Errorf("the log is wrong at the end: %q", wrong)
	}
	want := map[notice]bool{}
	for _, l := range log {
		for _, to := range recipients {
			want[notice{thread(l.Outage, to), l.Event, to}] = true
		}
	}
	notices = len(want)
	var told []telling
	for _, l := range s.post.Letters() {
		if x, ok := tellings(l); ok {
			told = append(told, x...)
		} else {
			others++
			own := telling{by: l.By, began: l.Began, took: l.Taken, messageID: l.MessageID, among: 1}
			own.notice = notice{l.MessageID, "about dmonitor itself", strings.Join(l.To, " ")}
			told, want[own.notice] = append(told, own), true
			if own.recipient != recipients[1] {
				s.t.Errorf("%q was told to %q, who isn't an operator", l.Subject, l.To)
			}
		}
	}
	for i := range s.spans {
		if s.spans[i].to.IsZero() {
			s.spans[i].to = time.Now()
		}
	}
	v = judge(want, told, s.spans, s.acks())
	if !v.fine() {
		s.t.Errorf("lost: %q\ndoubled: %q\nforeign: %q", v.lost, v.doubled, v.foreign)
	}
	return v, notices, others
}

// toldLine is what a mailer logs once a notice is out of the queue.
var toldLine = regexp.MustCompile(`^(opened|closed): told (\S+)$`)

// acks reads the nodes' logs for which notices were taken out of the queue.
func (s *stage) acks() (all []ack) {
	for _, a := range s.nodes {
		for line := range strings.Lines(a.Log()) {
			var l struct {
				Time            time.Time
				Message, Outage string
			}
			if json.Unmarshal([]byte(line), &l) != nil {
				continue
			}
			if m := toldLine.FindStringSubmatch(l.Message); m != nil {
				all = append(all, ack{notice{thread(l.Outage, m[2]), m[1], m[2]}, a.i, l.Time})
			}
		}
	}
	return all
}

// end is finish for tests in which no sender falls while it sends: nothing is told twice.
func (s *stage) end() {
	s.t.Helper()
	if v, _, _ := s.finish(); len(v.window)+len(v.regrouped)+len(v.electing) > 0 {
		s.t.Errorf("told twice: %q %q %q", v.window, v.regrouped, v.electing)
	}
}

// stop is a polite end of all that is well, as the last step of a test.
func stopAll(t *testing.T, s *stage) {
	t.Helper()
	for _, a := range s.wells() {
		a.Stop()
	}
}
