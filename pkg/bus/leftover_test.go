package bus_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// What an interrupted attempt to carry a history over left in the cluster is taken away; a stream that is not from there
// is not touched, and nothing is carried over then.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		ours    bool // the stream has the mark of this node's history
		carried bool
	}{
		{"of an interrupted attempt", true, true},
		{"of somebody else", false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			data := []string{t.TempDir(), t.TempDir()}
			want := keptAlone(t, data[0], "", 4)
			single := bustest.On(t, data[0])
			s, err := single.Bus(0).JetStream().Stream(within(t), events.StreamOutages)
			must(t, err)
			id := fmt.Sprintf("n0 %d %d", s.CachedInfo().Created.UnixNano(), s.CachedInfo().State.LastSeq)
			single.Stop(0)

			addr := []string{freePort(t), freePort(t)}
			var log lockedBuffer
			var members []*bus.Bus
			for i := range 2 {
				o := pairOptions(fmt.Sprintf("n%d", i), data[i], addr[i], addr[1-i], &log)
				o.Log = zerolog.New(&log).Level(zerolog.InfoLevel)
				b, err := bus.Open(within(t), o)
				must(t, err)
				defer func() { _ = b.Close(within(t)) }()
				members = append(members, b)
			}
			left := jetstream.StreamConfig{Name: events.StreamOutages, Subjects: []string{events.AllPropose}, AllowDirect: true, Replicas: 2}
			if tc.ours {
				left.Metadata = map[string]string{"dmonitor.history": id}
			}
			eventually(t, "a stream is left over", func() bool {
				_, err := members[1].JetStream().CreateStream(shortly(t), left) // nobody answers before they have elected
				return err == nil
			})
			// While it is not known what is in the streams, nobody takes anything out of them or makes a consumer.
			if err := members[1].ConsumeOutages(shortly(t), nil); err == nil {
				t.Error("consumed")
			}
			if names := slices.Collect(consumersOf(t, members[1])); len(names) > 0 {
				t.Errorf("consumers %q were made too early", names)
			}
			seq := propose(t, members[1], opened(check("left.example.com"), "n1"), 0)

			ready := make(chan error, 1)
			go func() { ready <- members[1].Ready(within(t)) }()
			must(t, members[0].Ready(within(t)))
			must(t, receive(t, "the other member is ready", ready))
			if tc.carried {
				sameHistory(t, "carried over", history(t, members[0]), want)
				return
			}
			if got := history(t, members[0]); len(got) != 1 || got[0].Seq != seq {
				t.Errorf("the other's stream was touched: %+v", got)
			}
			if got := folders(t, data[0], "bus-single"); !slices.Equal(got, []string{"bus-single"}) || !strings.Contains(log.String(), "stays in") {
				t.Errorf("its own history is in %q\n%s", got, &log)
			}
			if !strings.Contains(log.String(), "nothing is carried over") {
				t.Errorf("not told:\n%s", &log)
			}
		})
	}
}

// consumersOf are the names of the consumers of the log.
func consumersOf(t *testing.T, b *bus.Bus) func(func(string) bool) {
	t.Helper()
	return func(yield func(string) bool) {
		s, err := b.JetStream().Stream(within(t), events.StreamOutages)
		must(t, err)
		for name := range s.ConsumerNames(within(t)).Name() {
			if !yield(name) {
				return
			}
		}
	}
}
