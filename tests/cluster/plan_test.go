package cluster

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// kind is what is done to a node.
type kind string

const (
	kill   kind = "kill"   // SIGKILL
	freeze kind = "freeze" // SIGSTOP, and SIGCONT later
	stop   kind = "stop"   // SIGTERM
)

// moment is when in an outage's life it is done. All but the last are tried at its opening and at its closing.
type moment string

const (
	turned    moment = "turned"    // the host has just gone down, or come back; most often nobody has seen it yet
	asked     moment = "asked"     // the round is open
	committed moment = "committed" // the log has taken the event
	mailing   moment = "mailing"   // a mail's content is with the mail server, which hasn't answered
	answered  moment = "answered"  // the mail server answers
	quiet     moment = "quiet"     // all is told
)

var (
	kinds   = []kind{kill, kill, freeze, freeze, stop}
	moments = []moment{turned, asked, committed, mailing, answered, quiet}
)

// Who is hit, beside the nodes by their number.
const (
	theSender   = -1 // of the mail that is under way; at other moments the leader
	theLeader   = -2 // of the log of outages
	theNotifier = -3 // the leader of the queue of notices
)

// blow is one fault.
type blow struct {
	kind   kind
	moment moment
	event  string        // opened or closed: at which of the outage's two events
	who    int           // node, or one of the above
	delay  time.Duration // after the moment
	away   time.Duration // until it is started or thawed again
	rounds int           // if not 0: it stays away for so many further rounds
}

func (b blow) String() string {
	who := fmt.Sprintf("node-%d", b.who+1)
	switch b.who {
	case theSender:
		who = "the sender"
	case theLeader:
		who = "the log's leader"
	case theNotifier:
		who = "the queue's leader"
	}
	back := fmt.Sprintf("back after %v", b.away)
	if b.rounds > 0 {
		back = fmt.Sprintf("back after %d more rounds", b.rounds)
	}
	return fmt.Sprintf("%s %s %v after %s/%s, %s", b.kind, who, b.delay, b.event, b.moment, back)
}

// plan is one round.
type plan struct {
	hosts  []int
	blows  []blow
	linger time.Duration // between all told and the recovery
	slow   time.Duration // how long the mail server takes over each mail
}

func (p plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "hosts %v down", p.hosts)
	for _, x := range p.blows {
		fmt.Fprintf(&b, "; %v", x)
	}
	return b.String()
}

// draw makes the plan of a round. The moments are gone through in turn, so that a short run has seen each; all else is
// chance.
// With a node that is away already no other stays away: of three one alone would be left.
func draw(r *rand.Rand, round, nodes, hosts int, away bool) plan {
	p := plan{hosts: r.Perm(hosts)[:1], linger: upTo(r, 1500*time.Millisecond)}
	if r.IntN(3) == 0 {
		p.hosts = r.Perm(hosts)[:2+r.IntN(hosts-1)]
	}
	if r.IntN(3) == 0 {
		p.slow = upTo(r, 500*time.Millisecond)
	}
	event := []string{"opened", "closed"}[round/len(moments)%2]
	p.blows = []blow{drawBlow(r, moments[round%len(moments)], event, nodes)}
	switch r.IntN(5) {
	case 0: // Another one too: for some seconds there may be no majority.
		second := drawBlow(r, moments[r.IntN(len(moments))], []string{"opened", "closed"}[r.IntN(2)], nodes)
		second.away = upTo(r, 10*time.Second)
		p.blows = append(p.blows, second)
	case 1:
		if further := 1 + r.IntN(2); !away {
			p.blows[0].rounds = further
		}
	}
	return p
}

func drawBlow(r *rand.Rand, m moment, event string, nodes int) blow {
	b := blow{kind: kinds[r.IntN(len(kinds))], moment: m, event: event, who: r.IntN(nodes)}
	switch r.IntN(4) {
	case 0, 1:
		b.who = theSender
	case 2:
		b.who = []int{theLeader, theNotifier}[r.IntN(2)]
	}
	switch m {
	case turned:
		b.delay = upTo(r, interval)
	case asked, committed, answered:
		b.delay = upTo(r, 20*time.Millisecond)
		if r.IntN(2) == 0 { // The instants in which it matters are short.
			b.delay = upTo(r, 2*time.Millisecond)
		}
	case mailing, quiet:
	}
	b.away = upTo(r, 8*time.Second)
	if b.kind == freeze && r.IntN(3) == 0 { // Longer than a notice waits for its mailer: another takes it over.
		b.away = 22*time.Second + upTo(r, 4*time.Second)
	}
	return b
}

func upTo(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(d))).Round(10 * time.Microsecond)
}
