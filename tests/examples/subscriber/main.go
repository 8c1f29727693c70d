// Subscriber prints outage events as they are committed.
package main

import (
	"fmt"
	"os"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func main() {
	url := append(os.Args, nats.DefaultURL)[1] // nats://127.0.0.1:4222
	fmt.Fprintln(os.Stderr, listen(url))
	os.Exit(1)
}

// listen returns what went wrong. It outlives a lost connection, but what is committed meanwhile it doesn't see.
func listen(url string) error {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	msgs := make(chan *nats.Msg, 256)
	if _, err := nc.ChanSubscribe(events.AllOutages, msgs); err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "listening")
	for msg := range msgs {
		o, err := events.Decode[events.Outage](msg.Subject, msg.Data)
		if err != nil {
			fmt.Fprintln(os.Stderr, err) // broken, or of a later version: not for us
			continue
		}
		fmt.Println(o.Event, o.Check, "down:", o.Witnesses(events.Down), "up:", o.Witnesses(events.Up))
	}
	return nc.LastError()
}
