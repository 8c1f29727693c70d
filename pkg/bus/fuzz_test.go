package bus

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/bus/embed"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// FuzzRemembered: what catalog.json holds is contributions that the bus would take, or nothing at all; and what was read is
// written and read again as the same.
func FuzzRemembered(f *testing.F) {
	m := memory{folder: f.TempDir()}
	if err := m.put([]events.Contribution{contributed("paris", "www.example.com"), contributed("oslo", "db.example.com")}); err != nil {
		f.Fatal(err)
	}
	sample, err := os.ReadFile(filepath.Join(m.folder, rememberFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add(sample[:len(sample)/2])
	f.Add(append(slices.Clone(sample), sample...))
	f.Add([]byte(`{"v":1,"contributions":{"a/b":{}}}`))
	f.Add([]byte(`{"v":1,"contributions":null} `))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := decodeRemembered(data)
		if err != nil {
			if len(all) > 0 {
				t.Errorf("%d contributions beside the error", len(all))
			}
			return
		}
		for _, c := range all {
			if err := c.Validate(); err != nil {
				t.Errorf("accepted, but: %v", err)
			}
		}
		again := memory{folder: t.TempDir()}
		if err := again.put(all); err != nil {
			t.Fatalf("accepted, but can't be kept: %v", err)
		}
		next, err := again.get()
		if err != nil || !reflect.DeepEqual(events.Merge(next), events.Merge(all)) {
			t.Errorf("kept and read: %v\n%+v\nwant\n%+v", err, next, all)
		}
	})
}

// FuzzWords: whatever answers when the members are asked who they are, nobody whom the members list is taken out of the
// majority, a history is carried over by the member that has it, and it is one member's turn at most.
func FuzzWords(f *testing.F) {
	add := func(words ...word) {
		data, err := json.Marshal(words)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "a", "id-c")
	}
	abc := list("a", "b", "c")
	withHistory := says("b", abc)
	withHistory.History = &history{ID: "b 1 2", Newest: time.Unix(1, 0).UTC(), Outages: 3}
	add(says("a", abc), says("b", abc), says("c", abc))
	add(says("a", list("a", "b"), "c"), says("b", list("a", "b")), says("c", abc))
	add(says("a", list("a", "?"), "c"), withHistory)
	f.Fuzz(func(t *testing.T, data []byte, me, peer string) {
		var words []word
		if json.Unmarshal(data, &words) != nil {
			return
		}
		words = slices.CompactFunc(words, func(a, b word) bool { return a.Name == b.Name })
		members, ok := agreed(me, words)
		out := retired(me, words, []embed.Peer{{Name: "?", ID: peer}}, func(embed.Peer) bool { return true })
		if len(out) > 0 && (!ok || slices.ContainsFunc(members, func(w word) bool { return w.ID == peer })) {
			t.Errorf("%q is taken out of the majority; agreed: %t, members %+v", peer, ok, members)
		}
		if ok && !slices.ContainsFunc(members, named(me)) {
			t.Errorf("agreed without %q: %+v", me, members)
		}
		if name, h := keeper(words); h != nil && !slices.ContainsFunc(words, func(w word) bool { return w.Name == name && w.History != nil }) {
			t.Errorf("the history of %q is to be carried over, who has none", name)
		}
		turns := 0
		var seen []string
		for _, w := range words {
			if _, err := whoseTurn(w.Name, len(words), words); err == nil && !slices.Contains(seen, w.Name) {
				turns++
				seen = append(seen, w.Name)
			}
		}
		if turns > 1 {
			t.Errorf("it is the turn of %q at once", seen)
		}
		if by := unlisted(me, words); len(by) > 0 && listing(me, words) {
			t.Errorf("%q is unlisted, by %q, and listed", me, by)
		}
	})
}

// FuzzStored: whatever headers a stored message has, it is read with its sequence and time, or refused; and what is said to
// be a committed event is one.
func FuzzStored(f *testing.F) {
	f.Add("7", "2026-01-02T03:04:05.000000006Z", "dmonitor.propose.opened.ssh.www.example.com", []byte(`{}`))
	f.Add("-1", "", "dmonitor.outages.closed.ssh.www.example.com", []byte(`{"v":1}`))
	f.Add("18446744073709551616", "yesterday", "dmonitor.outages.burst.ssh.a", []byte(`null`))
	f.Fuzz(func(t *testing.T, seq, at, subject string, data []byte) {
		msg := nats.NewMsg(subject)
		msg.Data = data
		msg.Header.Set(jetstream.SequenceHeader, seq)
		msg.Header.Set(jetstream.TimeStampHeaer, at)
		msg.Header.Set(jetstream.SubjectHeader, subject)
		for _, read := range []func(*nats.Msg) (stored, error){fromDirect, fromRepublished} {
			m, err := read(msg)
			if err != nil {
				if m.seq != 0 || m.data != nil {
					t.Errorf("%+v beside the error", m)
				}
				continue
			}
			c, known, err := toCommitted(m)
			if known && (err != nil || c.Validate() != nil || c.Seq != m.seq) {
				t.Errorf("taken for a committed event: %+v (%v)", c, err)
			}
		}
	})
}

// FuzzAPIAnswer: what the server's API answers is an error, or means that there is none.
func FuzzAPIAnswer(f *testing.F) {
	f.Add([]byte(`{"type":"x"}`))
	f.Add([]byte(`{"error":{"code":500,"err_code":10047,"description":"no"}}`))
	f.Add([]byte(`{"error":null}`))
	f.Add([]byte(`-ERR`))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := apiError(data)
		var answer map[string]json.RawMessage
		if json.Unmarshal(data, &answer) != nil {
			if err == nil && string(data) != "null" && json.Valid(data) {
				t.Errorf("%q was taken for a good answer", data)
			}
			return
		}
		api := &jetstream.APIError{}
		if raw, ok := answer["error"]; ok && string(raw) != "null" && err == nil {
			t.Errorf("the error in %q was lost", data)
		} else if err != nil && errors.As(err, &api) && !ok && len(answer) == 0 {
			t.Errorf("an error out of nothing: %v", err)
		}
	})
}
