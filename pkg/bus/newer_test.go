package bus_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// What only a newer version can read is given back to whoever can, and said in the log: of outages, of troubles and of
// notices, whether it is the version or the kind that is unknown. What comes after it is not held up.
func TestNewerMessagesAreLeft(t *testing.T) {
	var log lockedBuffer
	b := openReady(t, bus.Options{Node: "alone", Data: t.TempDir(), ClientListen: "127.0.0.1:0", Log: zerolog.New(&log)})
	defer func() { must(t, b.Close(within(t))) }()
	ctx, stop := context.WithCancel(within(t))
	defer stop()

	noted := opened(check("noted.example.com"), "n9")
	note := notice(noted, "ops@example.com")
	sick := nodeGone("fra")
	disk := notice(opened(check("x"), "n9"), "ops@example.com")
	disk.Outage, disk.Trouble, disk.ID = events.Outage{}, &sick, events.TroubleNoticeID(sick.ID, "ops@example.com")
	var newer []string
	put := func(m events.Message, pairs ...string) {
		data, err := events.Encode(m)
		must(t, err)
		swap := strings.NewReplacer(pairs...)
		subject := swap.Replace(m.Subject())
		_, err = b.JetStream().Publish(ctx, subject, []byte(swap.Replace(string(data))))
		must(t, err)
		newer = append(newer, subject)
	}
	put(&noted, "opened", "noted")
	other := opened(check("two.example.com"), "n9")
	put(&other, `"v":1`, `"v":2`)
	put(&sick, "began", "noted")
	ill := nodeGone("nyc")
	put(&ill, `"kind":"node"`, `"kind":"disk"`, "trouble.began.node.nyc", "trouble.began.disk.nyc")
	put(&note, `"v":1`, `"v":2`)
	put(&disk, `"kind":"node"`, `"kind":"disk"`)

	after := opened(check("after.example.com"), "n0")
	propose(t, b, after, 0)
	must(t, b.PutNotice(ctx, notice(after, "ops@example.com")))
	went := make(chan string, 10)
	go func() {
		_ = b.ConsumeOutages(ctx, func(_ context.Context, c bus.Committed) error { went <- c.ID; return nil })
	}()
	go func() {
		_ = b.ConsumeNotices(ctx, 1, func(ctx context.Context, task *bus.Task) { went <- task.ID; must(t, task.Done(ctx)) })
	}()
	go func() { _ = b.ConsumeTroubles(ctx, func(context.Context, bus.CommittedTrouble) error { return nil }) }()
	got := map[string]bool{receive(t, "what came after", went): true, receive(t, "what came after", went): true}
	if !got[after.ID] || !got[notice(after, "ops@example.com").ID] {
		t.Errorf("handled %v", got)
	}
	for _, subject := range newer {
		eventually(t, "a line about "+subject, func() bool {
			return strings.Contains(log.String(), "message on "+subject+" is left to a newer member")
		})
	}
	for _, stream := range []string{events.StreamOutages, events.StreamTroubles} {
		c, err := b.JetStream().Consumer(ctx, stream, events.ConsumerFanOut)
		must(t, err)
		eventually(t, stream+" keeps two for a newer member", func() bool {
			info, err := c.Info(ctx)
			return err == nil && info.NumAckPending == 2 && info.NumPending == 0
		})
	}
	if n := pending(t, b); n != 2 {
		t.Errorf("%d notices wait, want the two that only a newer member can send", n)
	}

	_, err := b.JetStream().Publish(ctx, "$KV.CONFIG.n9", []byte(`{"v":2,"node":"n9"}`))
	must(t, err)
	_, err = b.LastOutages(ctx)
	must(t, err)
	_, err = b.Contributions(ctx)
	must(t, err)
	for _, subject := range []string{"dmonitor.propose.opened.ssh.two.example.com", "$KV.CONFIG.n9"} {
		if !strings.Contains(log.String(), "stored message on "+subject+" can't be read") {
			t.Errorf("nothing in the log about %s", subject)
		}
	}
}

// An event that this version doesn't know moves the sequence that the next proposal has to follow, also if it is the only
// one that the check has.
func TestUnknownEventDoesNotBlock(t *testing.T) {
	b := openReady(t, bus.Options{Node: "alone", Data: t.TempDir(), ClientListen: "127.0.0.1:0"})
	defer func() { must(t, b.Close(within(t))) }()
	ctx := within(t)
	for i, before := range []bool{false, true} {
		c := check(hostN(i))
		last := uint64(0)
		if before {
			last = propose(t, b, opened(c, "n0"), 0)
		}
		msg := nats.NewMsg(events.ProposeSubject("noted", c))
		msg.Data = []byte(`{"v":1,"event":"noted"}`)
		ack, err := b.JetStream().PublishMsg(ctx, msg, jetstream.WithExpectLastSequenceForSubject(last, events.ProposeFilter(c)))
		must(t, err)
		got, err := b.LastOutage(ctx, c)
		if errors.Is(err, bus.ErrNotFound) != !before || got.Seq != ack.Sequence || got.Check != c {
			t.Errorf("last event, with one before %v: %+v, %v; want sequence %d", before, got, err, ack.Sequence)
		}
		next := opened(c, "n0")
		if before {
			next = closed(next)
		}
		if _, err := b.Propose(ctx, next, last); !errors.Is(err, bus.ErrConflict) {
			t.Errorf("a proposal that doesn't follow it: %v, want ErrConflict", err)
		}
		if _, err := b.Propose(ctx, next, got.Seq); err != nil {
			t.Errorf("a proposal that follows it: %v", err)
		}
	}
}
