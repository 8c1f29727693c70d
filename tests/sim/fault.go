package sim

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// host is something that is watched: what is true of it, and for whom it only seems so.
type host struct {
	check     events.Check
	down      bool
	since     time.Time            // of the last change
	blindFrom map[string]time.Time // nodes whose own network makes them see it down, until then
	fooled    map[string]time.Time // nodes that see it up, such as through a cache, until then
}

// looks is what a node finds at this moment.
func (h *host) looks(w *World, node string) events.Status {
	if w.now.Before(h.fooled[node]) {
		return events.OK
	}
	if h.down || w.now.Before(h.blindFrom[node]) {
		return events.Fail
	}
	return events.OK
}

// faults draws what will go wrong, and when the hosts go down.
func (w *World) faults() {
	for _, h := range w.hosts {
		w.after(w.upTo(2*time.Minute), func() { w.toggle(h) })
		w.after(w.upTo(3*time.Minute), func() { w.localTrouble(h) })
	}
	w.net.loss = []float64{0, 0.01, 0.1, 0.3}[w.rng.IntN(4)]
	w.net.slow = []float64{0, 0.05, 0.3}[w.rng.IntN(3)]
	w.net.double = []float64{0, 0.05}[w.rng.IntN(2)]
	w.log.ackLoss = []float64{0, 0.05, 0.3}[w.rng.IntN(3)]
	w.post.refusal = []float64{0, 0.3, 0.8}[w.rng.IntN(3)]
	for range 2 + w.rng.IntN(10) {
		w.after(w.upTo(faulty-10*time.Second), w.strike)
	}
}

// strike is one fault of a node, or between nodes.
func (w *World) strike() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	switch w.rng.IntN(6) {
	case 0:
		n.crash()
		w.after(w.between(time.Second, 2*time.Minute), n.boot)
	case 1:
		n.freeze()
		w.after(w.between(100*time.Millisecond, time.Minute), n.thaw)
	case 2:
		w.net.cutOff(n)
		w.after(w.between(time.Second, 2*time.Minute), w.net.heal)
	case 3:
		w.net.split()
		w.after(w.between(time.Second, 2*time.Minute), w.net.heal)
	case 4: // Many go down at once, such as by a power cut, and come back one after the other.
		if w.chance(0.5) {
			for _, n := range w.nodes[w.rng.IntN(3):] {
				n.crash()
				w.after(w.between(time.Second, 2*time.Minute), n.boot)
			}
		}
	case 5:
		n.slowUntil = w.now.Add(w.upTo(time.Minute)) // its plugins hang
	}
}

// toggle takes a host down or up, again and again while there are faults.
func (w *World) toggle(h *host) {
	if w.calm {
		return
	}
	h.set(w, !h.down)
	stay := w.between(5*time.Second, 2*time.Minute)
	if w.chance(0.3) { // it flaps
		stay = w.between(100*time.Millisecond, 8*time.Second)
	}
	w.after(stay, func() { w.toggle(h) })
}

func (h *host) set(w *World, down bool) {
	if h.down == down {
		return
	}
	h.down, h.since = down, w.now
	w.tell("%s down=%v", h.check.Host, down)
}

// localTrouble makes one node see a host otherwise than it is.
func (w *World) localTrouble(h *host) {
	if w.calm {
		return
	}
	n, until := w.nodes[w.rng.IntN(len(w.nodes))], w.now.Add(w.between(time.Second, 40*time.Second))
	if w.chance(0.3) {
		h.fooled[n.name] = until
	} else {
		h.blindFrom[n.name] = until
	}
	w.tell("%s by itself sees %s up or down until %.3f", n.name, h.check.Host, until.Sub(start).Seconds())
	w.after(w.between(5*time.Second, 3*time.Minute), func() { w.localTrouble(h) })
}

// endFaults makes everything well again, and then has each host go down and up once more: what follows has to be told in
// time.
func (w *World) endFaults() {
	w.tell("the faults are over")
	w.calm = true
	w.net.heal()
	w.net.loss, w.net.slow, w.net.double = 0, 0, 0
	w.log.ackLoss, w.post.refusal = 0, 0
	for _, n := range w.nodes {
		n.slowUntil = time.Time{}
		n.thaw()
		n.boot()
	}
	for _, h := range w.hosts {
		clear(h.blindFrom)
		clear(h.fooled)
		h.set(w, false)
		w.after(calmFor, func() { w.expect(h, false); h.set(w, true) })
		w.after(2*calmFor, func() { w.expect(h, true); h.set(w, false) })
	}
}
