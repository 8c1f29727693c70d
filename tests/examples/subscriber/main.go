// Subscriber prints outage events as they are committed.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func main() {
	url := append(os.Args, nats.DefaultURL)[1] // nats://127.0.0.1:4222
	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		log.Fatal(err)
	}
	msgs := make(chan *nats.Msg, 256)
	if _, err := nc.ChanSubscribe(events.AllOutages, msgs); err != nil {
		log.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		log.Fatal(err)
	}
	log.Print("listening")
	for msg := range msgs {
		o, err := events.Decode[events.Outage](msg.Subject, msg.Data)
		if err != nil {
			log.Print(err) // broken, or of a later version: not for us
			continue
		}
		fmt.Println(o.Event, o.Check, "down:", o.Witnesses(events.Down), "up:", o.Witnesses(events.Up))
	}
}
