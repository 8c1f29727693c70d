package bus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
)

// A cluster that starts for the first time, loses a member in good order, gets it back and stops says nothing that sounds
// like trouble, but that a member is away.
func TestOrdinaryLifeIsQuiet(t *testing.T) {
	addrs := []string{freePort(t), freePort(t), freePort(t)}
	var log lockedBuffer
	opts := make([]bus.Options, len(addrs))
	for i, addr := range addrs {
		name := fmt.Sprintf("mon%d", i)
		opts[i] = bus.Options{
			Node: name, Nodes: addrs, Listen: addr, ClientListen: "127.0.0.1:0", Data: t.TempDir(),
			Log: zerolog.New(&log).With().Timestamp().Str("node", name).Logger(),
		}
	}
	open := func(i int) *bus.Bus {
		b, err := bus.Open(within(t), opts[i])
		must(t, err)
		return b
	}
	var members []*bus.Bus
	for i := range opts {
		members = append(members, open(i))
		if i == 0 { // The first one is alone for a while, as it is where people start one host after the other.
			alone(t, members[0])
		}
	}
	readyAll(t, members)
	propose(t, members[0], opened(check("a.example.com"), "mon0"), 0)
	must(t, members[2].Close(within(t)))
	propose(t, members[0], opened(check("b.example.com"), "mon0"), 0)
	members[2] = open(2)
	readyAll(t, members)
	eventually(t, "the member is caught up with", func() bool {
		_, err := members[2].LastOutage(within(t), check("b.example.com"))
		return err == nil
	})
	var wg sync.WaitGroup
	for _, b := range members {
		wg.Go(func() {
			if err := b.Close(within(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, line := range loud(t, log.String()) {
		t.Error(line)
	}
}

// alone waits until a member has found nobody for longer than the server is patient.
func alone(t *testing.T, b *bus.Bus) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	if err := b.Ready(ctx); err == nil {
		t.Fatal("one of three is ready")
	}
}

func readyAll(t *testing.T, members []*bus.Bus) {
	t.Helper()
	var wg sync.WaitGroup
	for _, b := range members {
		wg.Go(func() {
			if err := b.Ready(within(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// loud picks the warnings and errors, but those that name the member that is away.
func loud(t *testing.T, log string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(log) {
		var entry struct{ Level, Message string }
		must(t, json.Unmarshal([]byte(line), &entry))
		away := strings.HasPrefix(entry.Message, "lost the connection to the member mon")
		if !away && slices.Contains([]string{"warn", "error"}, entry.Level) {
			out = append(out, line)
		}
	}
	return out
}
