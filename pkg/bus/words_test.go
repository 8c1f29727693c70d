package bus

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/bus/embed"
)

// says is the word of a member: its list, and who it has dropped from it. A "?" in the list is one that doesn't answer.
func says(name string, list []string, dropped ...string) word {
	w := word{Name: name, ID: "id-" + name, Dropped: dropped}
	for _, n := range list {
		l := embed.Listed{Addr: n + ":2929", Name: n}
		if n == "?" {
			l.Name = ""
		}
		w.Listed = append(w.Listed, l)
	}
	return w
}

func list(names ...string) []string { return names }

// Who is taken out of the majority, and when, while nodes.txt is edited on one host after the other.
func TestRetired(t *testing.T) {
	for _, tc := range []struct {
		name  string
		words []word
		away  []string // for long
		want  []string
	}{
		{"nothing has changed", []word{says("a", list("a", "b", "c")), says("b", list("a", "b", "c")), says("c", list("a", "b", "c"))}, nil, nil},
		{"only one host was edited", []word{says("a", list("a", "b"), "c"), says("b", list("a", "b", "c")), says("c", list("a", "b", "c"))}, nil, nil},
		{"both were edited", []word{says("a", list("a", "b"), "c"), says("b", list("a", "b")), says("c", list("a", "b", "c"))}, nil, []string{"c"}},
		{"both were edited, and it is off", []word{says("a", list("a", "b")), says("b", list("a", "b"), "c")}, nil, []string{"c"}},
		{"both know nothing of it, and it is there: about to be listed", []word{says("a", list("a", "b")), says("b", list("a", "b")), says("c", list("a", "b", "c"))}, nil, nil},
		{"both know nothing of it, and it has been away for long", []word{says("a", list("a", "b")), says("b", list("a", "b"))}, list("c"), []string{"c"}},
		{"one of those who stay is away", []word{says("a", list("a", "?"), "c")}, list("c"), nil},
		{"one of those who stay doesn't answer", []word{says("a", list("a", "b"), "c")}, list("c"), nil},
		{"the leader is the one that goes", []word{says("b", list("b", "c"), "a"), says("c", list("b", "c"), "a"), says("a", list("a", "b", "c"))}, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var peers []embed.Peer
			for _, n := range list("a", "b", "c") {
				peers = append(peers, embed.Peer{Name: n, ID: "id-" + n})
			}
			var got []string
			for _, p := range retired("a", tc.words, peers, func(p embed.Peer) bool { return slices.Contains(tc.away, p.Name) }) {
				got = append(got, p.Name)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A node learns that it is no member when those it hears list others, and none lists it.
func TestUnlisted(t *testing.T) {
	for _, tc := range []struct {
		name  string
		words []word
		want  []string
	}{
		{"listed by one", []word{says("a", list("a", "b", "c")), says("b", list("b", "c")), says("c", list("a", "b", "c"))}, nil},
		{"listed by none", []word{says("a", list("a", "b", "c")), says("b", list("b", "c")), says("c", list("b", "c"))}, []string{"b", "c"}},
		{"one that doesn't know a name in its list may mean this one", []word{says("a", list("a", "b")), says("b", list("?", "b"))}, nil},
		{"nobody else there", []word{says("a", list("a", "b"))}, nil},
		{"one that knows nothing yet", []word{says("a", list("a", "b")), says("b", nil)}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := unlisted("a", tc.words); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// Whose history is carried over: the one with the newest outage, of several the one whose name comes first.
func TestKeeper(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	had := func(name string, newest time.Time) word {
		w := says(name, nil)
		w.History = &history{ID: name, Newest: newest}
		return w
	}
	for _, tc := range []struct {
		name  string
		words []word
		want  string
		none  bool
	}{
		{"nobody has one", []word{says("a", nil), says("b", nil)}, "a", true},
		{"one has", []word{says("a", nil), had("b", now)}, "b", false},
		{"the newest", []word{had("a", now.Add(-time.Hour)), had("b", now), had("c", now.Add(-time.Minute))}, "b", false},
		{"as new as another's", []word{had("a", now), had("b", now)}, "a", false},
		{"one without outages, but with other things", []word{says("a", nil), had("b", time.Time{})}, "b", false},
		{"one with, one without", []word{had("a", time.Time{}), had("b", now)}, "b", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, h := keeper(tc.words); got != tc.want || (h == nil) != tc.none {
				t.Errorf("got %q, %+v; want %q", got, h, tc.want)
			}
		})
	}
}

// Who was in the list once is remembered when it isn't any more; who is unknown for a moment is not taken for gone.
func TestListedLearns(t *testing.T) {
	at := func(names ...string) []embed.Listed { return says("", names).Listed }
	var l listed
	step := func(now []embed.Listed, want ...string) {
		t.Helper()
		if l.learn(now); !slices.Equal(l.dropped, want) {
			t.Errorf("after %v: dropped %q, want %q", now, l.dropped, want)
		}
	}
	step(at("a", "b", "c"))
	step([]embed.Listed{{Addr: "a:2929", Name: "a"}, {Addr: "b:2929"}, {Addr: "c:2929", Name: "c"}})
	if got, want := l.known(), (known{"a:2929": "a", "b:2929": "b", "c:2929": "c"}); !maps.Equal(got, want) {
		t.Errorf("known are %v, want %v", got, want)
	}
	step(at("a", "b"), "c")
	if got, want := l.known(), (known{"a:2929": "a", "b:2929": "b"}); !maps.Equal(got, want) {
		t.Errorf("known are %v, want %v", got, want)
	}
	step(at("a", "b"), "c")
	step(at("a", "b", "c"))
	step(at("a", "?")) // who is behind the new address may be b or c
	step([]embed.Listed{{Addr: "a:2929", Name: "a"}, {Addr: "?:2929", Name: "b"}}, "c")
}

// Whose turn it is to make the streams is known when all members have said what they bring along, not before.
func TestTurn(t *testing.T) {
	old := says("b", nil)
	old.History = &history{ID: "b"}
	for _, tc := range []struct {
		name  string
		words []word
		want  string
	}{
		{"two of three", []word{says("a", nil), says("b", nil)}, "2 of 3 members have said what they bring along: a, b"},
		{"mine", []word{says("a", nil), says("b", nil), says("c", nil)}, ""},
		{"another one has a history", []word{says("a", nil), old, says("c", nil)}, "the member b carries over its history"},
		{"another one's name comes first", []word{says("A", nil), says("a", nil), says("b", nil)}, "the member A makes the streams"},
		{"a stranger has answered as well", []word{says("a", nil), says("b", nil), says("c", nil), says("d", nil)}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ""
			if _, err := whoseTurn("a", 3, tc.words); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A copy is complete when its holder says so, whatever the log's leader thinks of it.
func TestSame(t *testing.T) {
	info := &jetstream.StreamInfo{
		State:   jetstream.StreamState{Msgs: 4, LastSeq: 6},
		Cluster: &jetstream.ClusterInfo{Leader: "a", Replicas: []*jetstream.PeerInfo{{Name: "b", Current: true}}},
	}
	info.Config.Name = "S"
	has := func(name string, msgs, last uint64) word {
		w := says(name, nil)
		w.Copies = copies{"S": {Msgs: msgs, Last: last}}
		return w
	}
	for _, tc := range []struct {
		name  string
		words []word
		want  bool
	}{
		{"both have it", []word{has("a", 4, 6), has("b", 4, 6)}, true},
		{"one has nothing yet", []word{has("a", 4, 6), says("b", nil)}, false},
		{"one lacks the last", []word{has("a", 4, 6), has("b", 3, 5)}, false},
		{"one lacks one in between", []word{has("a", 4, 6), has("b", 3, 6)}, false},
		{"one doesn't answer", []word{has("a", 4, 6)}, false},
		{"who has no copy is not asked for one", []word{has("a", 4, 6), has("b", 4, 6), says("c", nil)}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := same("S", info, tc.words); (err == nil) != tc.want {
				t.Errorf("got %v", err)
			}
		})
	}
	for have, want := range map[embed.Copy]bool{{Msgs: 4, Last: 6}: true, {Msgs: 4, Last: 5}: false, {Msgs: 3, Last: 6}: false, {Msgs: 4, Last: 7}: true} {
		if err := behind(info, copies{"S": have}); (err == nil) != want {
			t.Errorf("%+v: %v", have, err)
		}
	}
	if behind(info, nil) == nil {
		t.Error("no copy at all is not behind")
	}
}
