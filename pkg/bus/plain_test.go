package bus_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
)

// A plain client is ready when it is connected, on a bus whose streams nobody has made, and not before.
func TestPlainIsReadyWhenConnected(t *testing.T) {
	o := bus.Options{URL: "nats://127.0.0.1:1", Node: "tokyo-1", Plain: true, Log: zerolog.Nop()}
	b, err := bus.Open(within(t), o)
	must(t, err)
	short, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	if err := b.Ready(short); err == nil || !strings.Contains(err.Error(), "no answer from "+o.URL) {
		t.Errorf("ready without a bus: %v, want an error that names its address", err)
	}
	must(t, b.Close(within(t)))

	member, err := bus.Open(within(t), bus.Options{Node: "alone", Data: t.TempDir(), ClientListen: "127.0.0.1:0", Log: zerolog.Nop()})
	must(t, err)
	t.Cleanup(func() { must(t, member.Close(context.Background())) })
	o.URL = member.ClientURL()
	b, err = bus.Open(within(t), o)
	must(t, err)
	must(t, b.Ready(within(t)))
	must(t, b.Close(within(t)))
	if _, err := bus.Open(within(t), bus.Options{Node: "tokyo-1", Plain: true, Data: t.TempDir()}); err == nil {
		t.Error("a plain member was opened")
	}
}
