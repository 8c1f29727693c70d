package bus

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus/embed"
)

// How often a member looks whether those who count in the majority are those who should, and how long one that nobody
// lists may be away before it is taken off. A host that is about to be listed may well be restarted a few times.
const (
	keepMembersEvery = 3 * time.Second
	retireAfter      = time.Minute
	sayUnlisted      = 5 * time.Minute
	scaleAgain       = 15 * time.Second
)

// listed is what a member's list of nodes means in names.
type listed struct {
	now     []embed.Listed
	names   map[string]string // by address, of those in the list; one that doesn't answer keeps the name it had
	dropped []string          // in the list once, and not any more
}

// learn notes who is in the list, and forgets none of those who were in it before.
func (l *listed) learn(now []embed.Listed) {
	names := map[string]string{}
	for _, n := range now {
		names[n.Addr] = cmp.Or(n.Name, l.names[n.Addr])
	}
	in := slices.Collect(maps.Values(names))
	if !slices.Contains(in, "") { // else an unknown one may be the one that seems to be missing
		for _, name := range l.names {
			if !slices.Contains(in, name) && !slices.Contains(l.dropped, name) && name != "" {
				l.dropped = append(l.dropped, name)
			}
		}
		l.dropped = slices.DeleteFunc(l.dropped, func(name string) bool { return slices.Contains(in, name) })
	} else { // what was known may be needed yet
		for addr, name := range l.names {
			if _, ok := names[addr]; !ok {
				names[addr] = name
			}
		}
	}
	l.now, l.names = now, names
}

// known returns the names that those in the list have, or had when they last answered.
func (l *listed) known() known {
	out := known{}
	for _, n := range l.now {
		if name := l.names[n.Addr]; name != "" {
			out[n.Addr] = name
		}
	}
	return out
}

// keepMembers takes servers that are no members any more out of the majority, and says so if this one isn't.
func (b *Bus) keepMembers() {
	tick := time.NewTicker(keepMembersEvery)
	defer tick.Stop()
	k := keeperState{away: map[string]time.Time{}}
	for {
		b.learnNames()
		select {
		case <-b.closing.Done():
			return
		case <-tick.C:
		}
		words, now := b.words(b.closing, len(b.nodes())), time.Now()
		if by := unlisted(b.o.Node, words); len(by) > 0 {
			b.leave(by, &k, now)
			continue
		}
		k.said = time.Time{}
		if b.srv.TakenOut() && listing(b.o.Node, words) {
			b.srv.Fail(ErrListedAgain)
			return
		}
		if b.settled.Load() && b.scale(words, &k, now) {
			b.retire(words, &k, now)
		}
	}
}

// scale gives the streams as many copies as the number of members allows, if the members agree on who they are. It tells
// whether they have them. The member whose name comes first does it, for all; it looks again now and then, since a stream
// may have been made while members were away.
func (b *Bus) scale(words []word, k *keeperState, now time.Time) bool {
	members, ok := agreed(b.o.Node, words)
	if !ok {
		k.scaled = ""
		return false
	}
	if list := names(members); list != k.scaled || now.Sub(k.looked) > scaleAgain {
		k.looked, k.scaled = now, list
		if members[0].Name == b.o.Node && !b.changed(len(members)) {
			k.scaled = ""
			return false
		}
	}
	return true
}

// leave is for a member that the others don't list. It says so, and lets one of them lead, who can take it out.
func (b *Bus) leave(others []string, k *keeperState, now time.Time) {
	if now.Sub(k.said) > sayUnlisted {
		k.said = now
		b.log.Error().Msgf("this node is not in the nodes.txt (or DMONITOR_NODES) of %s: it is no member of their bus, and they "+
			"don't wait for it; add it on every host, or stop dmonitor here", strings.Join(others, ", "))
	}
	if _, leads := b.srv.Peers(); leads {
		if err := b.handOver(others[0]); err != nil {
			b.log.Debug().Err(err).Msg("trying again")
		}
	}
}

// keeperState is what keepMembers remembers from one look to the next.
type keeperState struct {
	away   map[string]time.Time // peers that nobody lists and that don't answer, since when
	scaled string               // the members for whose number the streams have their copies
	looked time.Time            // whether they have
	said   time.Time            // that this one is no member
}

func (b *Bus) learnNames() {
	ctx, stop := context.WithTimeout(b.closing, 2*time.Second)
	defer stop()
	now := b.srv.Listed(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listed.learn(now)
}

// retire takes those who are no members any more out of the majority, if this member leads it.
func (b *Bus) retire(words []word, k *keeperState, now time.Time) {
	peers, leads := b.srv.Peers()
	if !leads {
		clear(k.away)
		return
	}
	for _, p := range peers {
		if slices.ContainsFunc(words, func(w word) bool { return w.ID == p.ID }) {
			delete(k.away, p.ID)
		} else if _, ok := k.away[p.ID]; !ok {
			k.away[p.ID] = now
		}
	}
	gone := retired(b.o.Node, words, peers, func(p embed.Peer) bool {
		since, ok := k.away[p.ID]
		return ok && now.Sub(since) >= retireAfter
	})
	if len(gone) == 0 {
		return
	}
	for _, p := range gone {
		if err := b.removePeer(p); err != nil {
			if b.closing.Err() == nil {
				b.log.Warn().Err(err).Msgf("%s is no member any more, and can't be taken out of the majority yet; trying again", p.Name)
			}
			return
		}
		b.log.Info().Msgf("%s is no member any more: it doesn't count in the majority from now on", p.Name)
	}
}
