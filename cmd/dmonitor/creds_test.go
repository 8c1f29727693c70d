package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// keyedBus is a member with a cluster key.
func keyedBus(t *testing.T) (*bus.Bus, *key.Ring) {
	t.Helper()
	ring, err := key.Parse("cluster.key", []byte(key.New()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b, err := bus.Open(ctx, bus.Options{
		Node: "a", Data: t.TempDir(), ClientListen: "127.0.0.1:0", Key: func() *key.Ring { return ring },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBus(b) })
	if err := b.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return b, ring
}

// A client that knows nothing of dmonitor is given one file, as its credentials and as its certificate authority, and
// hears of outages. It can do nothing else.
func TestForeignReader(t *testing.T) {
	t.Parallel()
	b, ring := keyedBus(t)
	text, _, err := ring.Mint(events.CredentialReader, "grafana", time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "grafana.creds")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 8)
	nc, err := nats.Connect(b.ClientURL(), nats.UserCredentials(file), nats.RootCAs(file),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	heard, err := nc.SubscribeSync(events.AllOutages)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := b.Conn().Publish("dmonitor.outages.opened.ssh.www.example.com", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if msg, err := heard.NextMsg(patience); err != nil || string(msg.Data) != "x" {
		t.Errorf("heard %v, %v", msg, err)
	}
	for what, do := range map[string]func() error{
		"publish an outage": func() error { return nc.Publish("dmonitor.outages.opened.ssh.a", nil) },
		"publish a result":  func() error { return nc.Publish("dmonitor.results.a.ssh.a", nil) },
		"hear of results":   func() error { _, err := nc.SubscribeSync(events.AllResults); return err },
		"hear everything":   func() error { _, err := nc.SubscribeSync(">"); return err },
		"ask JetStream":     func() error { return nc.PublishRequest("$JS.API.INFO", "dmonitor.outages.x", nil) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(patience):
			t.Errorf("%s: allowed", what)
		}
	}
	// Without either half of the file there is no way in.
	for what, opt := range map[string]nats.Option{"the credentials": nats.UserCredentials(file), "the authority": nats.RootCAs(file)} {
		if nc, err := nats.Connect(b.ClientURL(), opt); err == nil {
			nc.Close()
			t.Errorf("let in with %s alone", what)
		}
	}
}

// What an operator may do is exactly what the commands ask: they work, and everything that changes something doesn't.
func TestOperatorRights(t *testing.T) {
	t.Parallel()
	b, ring := keyedBus(t)
	text, _, err := ring.Mint(events.CredentialOperator, "ann", time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ann.creds")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 8)
	nc, err := nats.Connect(b.ClientURL(), nats.UserCredentials(file), nats.RootCAs(file),
		nats.CustomInboxPrefix(events.InboxPrefix(events.CredentialOperator, "ann")),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, subject := range []string{
		"$JS.API.STREAM.DELETE.OUTAGES", "$JS.API.STREAM.PURGE.OUTAGES", "$JS.API.STREAM.UPDATE.OUTAGES", "$JS.API.STREAM.CREATE.X",
		"$JS.API.STREAM.MSG.DELETE.OUTAGES", "$JS.API.STREAM.SNAPSHOT.OUTAGES", "$JS.API.STREAM.RESTORE.X", "$JS.API.STREAM.LEADER.STEPDOWN.OUTAGES",
		"$JS.API.CONSUMER.CREATE.OUTAGES.fan-out", "$JS.API.CONSUMER.DELETE.OUTAGES.fan-out", "$JS.API.CONSUMER.MSG.NEXT.NOTICES.send",
		"$JS.API.CONSUMER.PAUSE.OUTAGES.fan-out", "$JS.API.CONSUMER.DURABLE.CREATE.RESULTS.x", "$JS.ACK.OUTAGES.fan-out.1.1.1.1.1",
		"$JS.API.STREAM.MSG.GET.NOTICES", "$JS.API.META.LEADER.STEPDOWN", "$JS.API.SERVER.REMOVE", "$SYS.REQ.SERVER.PING",
		"$KV.CONFIG.a", "$KV.LEASES.scheduler", "dmonitor.propose.opened.ssh.a", "dmonitor.propose-trouble.ended.node.b",
		"dmonitor.outages.opened.ssh.a", "dmonitor.results.a.ssh.a", "dmonitor.presence.a", "dmonitor.jobs.a", "dmonitor.confirm.ssh.a",
		"dmonitor.uncommitted.a", "dmonitor.told.a", "dmonitor.notices.x", "dmonitor.deliveries.sent.x", "dmonitor.config.a", "_INBOX.x",
	} {
		if err := nc.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), subject) {
				t.Errorf("%s: %v", subject, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s: allowed", subject)
		}
	}
	for _, subject := range []string{">", "_INBOX.>", "_INBOX_operator_bob.>", "dmonitor.>", "$KV.>", "$SYS.>", "dmonitor.jobs.a"} {
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		select {
		case <-refused:
		case <-time.After(patience):
			t.Errorf("subscribe to %s: allowed", subject)
		}
	}
	// And what the commands do, works.
	o, err := bus.Open(t.Context(), bus.Options{URL: b.ClientURL(), Creds: file, Node: "elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBus(o)
	if err := waitConnected(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t.Context(), o, nil); err != nil {
		t.Errorf("status: %v", err)
	}
	if v, err := askNodes(t.Context(), o); err != nil || v.Trouble != "" || len(v.Nodes) != 1 {
		t.Errorf("nodes: %+v, %v", v, err)
	}
	if err := o.Outages(t.Context(), time.Time{}, func(bus.Committed) error { return nil }); err != nil {
		t.Errorf("outages: %v", err)
	}
	if _, err := o.LastResults(t.Context()); err != nil {
		t.Errorf("results: %v", err)
	}
	if s, err := ask(t.Context(), o, nil); err != nil || s.Trouble != "" {
		t.Errorf("status: %+v, %v", s, err)
	}
}

// Times of validity, and what is none.
func TestParseSpan(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"90d": 90 * 24 * time.Hour, "2160h": 90 * 24 * time.Hour, "1.5d": 36 * time.Hour, "1m": time.Minute, "36500d": longest,
		"1h30m": 90 * time.Minute,
	} {
		if got, err := parseSpan(s); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"90":     `"90" is no time: write for example 90d or 36h`,
		"d":      `"d" is no time: write for example 90d or 36h`,
		"1d12h":  `"1d12h" is no time: write for example 90d or 36h`,
		"-1d":    `"-1d": want a minute at least and a hundred years at most`,
		"0d":     `"0d": want a minute at least and a hundred years at most`,
		"59s":    `"59s": want a minute at least and a hundred years at most`,
		"1e300d": `"1e300d": want a minute at least and a hundred years at most`,
		"NaNd":   `"NaNd": want a minute at least and a hundred years at most`,
		"36501d": `"36501d": want a minute at least and a hundred years at most`,
	} {
		if got, err := parseSpan(s); err == nil || err.Error() != want {
			t.Errorf("%s: %v, %v\nwant %s", s, got, err, want)
		}
	}
}

// FuzzParseSpan: what is accepted is a time that can be added to now.
func FuzzParseSpan(f *testing.F) {
	for _, s := range []string{"90d", "36h", "1.5d", "-1d", "NaNd", "Infd", "1e400d", "0x1p-2d", "9223372036854775807ns", "d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseSpan(s)
		if err == nil && (d < time.Minute || d > longest) {
			t.Errorf("%q: %v", s, d)
		}
	})
}
