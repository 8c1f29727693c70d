package events_test

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Reading an outage event as it comes from a subscription to events.AllOutages.
func ExampleDecode() {
	subject := "dmonitor.outages.opened.ssh.www.example.com"
	data, err := os.ReadFile("testdata/outage-opened.json") // with a NATS client: msg.Subject, msg.Data
	if err != nil {
		panic(err)
	}
	o, err := events.Decode[events.Outage](subject, data)
	switch {
	case errors.Is(err, events.ErrEvent), errors.Is(err, events.ErrVersion):
		return // of a later version of dmonitor: not for us
	case err != nil:
		fmt.Println("dropped:", err)
		return
	}
	fmt.Printf("%s %s, seen by %v\n", o.Check, o.Event, o.Witnesses(events.Down))
	for _, v := range o.Votes {
		fmt.Printf("%s: %s %q\n", v.Node, v.Vote, v.Output)
	}
	// Output:
	// www.example.com/ssh opened, seen by [frankfurt tokyo]
	// frankfurt-1: down "FAIL connection refused"
	// tokyo-1: down "FAIL connection refused"
	// virginia-1: none ""
}

// Writing a message: the subject comes from the message.
func ExampleEncode() {
	p := events.Presence{Node: "tokyo-1", Site: "tokyo", Version: "1.0.0", Instance: "1", Plugins: []string{"ssh", "ping"}}
	data, err := events.Encode(&p)
	if err != nil {
		panic(err)
	}
	fmt.Println(p.Subject())
	fmt.Println(string(data))
	// Output:
	// dmonitor.presence.tokyo-1
	// {"v":1,"node":"tokyo-1","site":"tokyo","version":"1.0.0","instance":"1","plugins":["ping","ssh"],"running":0,"late":0,"leaving":false}
}

// The patterns to subscribe to: everything, one kind of event, one check.
func ExampleOutageSubject() {
	check := events.Check{Host: "www.example.com", Test: "ssh"}
	fmt.Println(events.AllOutages)
	fmt.Println(events.SubjectOutages + string(events.Opened) + ".>")
	fmt.Println(events.OutageSubject(events.Opened, check))
	fmt.Println(events.OutageSubject(events.Closed, check))
	// Output:
	// dmonitor.outages.>
	// dmonitor.outages.opened.>
	// dmonitor.outages.opened.ssh.www.example.com
	// dmonitor.outages.closed.ssh.www.example.com
}

func ExampleParseOutageSubject() {
	e, check, err := events.ParseOutageSubject("dmonitor.outages.closed.ssh.www.example.com")
	fmt.Println(e, check.Host, check.Test, err)
	// Output: closed www.example.com ssh <nil>
}

// Two nodes define a check differently: the newest edit is in force, and the other node is named.
func ExampleMerge() {
	check := events.Check{Host: "www.example.com", Test: "ssh"}
	define := func(edited int, timeout time.Duration) []events.Definition {
		return []events.Definition{{
			Run:      events.Run{Check: check, Plugin: "ssh", Timeout: events.Millis(timeout)},
			Interval: events.Millis(events.DefaultInterval), Agree: events.DefaultAgree, Edited: time.Unix(int64(edited), 0),
		}}
	}
	cat := events.Merge([]events.Contribution{
		{Node: "tokyo-1", Checks: define(100, 10*time.Second)},
		{Node: "frankfurt-1", Checks: define(200, 5*time.Second)},
	})
	fmt.Println(cat.Checks[check].Timeout, "from", cat.Checks[check].From)
	for _, c := range cat.Conflicts {
		fmt.Printf("%s: %s is used, %s says otherwise\n", c.Check, c.Used, c.Other)
	}
	// Output:
	// 5s from frankfurt-1
	// www.example.com/ssh: frankfurt-1 is used, tokyo-1 says otherwise
}

// A plugin's output may hold anything; what goes into a message may not.
func ExampleCleanText() {
	fmt.Printf("%q\n", events.CleanText("FAIL \x1b[31mno answer\r\n", 100))
	fmt.Printf("%q\n", events.CleanText("FAIL no answer at all", 12))
	// Output:
	// "FAIL �[31mno answer\n"
	// "FAIL no a…"
}
