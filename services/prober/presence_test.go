package prober

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
)

// While the bus is away, which the bus tells, the prober doesn't complain that it isn't heard.
func TestQuietWithoutABus(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), patient)
	defer stop()
	b, err := bus.Open(ctx, bus.Options{URL: "nats://127.0.0.1:1", Node: "tokyo", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	var log bytes.Buffer // read when Run has returned
	p, err := New(Options{Bus: b, Node: "tokyo", PluginDirs: []string{t.TempDir()}, Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	short, end := context.WithTimeout(ctx, 100*time.Millisecond)
	defer end()
	if err := p.Run(short); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"is there", "leaves"} {
		if !strings.Contains(log.String(), `"level":"debug","error":"publish on `) || !strings.Contains(log.String(), "could not say that this node "+want) {
			t.Errorf("nothing said of %q at debug level", want)
		}
	}
	if strings.Contains(log.String(), `"level":"warn"`) {
		t.Errorf("complained:\n%s", &log)
	}
}
