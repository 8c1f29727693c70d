package bus_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
)

// A lone node opens its bus, commits an event and reads it back.
func Example() {
	data, err := os.MkdirTemp("", "dmonitor")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(data)
	ctx := context.Background()
	b, err := bus.Open(ctx, bus.Options{Node: "mon1", Data: data, ClientListen: "127.0.0.1:0", Log: zerolog.Nop()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close(ctx)
	if err := b.Ready(ctx); err != nil {
		fmt.Println(err)
		return
	}

	event := opened(check("www.example.com"), "mon1")
	seq, err := b.Propose(ctx, event, 0)
	fmt.Println("committed as", seq, err)

	event.By = "mon2" // another arbiter comes to the same conclusion, later
	_, err = b.Propose(ctx, event, 0)
	fmt.Println("too late:", errors.Is(err, bus.ErrConflict))

	last, err := b.LastOutage(ctx, event.Check)
	fmt.Println(last.Event, last.Check, "by", last.By, err)
	// Output:
	// committed as 1 <nil>
	// too late: true
	// opened www.example.com/ssh by mon1 <nil>
}
