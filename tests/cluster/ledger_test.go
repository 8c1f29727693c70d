package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// notice is what one recipient has to be told exactly once. The thread is the Message-ID of the opening as a mail of its
// own: it names the outage and the recipient.
type notice struct{ thread, event, recipient string }

// telling is a notice in a mail.
type telling struct {
	notice
	check       string
	by          int // the node that sent it
	began, took time.Time
	messageID   string
	among       int  // how many notices the mail tells
	perhaps     bool // the mail says that the outage is over, and there may be another one for that
}

// span is a time in which a node was not itself: killed, frozen or stopping.
type span struct {
	node     int
	from, to time.Time
}

// window is how far a fault may lie from a mail's 250 and still explain that the mail went out a second time: a second,
// on machines that are slow. The acknowledgement follows the 250 within a millisecond.
const window = time.Second

// verdict is what became of the notices.
type verdict struct {
	lost, doubled, foreign []string // not told; told again without excuse; told though nobody should have been
	window                 []string // told again as the sender fell within the window
	regrouped              []string // likewise, but of a mail that told several, and the second told others with it
	electing               []string // told again as the sender fell before the queue, electing its leader, took the acknowledgement
}

// ack is a mailer's word, in its log, that the queue has taken its acknowledgement of a notice.
type ack struct {
	notice
	by int
	at time.Time
}

// ackFor is how long a mailer tries to acknowledge.
const ackFor = 30 * time.Second

func (v verdict) fine() bool { return len(v.lost)+len(v.doubled)+len(v.foreign) == 0 }

// judge compares what was to be told with what was. crashes are the kills and freezes; a polite stop excuses nothing.
func judge(want map[notice]bool, told []telling, crashes []span, acks []ack) verdict {
	var v verdict
	byNotice := map[notice][]telling{}
	for _, t := range told {
		if !t.perhaps {
			byNotice[t.notice] = append(byNotice[t.notice], t)
		}
	}
	for _, t := range told {
		if t.perhaps && len(byNotice[t.notice]) == 0 {
			byNotice[t.notice] = append(byNotice[t.notice], t)
		}
	}
	for n := range want {
		if len(byNotice[n]) == 0 {
			v.lost = append(v.lost, fmt.Sprint(n))
		}
	}
	for n, copies := range byNotice {
		if !want[n] {
			v.foreign = append(v.foreign, fmt.Sprint(n))
		}
		slices.SortFunc(copies, func(a, b telling) int { return a.took.Compare(b.took) })
		for i := 1; i < len(copies); i++ {
			words := fmt.Sprintf("%v: by node %d at %v, and by node %d %v later", n, copies[i-1].by+1,
				copies[i-1].took.UTC().Format(time.TimeOnly), copies[i].by+1, copies[i].took.Sub(copies[i-1].took))
			switch same := copies[i-1].messageID == copies[i].messageID; {
			case !excused(copies[i-1], crashes) && unacknowledged(copies[i-1], crashes, acks) && (same || copies[i-1].among+copies[i].among > 2):
				v.electing = append(v.electing, words)
			case !excused(copies[i-1], crashes), !same && copies[i-1].among == 1 && copies[i].among == 1:
				v.doubled = append(v.doubled, words)
			case same:
				v.window = append(v.window, words)
			default:
				v.regrouped = append(v.regrouped, words)
			}
		}
	}
	for _, s := range []*[]string{&v.lost, &v.doubled, &v.foreign, &v.window, &v.regrouped, &v.electing} {
		slices.Sort(*s)
	}
	return v
}

// excused tells whether a mail's sender fell while it waited for the 250 or had just got it. Who is told the same again
// gets the same Message-ID, and can see that the two are one; only where one mail told several notices, and some of them
// were taken out of the queue in time, the others come in a mail that is another.
func excused(first telling, crashes []span) bool {
	return slices.ContainsFunc(crashes, func(c span) bool {
		return c.node == first.by && c.from.Before(first.took.Add(window)) && c.to.After(first.began)
	})
}

// unacknowledged tells whether a mail's sender fell while it was still trying to acknowledge. While the queue elects its
// leader that takes seconds. Its log, which is precise to a second, would say that it was done.
func unacknowledged(first telling, crashes []span, acks []ack) bool {
	return slices.ContainsFunc(crashes, func(c span) bool {
		if c.node != first.by || c.from.Before(first.took) || c.from.After(first.took.Add(ackFor)) {
			return false
		}
		return !slices.ContainsFunc(acks, func(a ack) bool {
			return a.notice == first.notice && a.by == first.by && a.at.Before(c.from) && a.at.After(first.took.Add(-2*time.Second))
		})
	})
}

// TestLedger: what the rounds are judged by finds what it is there to find.
func TestLedger(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }
	n := notice{"a", "opened", "ops"}
	mail := func(by int, took float64, id string) telling {
		return telling{notice: n, by: by, began: at(took - 0.1), took: at(took), messageID: id, among: 1}
	}
	among := func(t telling, others int) telling { t.among += others; return t }
	perhaps := func(t telling) telling { t.perhaps = true; return t }
	for name, c := range map[string]struct {
		want                           map[notice]bool
		told                           []telling
		crashes                        []span
		lost, doubled, foreign, window int
		regrouped, electing            int
		acks                           []ack
	}{
		"told once":           {want: map[notice]bool{n: true}, told: []telling{mail(0, 1, "m")}},
		"not told":            {want: map[notice]bool{n: true}, lost: 1},
		"not wanted":          {told: []telling{mail(0, 1, "m")}, foreign: 1},
		"twice for no reason": {want: map[notice]bool{n: true}, told: []telling{mail(0, 1, "m"), mail(1, 9, "m")}, doubled: 1},
		"the sender was killed at once": {
			want: map[notice]bool{n: true}, told: []telling{mail(1, 9, "m"), mail(0, 1, "m")},
			crashes: []span{{0, at(1.01), at(8)}}, window: 1,
		},
		"another node was killed": {
			want: map[notice]bool{n: true}, told: []telling{mail(0, 1, "m"), mail(1, 9, "m")},
			crashes: []span{{1, at(1.01), at(8)}}, doubled: 1,
		},
		"the sender was killed much later": {
			want: map[notice]bool{n: true}, told: []telling{mail(0, 1, "m"), mail(1, 9, "m")},
			crashes: []span{{0, at(2.5), at(8)}}, acks: []ack{{n, 0, at(1)}}, doubled: 1,
		},
		"the sender was killed later, before its acknowledgement": {
			want: map[notice]bool{n: true}, told: []telling{mail(0, 1, "m"), mail(1, 9, "m")},
			crashes: []span{{0, at(7), at(8)}}, acks: []ack{{n, 1, at(1)}, {n, 0, at(9)}}, electing: 1,
		},
		"the sender was killed too late for that": {
			want: map[notice]bool{n: true}, told: []telling{mail(0, 1, "m"), mail(1, 50, "m")},
			crashes: []span{{0, at(40), at(48)}}, doubled: 1,
		},
		"the sender was back before it began": {
			want: map[notice]bool{n: true}, told: []telling{mail(0, 5, "m"), mail(1, 9, "m")},
			crashes: []span{{0, at(1), at(4)}}, doubled: 1,
		},
		"another Message-ID": {
			want: map[notice]bool{n: true}, told: []telling{mail(0, 1, "m"), mail(1, 9, "other")},
			crashes: []span{{0, at(1.01), at(8)}}, doubled: 1,
		},
		"another mail, of several": {
			want: map[notice]bool{n: true}, told: []telling{among(mail(0, 1, "m"), 2), mail(1, 9, "other")},
			crashes: []span{{0, at(1.01), at(8)}}, regrouped: 1,
		},
		"another mail, of several, for no reason": {
			want: map[notice]bool{n: true}, told: []telling{among(mail(0, 1, "m"), 2), mail(1, 9, "other")}, doubled: 1,
		},
		"said to be over, and then again":  {want: map[notice]bool{n: true}, told: []telling{perhaps(mail(0, 1, "m")), mail(1, 9, "o")}},
		"said to be over, and that was it": {want: map[notice]bool{n: true}, told: []telling{perhaps(mail(0, 1, "m"))}},
		"thrice, one excuse": {
			want: map[notice]bool{n: true}, told: []telling{mail(0, 1, "m"), mail(1, 9, "m"), mail(2, 11, "m")},
			crashes: []span{{0, at(1.01), at(8)}}, window: 1, doubled: 1,
		},
	} {
		v := judge(c.want, c.told, c.crashes, c.acks)
		if len(v.lost) != c.lost || len(v.doubled) != c.doubled || len(v.foreign) != c.foreign || len(v.window) != c.window ||
			len(v.regrouped) != c.regrouped || len(v.electing) != c.electing {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// checkLog compares the log of outages with what happened: each check's events in turn opened and closed, as many as it
// had outages. It returns the outages' names by check, in order.
func checkLog(events []logged, want map[string]int) (byCheck map[string][]string, wrong []string) {
	byCheck = map[string][]string{}
	open := map[string]string{}
	for _, e := range events {
		switch {
		case e.Event == "opened" && open[e.check()] == "":
			open[e.check()] = e.Outage
			byCheck[e.check()] = append(byCheck[e.check()], e.Outage)
		case e.Event == "closed" && open[e.check()] == e.Outage:
			delete(open, e.check())
		default:
			wrong = append(wrong, fmt.Sprintf("%s of outage %s of %s comes out of turn", e.Event, e.Outage, e.check()))
		}
	}
	for check := range open {
		wrong = append(wrong, check+" was not closed")
	}
	checks := maps.Clone(want)
	for check := range byCheck {
		checks[check] += 0
	}
	for _, check := range slices.Sorted(maps.Keys(checks)) {
		if got := len(byCheck[check]); got != want[check] {
			wrong = append(wrong, fmt.Sprintf("%s had %d outages, the log has %d", check, want[check], got))
		}
	}
	return byCheck, wrong
}

// logged is an event as `dmonitor outages --json` prints it.
type logged struct {
	Outage, Event, Host, Test, By string
	Time                          time.Time
}

func (l logged) check() string { return l.Host + "/" + l.Test }

// TestCheckLog: an event that is missing, doubled or foreign is found.
func TestCheckLog(t *testing.T) {
	log := func(s string) (all []logged) {
		for w := range strings.FieldsSeq(s) {
			event, outage, _ := strings.Cut(w, "-")
			all = append(all, logged{Outage: outage, Event: map[string]string{"o": "opened", "c": "closed"}[event], Host: "h", Test: "t"})
		}
		return all
	}
	for _, c := range []struct {
		log         string
		want, wrong int
	}{
		{"o-a c-a o-b c-b", 2, 0},
		{"o-a c-a", 2, 1},
		{"o-a c-a o-b", 2, 1},
		{"o-a o-b c-b", 1, 3},
		{"o-a c-a c-a", 1, 1},
		{"o-a c-b", 1, 2},
		{"o-a c-a", 0, 1},
	} {
		if _, wrong := checkLog(log(c.log), map[string]int{"h/t": c.want}); len(wrong) != c.wrong {
			t.Errorf("%s with %d outages: %q, want %d complaints", c.log, c.want, wrong, c.wrong)
		}
	}
}
