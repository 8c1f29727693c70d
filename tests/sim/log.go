package sim

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// outageLog is the replicated log of outages: it takes an event if the check's last one is the one the proposer knows,
// as long as a majority of members can agree.
type outageLog struct {
	w       *World
	taken   []events.Outage // sequence n is taken[n-1]
	last    map[events.Check]uint64
	leader  *node
	ackLoss float64 // an event is taken, and the proposer never hears of it
}

// majority lists the nodes that can agree with each other, nil if there is none.
func (l *outageLog) majority() []*node {
	for _, n := range l.w.nodes {
		var with []*node
		for _, m := range l.w.nodes {
			if n.works() && m.works() && l.w.net.reaches(n, m) {
				with = append(with, m)
			}
		}
		if 2*len(with) > len(l.w.nodes) {
			return with
		}
	}
	return nil
}

// elect looks every half second whether the leader still leads, and has another one elected if not.
func (l *outageLog) elect() {
	with := l.majority()
	leads := false
	for _, n := range with {
		leads = leads || n == l.leader
	}
	if !leads {
		l.leader = nil
	}
	if leads || with == nil {
		l.w.after(500*time.Millisecond, l.elect)
		return
	}
	l.w.after(l.w.between(4*time.Second, 9*time.Second), func() {
		if with := l.majority(); with != nil {
			l.leader = with[l.w.rng.IntN(len(with))]
			l.w.tell("%s leads the log", l.leader.name)
		}
		l.elect()
	})
}

// serves tells whether a node can write and read what the leader has.
func (l *outageLog) serves(n *node) bool {
	return l.leader != nil && l.leader.works() && n.works() && l.w.net.reaches(n, l.leader) && l.majority() != nil
}

// The outcomes of a proposal.
type outcome int

const (
	committed outcome = iota
	refused           // another event follows the last one that the proposer knew
	unknown           // no answer
)

// propose writes an event. done hears what the proposer hears.
func (l *outageLog) propose(n *node, o events.Outage, last uint64, done func(outcome, uint64)) {
	w := l.w
	w.after(w.between(200*time.Microsecond, 20*time.Millisecond), func() {
		if !l.serves(n) {
			w.Stats.Unsure++
			w.after(w.between(time.Millisecond, 5*time.Second), func() { done(unknown, 0) })
			return
		}
		if err := o.Validate(); err != nil {
			w.wrong("%s proposes what nobody may read: %v", n.name, err)
			return
		}
		if l.last[o.Check] != last {
			w.Stats.Refused++
			w.after(w.upTo(10*time.Millisecond), func() { done(refused, 0) })
			return
		}
		seq := l.take(o)
		if w.chance(l.ackLoss) {
			w.Stats.Unsure++
			w.after(5*time.Second, func() { done(unknown, 0) })
			return
		}
		w.after(w.upTo(10*time.Millisecond), func() { done(committed, seq) })
	})
}

func (l *outageLog) take(o events.Outage) uint64 {
	w := l.w
	w.checkCommitted(o, l.of(o.Check))
	l.taken = append(l.taken, o)
	seq := uint64(len(l.taken))
	if l.last == nil {
		l.last = map[events.Check]uint64{}
	}
	l.last[o.Check] = seq
	if o.Event == events.Opened {
		w.Stats.Opened++
	} else {
		w.Stats.Closed++
	}
	w.tell("committed %d: %s %s by %s: %s", seq, o.Event, o.Check.Host, o.By, o.Reason)
	w.net.publish(l.leader, func(to *node) { to.hearCommitted(o, seq) })
	w.post.fanOut(seq)
	return seq
}

// of returns the last event of a check, nil if there is none.
func (l *outageLog) of(c events.Check) *events.Outage {
	seq := l.last[c]
	if seq == 0 {
		return nil
	}
	return &l.taken[seq-1]
}
