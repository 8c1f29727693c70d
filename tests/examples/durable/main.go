// Durable prints every outage event once it is committed, also those from before it was started: the stream keeps its
// place under the name "my-tool".
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func main() {
	url := append(os.Args, nats.DefaultURL)[1] // nats://127.0.0.1:4222
	fmt.Fprintln(os.Stderr, follow(context.Background(), url))
	os.Exit(1)
}

// follow returns what went wrong. After a lost connection it goes on where it was.
func follow(ctx context.Context, url string) error {
	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	consumer, err := js.CreateOrUpdateConsumer(ctx, events.StreamOutages, jetstream.ConsumerConfig{Durable: "my-tool"})
	if err != nil {
		return err
	}
	msgs, err := consumer.Messages()
	if err != nil {
		return err
	}
	for {
		msg, err := msgs.Next()
		if err != nil {
			return err
		}
		if o, err := events.Decode[events.Outage](msg.Subject(), msg.Data()); err != nil {
			fmt.Fprintln(os.Stderr, err) // broken, or of a later version: not for us
		} else {
			fmt.Println(o.Event, o.Check, "down:", o.Witnesses(events.Down), "up:", o.Witnesses(events.Up))
		}
		if err := msg.Ack(); err != nil { // it will come again
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
