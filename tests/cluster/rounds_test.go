package cluster

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/tests/rig"
)

var (
	rounds = flag.Int("rounds", 6, "how many rounds TestKillRounds plays")
	seed   = flag.Uint64("seed", 0, "seed of TestKillRounds; 0: a new one")
)

// How many stages play at once, and on how much. Most of a round is waiting for elections.
const (
	stages       = 3
	nodesOfStage = 3
	hostsOfStage = 3
)

// TestKillRounds plays outages through, and in each kills, freezes or stops a node at some moment. Whatever the node was
// doing, each recipient is told once that the host is down and once that it is up, and the log has each event once.
//
// The seed chooses the rounds; when exactly things happen within them it can't.
func TestKillRounds(t *testing.T) {
	t.Parallel()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("%d rounds, seed %d", *rounds, *seed)
	var all table
	t.Run("stages", func(t *testing.T) {
		for i := range stages {
			n := (*rounds + i) / stages
			t.Run(fmt.Sprint(i+1), func(t *testing.T) {
				t.Parallel()
				playStage(t, rand.New(rand.NewPCG(*seed, uint64(i))), n, &all)
			})
		}
	})
	all.print(*seed)
}

func playStage(t *testing.T, r *rand.Rand, n int, all *table) {
	if n == 0 {
		return
	}
	s := newStage(t, nodesOfStage, hostsOfStage)
	first := r.IntN(2 * len(moments)) // So that few rounds on each stage see all moments in sum.
	for i := range n {
		p := draw(r, first+i, nodesOfStage, hostsOfStage, len(s.wells()) < nodesOfStage)
		row := s.play(p)
		t.Logf("round %d: %v: %v", i+1, p, row)
		all.add(row)
	}
	v, want, others := s.finish()
	all.close(v, want, others)
}

// playing is a round that is being played.
type playing struct {
	*stage
	plan    plan
	event   string // what is to be told now
	began   time.Time
	turned  time.Time // when the hosts went down or came back
	letters int       // mails before the round
	waiting []blow    // those that have not fallen yet
	row     row
	hurt    map[int]bool // nodes that weren't well throughout
	heard   map[*ears]int

	mu      sync.Mutex
	sender  int // of the mail at the mail server's last step
	reached map[moment]time.Time
	release chan struct{} // lets the mail go on that a blow waits for
}

// play plays a round and returns what came of it.
func (s *stage) play(p plan) row {
	r := &playing{
		stage: s, plan: p, began: time.Now(), letters: len(s.post.Letters()),
		hurt: map[int]bool{}, heard: map[*ears]int{}, row: row{plan: p, told: map[string][]time.Duration{}},
	}
	for _, a := range s.nodes {
		if a.life != well {
			r.hurt[a.i] = true
			r.row.away++
		} else if e := a.clients[len(a.clients)-1]; e != nil {
			r.heard[e] = e.outages.Count()
		}
	}
	r.waiting = slices.Clone(p.blows)
	s.post.Watch(r.mail)
	defer s.post.Watch(nil)
	r.turn("opened", func() {
		for _, h := range p.hosts {
			s.hosts[h].Down()
			s.outages[checkName(h)]++
		}
	})
	pause := time.Now().Add(p.linger)
	s.until("a moment's rest", func() bool { r.strike(); return time.Now().After(pause) })
	r.turn("closed", func() {
		for _, h := range p.hosts {
			if err := s.hosts[h].Up(); err != nil {
				s.t.Fatal(err)
			}
		}
	})
	r.end()
	return r.row
}

// turn makes the hosts go down or come up, and waits until everybody has been told.
func (r *playing) turn(event string, do func()) {
	r.t.Helper()
	r.mu.Lock()
	r.event, r.reached, r.release = event, map[moment]time.Time{}, make(chan struct{})
	r.turned = time.Now()
	r.reached[turned] = r.turned
	release := r.release
	r.mu.Unlock()
	confirms := map[*ears]int{}
	outages := map[*ears]int{}
	for _, e := range r.ears() {
		confirms[e], outages[e] = e.confirms.Count(), e.outages.Count()
	}
	do()
	r.until(fmt.Sprintf("everybody has been told that %v %s (round: %v)", r.plan.hosts, event, r.plan), func() bool {
		for _, e := range r.ears() {
			if n, ok := confirms[e]; ok && e.confirms.Count() > n {
				r.reach(asked)
			}
			if n, ok := outages[e]; ok && e.outages.Count() > n {
				r.reach(committed)
			}
		}
		r.strike()
		return r.told(event)
	})
	r.reach(quiet)
	r.fall(true)
	close(release)
	for _, l := range r.post.Letters()[r.letters:] {
		for _, x := range r.mine(l, event) {
			r.row.told[event] = append(r.row.told[event], x.took.Sub(r.turned))
		}
	}
}

func (r *playing) reach(m moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.reached[m]; !ok {
		r.reached[m] = time.Now()
	}
}

// mail is called at each step of each mail. A mail whose content is there waits for the blow that is meant for it.
func (r *playing) mail(s rig.Step, l *rig.Letter) error {
	switch s {
	case rig.Content:
		r.mu.Lock()
		r.sender = l.By
		release := r.release
		wanted := slices.ContainsFunc(r.plan.blows, func(b blow) bool { return b.moment == mailing && b.event == r.event })
		r.mu.Unlock()
		r.reach(mailing)
		time.Sleep(r.plan.slow)
		if wanted {
			select {
			case <-release:
			case <-time.After(300 * time.Millisecond):
			}
		}
	case rig.Taken:
		r.mu.Lock()
		r.sender = l.By
		r.mu.Unlock()
		r.reach(answered)
	case rig.Envelope:
	}
	return nil
}

// strike lets the blows fall whose moment has come.
func (r *playing) strike() { r.fall(false) }

// fall is strike. At the end of an event, what was meant for it falls at once: there the moment has passed too fast, or
// was seen by nobody who was asked.
func (r *playing) fall(all bool) {
	for i := 0; i < len(r.waiting); i++ {
		b := r.waiting[i]
		r.mu.Lock()
		at, ok := r.reached[b.moment]
		now := r.event == b.event
		r.mu.Unlock()
		if !now || !all && (!ok || time.Now().Before(at.Add(b.delay))) {
			continue
		}
		r.waiting = slices.Delete(r.waiting, i, i+1)
		i--
		if a := r.victim(b.who); a != nil {
			r.row.led = append(r.row.led, r.leads(a)...)
			r.row.hit = append(r.row.hit, fmt.Sprintf("%s node-%d", b.kind, a.i+1))
			r.hurt[a.i] = true
			r.hit(a, b)
		}
	}
}

// victim finds the node that is meant, or another one that is well.
func (r *playing) victim(who int) *actor {
	able := r.wells()
	if len(able) == 0 {
		return nil
	}
	r.mu.Lock()
	sender := r.sender
	r.mu.Unlock()
	for _, a := range able {
		leads := r.leads(a)
		switch {
		case who == a.i,
			who == theSender && sender == a.i,
			who == theLeader && slices.Contains(leads, "OUTAGES"),
			who == theNotifier && slices.Contains(leads, "NOTICES"):
			return a
		}
	}
	return able[max(who, 0)%len(able)]
}

// mine lists what a mail tells of this round's event.
func (r *playing) mine(l rig.Letter, event string) (all []telling) {
	told, _ := tellings(l)
	for _, x := range told {
		if x.event == event && !r.known[x.thread] {
			all = append(all, x)
		}
	}
	return all
}

func (r *playing) told(event string) bool {
	seen := map[[2]string]bool{}
	for _, l := range r.post.Letters()[r.letters:] {
		for _, x := range r.mine(l, event) {
			seen[[2]string{x.check, x.recipient}] = true
		}
	}
	for _, h := range r.plan.hosts {
		for _, to := range recipients {
			if !seen[[2]string{checkName(h), to}] {
				return false
			}
		}
	}
	return true
}

// end brings the nodes back that are to be, and looks at what the log and the subscribers say.
func (r *playing) end() {
	r.until("the nodes are back", func() bool {
		return !slices.ContainsFunc(r.nodes, func(a *actor) bool { return a.life != well && a.away == 0 || a.life == leaving })
	})
	r.until("all nodes look", r.allLook())
	for _, a := range r.nodes {
		if a.away > 0 && a.since.Before(r.began) {
			if a.away--; a.away == 0 {
				a.back = time.Now()
			}
		}
	}
	var byCheck map[string][]string
	var wrong []string
	r.until("the log can be read", func() bool {
		log, ok := r.readLog()
		byCheck, wrong = checkLog(log, r.outages)
		return ok && (len(wrong) == 0 || time.Since(r.began) > rig.Patience)
	})
	for _, w := range wrong {
		r.t.Errorf("the log is wrong: %s (round: %v)", w, r.plan)
	}
	r.row.wrong += len(wrong)
	r.subscribers(byCheck)
	for _, ids := range byCheck {
		for _, id := range ids {
			for _, to := range recipients {
				r.known[thread(id, to)] = true
			}
		}
	}
}

// sequence is the header that says where in the log an event stands.
var sequence = regexp.MustCompile(`Nats-Sequence: \d+`)

// subscribers looks at what plain subscribers got of this round: on nodes that were well all of it, and nothing twice. Only
// when the log's leader falls may its successor republish the same entry once more; who goes by the event's id sees one.
func (r *playing) subscribers(byCheck map[string][]string) {
	for _, a := range r.nodes {
		for _, e := range a.clients {
			n, was := r.heard[e]
			if e == nil || !was {
				continue
			}
			seen := map[string]string{} // event: its place in the log
			for _, x := range e.outages.Since(n) {
				id, place := x.Body.Outage+"-"+x.Body.Event, sequence.FindString(x.Headers)
				switch before, again := seen[id]; {
				case again && place == before && place != "":
					r.row.repeated++
				case again:
					r.t.Errorf("a subscriber of node-%d got %s again, from another place in the log: %q and %q", a.i+1, id, before, place)
					r.row.wrong++
				}
				seen[id] = place
			}
			if r.hurt[a.i] {
				continue
			}
			for _, h := range r.plan.hosts {
				ids := byCheck[checkName(h)]
				for _, event := range []string{"opened", "closed"} {
					if len(ids) == 0 {
						continue
					}
					if _, heard := seen[ids[len(ids)-1]+"-"+event]; !heard {
						r.row.unheard++
					}
				}
			}
		}
	}
}
