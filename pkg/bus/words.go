package bus

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/bus/embed"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// subjectMembers is where members ask each other who they are. What is said there is no part of the contract in pkg/events:
// only members of the same version or a neighbouring one talk here.
const subjectMembers = events.SubjectMembers

// askCopies as a question has members say what they have of each stream.
const askCopies = "copies"

// known are names by address.
type known = map[string]string

type copies = map[string]embed.Copy

// askMembers is how long the members get to answer.
const askMembers = 500 * time.Millisecond

// A word is what a member says about itself.
type word struct {
	Name    string         `json:"name"`
	Site    string         `json:"site"`
	Version string         `json:"version"`
	ID      string         `json:"id"`                // in the list of who counts in the majority
	Listed  []embed.Listed `json:"listed"`            // the members by its list
	Known   known          `json:"known,omitempty"`   // who answered last at addresses of the list
	Dropped []string       `json:"dropped,omitempty"` // who was in its list once and isn't any more
	History *history       `json:"history,omitempty"` // what it kept while it was alone, and the cluster may not have yet
	Copies  copies         `json:"copies,omitempty"`  // of streams, if they were asked for
}

// members returns the names in a member's list, sorted, and whether it knows all of them.
func (w word) members() (names []string, complete bool) {
	complete = true
	for _, l := range w.Listed {
		if l.Name == "" {
			complete = false
			continue
		}
		names = append(names, l.Name)
	}
	slices.Sort(names)
	return slices.Compact(names), complete
}

// answerMembers answers when members ask.
func (b *Bus) answerMembers() error {
	_, err := b.nc.Subscribe(subjectMembers, func(msg *nats.Msg) {
		w := b.word()
		if string(msg.Data) == askCopies {
			w.Copies = b.srv.Copies()
		}
		data, err := json.Marshal(w)
		if err == nil {
			err = msg.Respond(data)
		}
		if err != nil && b.closing.Err() == nil {
			b.log.Debug().Err(err).Msg("can't tell another member who this one is")
		}
	})
	return err
}

// word is this member's own.
func (b *Bus) word() word {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := word{
		Name: b.o.Node, Site: b.o.Site, Version: b.o.Version, ID: b.srv.ID(),
		Listed: b.listed.now, Known: b.listed.known(), Dropped: slices.Clone(b.listed.dropped), History: b.history,
	}
	if !b.srv.Clustered() {
		w.Listed = b.srv.Listed(b.closing)
	}
	return w
}

// words asks all members, this one included, and returns when enough have answered or the time is up. One word for
// each name, sorted by name.
func (b *Bus) words(ctx context.Context, enough int) []word { return b.ask(ctx, "", enough) }

func (b *Bus) ask(ctx context.Context, question string, enough int) []word {
	ctx, stop := context.WithTimeout(ctx, askMembers)
	defer stop()
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return nil // closed
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only if the connection is closed
	if b.nc.PublishRequest(subjectMembers, inbox, []byte(question)) != nil {
		return nil
	}
	var all []word
	for len(all) < enough {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			break
		}
		var w word
		if json.Unmarshal(msg.Data, &w) == nil && w.Name != "" && !slices.ContainsFunc(all, named(w.Name)) {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b word) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func named(name string) func(word) bool { return func(w word) bool { return w.Name == name } }

// agreed returns the words of the members by the list of the one called me, if all of them have answered, know all
// names in their own lists, and their lists name the same members. While nodes.txt is being changed on one host after the
// other they don't.
func agreed(me string, words []word) (members []word, ok bool) {
	i := slices.IndexFunc(words, named(me))
	if i < 0 {
		return nil, false
	}
	mine, complete := words[i].members()
	if !complete || !slices.Contains(mine, me) {
		return nil, false
	}
	for _, name := range mine {
		j := slices.IndexFunc(words, named(name))
		if j < 0 {
			return nil, false
		}
		if theirs, complete := words[j].members(); !complete || !slices.Equal(theirs, mine) {
			return nil, false
		}
		members = append(members, words[j])
	}
	return members, true
}

// retired returns the peers that count in the majority and shouldn't: the members agree on a list without them, and
// either one of them remembers that it was on the list, or it has been away for long. One that is there and was never
// on a list is about to be put on it.
func retired(me string, words []word, peers []embed.Peer, away func(embed.Peer) bool) (out []embed.Peer) {
	members, ok := agreed(me, words)
	if !ok {
		return nil
	}
	for _, p := range peers {
		if slices.ContainsFunc(members, func(w word) bool { return w.ID == p.ID }) {
			continue
		}
		name := p.Name
		if i := slices.IndexFunc(words, func(w word) bool { return w.ID == p.ID }); i >= 0 {
			name = words[i].Name
		}
		if away(p) || slices.ContainsFunc(members, func(w word) bool { return slices.Contains(w.Dropped, name) }) {
			out = append(out, embed.Peer{Name: name, ID: p.ID})
		}
	}
	return out
}

// listing tells whether a member other than this one lists it.
func listing(me string, words []word) bool {
	return slices.ContainsFunc(words, func(w word) bool {
		list, _ := w.members()
		return w.Name != me && slices.Contains(list, me)
	})
}

// unlisted returns the other members that know all names in their lists, if there are any and this one is in none.
func unlisted(me string, words []word) (by []string) {
	for _, w := range words {
		switch list, complete := w.members(); {
		case w.Name == me:
		case slices.Contains(list, me):
			return nil
		case complete && len(list) > 0:
			by = append(by, w.Name)
		}
	}
	return by
}
