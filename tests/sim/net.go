package sim

import (
	"time"
)

// network carries plain messages. A node reaches itself always.
type network struct {
	w                  *World
	loss, slow, double float64
	group              map[*node]int // who reaches whom; nil: everybody
}

func (n *network) reaches(a, b *node) bool {
	return a == b || n.group == nil || n.group[a] == n.group[b]
}

func (n *network) cutOff(one *node) {
	n.group = map[*node]int{one: 1}
	n.w.Stats.Cuts++
	n.w.tell("%s is cut off", one.name)
}

func (n *network) split() {
	n.group = map[*node]int{}
	for _, m := range n.w.nodes {
		n.group[m] = n.w.rng.IntN(2)
	}
	n.w.Stats.Cuts++
	n.w.tell("the network falls apart: %v", n.side())
}

func (n *network) side() (names []string) {
	for _, m := range n.w.nodes {
		if n.group[m] == 1 {
			names = append(names, m.name)
		}
	}
	return names
}

func (n *network) heal() {
	if n.group == nil {
		return
	}
	n.group = nil
	n.w.tell("everybody reaches everybody again")
	for _, m := range n.w.nodes {
		n.w.after(n.w.between(time.Second, 10*time.Second), m.reread)
	}
}

// publish delivers to every node, to some of them late, twice or never. What is on its way when a link is cut is lost.
func (n *network) publish(from *node, deliver func(to *node)) {
	for _, to := range n.w.nodes {
		if to == from {
			n.arrive(from, to, n.w.upTo(time.Millisecond), deliver)
			continue
		}
		if n.w.chance(n.loss) {
			continue
		}
		n.arrive(from, to, n.delay(), deliver)
		if n.w.chance(n.double) {
			n.arrive(from, to, n.delay(), deliver)
		}
	}
}

func (n *network) delay() time.Duration {
	if n.w.chance(n.slow) {
		return n.w.upTo(maxDelay)
	}
	return n.w.between(100*time.Microsecond, 30*time.Millisecond)
}

func (n *network) arrive(from, to *node, in time.Duration, deliver func(to *node)) {
	if !n.reaches(from, to) {
		return
	}
	n.w.after(in, func() {
		if n.reaches(from, to) {
			to.receive(func() { deliver(to) })
		}
	})
}
