package events_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

func vote(node, site string, s events.Status) events.NodeVote {
	return events.NodeVote{Node: node, Site: site, Vote: s.Vote(), Status: s}
}

// No mistake elsewhere can declare an outage without its witnesses, or end one that still has them.
func TestProof(t *testing.T) {
	silent := events.NodeVote{Node: "z", Site: "z", Vote: events.None}
	for _, c := range []struct {
		name   string
		event  events.Event
		agree  int
		votes  []events.NodeVote
		refuse string
	}{
		{"two sites down", events.Opened, 2, []events.NodeVote{vote("a", "a", events.Fail), vote("b", "b", events.Timeout)}, ""},
		{"two down, one up", events.Opened, 2, []events.NodeVote{vote("a", "a", events.Fail), vote("b", "b", events.Fail), vote("c", "c", events.OK)}, ""},
		{"a lone witness where one is enough", events.Opened, 1, []events.NodeVote{vote("a", "a", events.Fail)}, ""},
		{"nobody", events.Opened, 2, nil, "opened by 0 sites, 2 have to agree"},
		{"one site", events.Opened, 2, []events.NodeVote{vote("a", "a", events.Fail), silent}, "opened by 1 sites, 2 have to agree"},
		{"two nodes of one site", events.Opened, 2, []events.NodeVote{vote("a1", "a", events.Fail), vote("a2", "a", events.Fail)}, "opened by 1 sites, 2 have to agree"},
		{"a site that contradicts itself", events.Opened, 2, []events.NodeVote{vote("a1", "a", events.Fail), vote("a2", "a", events.OK), vote("b", "b", events.Fail)}, "opened by 1 sites, 2 have to agree"},
		{"abstentions", events.Opened, 2, []events.NodeVote{vote("a", "a", events.Unknown), vote("b", "b", events.Unknown), vote("c", "c", events.Fail)}, "opened by 1 sites, 2 have to agree"},
		{"warnings", events.Opened, 1, []events.NodeVote{vote("a", "a", events.Warning)}, "opened by 0 sites, 1 have to agree"},
		{"closed by one up", events.Closed, 2, []events.NodeVote{vote("a", "a", events.OK), vote("b", "b", events.Fail), silent}, ""},
		{"closed by a warning", events.Closed, 2, []events.NodeVote{vote("a", "a", events.Warning)}, ""},
		{"closed by nobody", events.Closed, 2, nil, "closed without a site that says up"},
		{"closed by silence", events.Closed, 2, []events.NodeVote{silent, vote("zz", "zz", events.Unknown)}, "closed without a site that says up"},
		{"closed against two witnesses", events.Closed, 2, []events.NodeVote{vote("a", "a", events.Fail), vote("b", "b", events.Fail), vote("c", "c", events.OK)}, "closed while 2 sites say down, 2 make an outage"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := openedOutage()
			o.Event, o.ID, o.Agree, o.Votes = c.event, events.EventID(o.Outage, c.event), c.agree, c.votes
			err := o.Validate()
			if got := message(err); got != c.refuse {
				t.Errorf("error %q, want %q", got, c.refuse)
			}
			if _, err := events.Encode(&o); (err == nil) != (c.refuse == "") {
				t.Errorf("Encode: %v", err)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Each field of an outage event has its rule.
func TestOutageRefuses(t *testing.T) {
	never := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	for want, change := range map[string]func(*events.Outage){
		`event "gone": not an event this program knows`:                           func(o *events.Outage) { o.Event = "gone" },
		`host name is empty`:                                                      func(o *events.Outage) { o.Host = "" },
		`outage is empty`:                                                         func(o *events.Outage) { o.Outage = "" },
		`id "x": want "4806c730e350fee8-opened"`:                                  func(o *events.Outage) { o.ID = "x" },
		`time or opened is missing`:                                               func(o *events.Outage) { o.Opened = time.Time{} },
		`time: year 10000, want 1 to 9999`:                                        func(o *events.Outage) { o.Time = never },
		`opened: year 10000, want 1 to 9999`:                                      func(o *events.Outage) { o.Opened = never },
		`agree 0: want 1 to 64`:                                                   func(o *events.Outage) { o.Agree = 0 },
		`agree 65: want 1 to 64`:                                                  func(o *events.Outage) { o.Agree = 65 },
		`able -1: want 0 or more`:                                                 func(o *events.Outage) { o.Able = -1 },
		`round "a b": only printable ASCII without spaces is allowed`:             func(o *events.Outage) { o.Round = "a b" },
		`reason: 1025 bytes, at most 1024 are allowed`:                            func(o *events.Outage) { o.Reason = strings.Repeat("x", 1025) },
		`reason: not UTF-8`:                                                       func(o *events.Outage) { o.Reason = "\xff" },
		`by: control character U+000D at byte 1`:                                  func(o *events.Outage) { o.By = "a\r\nce-id: x" },
		`note: control character U+001B at byte 0`:                                func(o *events.Outage) { o.Note = "\x1b" },
		`votes: frankfurt-1 after tokyo-1: want one per node, sorted`:             func(o *events.Outage) { slices.Reverse(o.Votes[:2]) },
		`votes: frankfurt-1 after frankfurt-1: want one per node, sorted`:         func(o *events.Outage) { o.Votes[1].Node = "frankfurt-1" },
		`votes: 257 of them, at most 256 are allowed`:                             func(o *events.Outage) { o.Votes = make([]events.NodeVote, 257) },
		`node name "A": 'A' is not allowed; use lower-case letters, digits and -`: func(o *events.Outage) { o.Votes[0].Node = "A" },
		`site name is empty`:                                                      func(o *events.Outage) { o.Votes[0].Site = "" },
		`vote "yes": want one of up, down, none`:                                  func(o *events.Outage) { o.Votes[0].Vote = "yes" },
		`vote of virginia-1: down without a status`:                               func(o *events.Outage) { o.Votes[2].Vote = events.Down },
		`vote of frankfurt-1: down with status ok`:                                func(o *events.Outage) { o.Votes[0].Status = events.OK },
		`status "bad": want one of ok, warning, fail, timeout, unknown`:           func(o *events.Outage) { o.Votes[0].Status = "bad" },
		`vote of tokyo-1: output: 4097 bytes, at most 4096 are allowed`:           func(o *events.Outage) { o.Votes[1].Output = strings.Repeat("x", 4097) },
		`vote of tokyo-1: time: year 10000, want 1 to 9999`:                       func(o *events.Outage) { o.Votes[1].Time = never },
		`vote of tokyo-1: elapsed -1ns: want 0 to a hundred years`:                func(o *events.Outage) { o.Votes[1].Elapsed = -1 },
		`result "\n": only printable ASCII without spaces is allowed`:             func(o *events.Outage) { o.Votes[1].Result = "\n" },
	} {
		o := openedOutage()
		change(&o)
		if err := o.Validate(); message(err) != want {
			t.Errorf("error %v\nwant %s", err, want)
		}
	}
}

// Free text never keeps a decision from being told: Encode cleans and cuts it.
func TestTextNeverStopsAnOutage(t *testing.T) {
	o := openedOutage()
	bad := strings.Repeat("\xff\x1b[2J\u202e", 5000)
	o.Reason, o.By, o.Note, o.Votes[0].Output = bad, bad, bad, bad
	data, err := events.Encode(&o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.Decode[events.Outage](o.Subject(), data); err != nil {
		t.Error(err)
	}
	if !strings.HasSuffix(o.Reason, "…") || len(o.Reason) > events.MaxReason {
		t.Errorf("reason of %d bytes ends in %q", len(o.Reason), o.Reason[len(o.Reason)-3:])
	}
}

// Sites are listed once each, sorted; with two nodes the site has one voice.
func TestWitnesses(t *testing.T) {
	o := events.Outage{Votes: []events.NodeVote{
		vote("e", "paris", events.Fail), vote("b", "paris", events.Timeout), vote("c", "berlin", events.Fail),
		vote("d", "rome", events.OK), vote("f", "rome", events.Fail), vote("g", "oslo", events.Unknown), vote("h", "bern", events.Warning),
	}}
	for v, want := range map[events.Vote][]string{
		events.Down: {"berlin", "paris"}, events.Up: {"bern", "rome"}, events.None: {"oslo"},
	} {
		if got := o.Witnesses(v); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", v, got, want)
		}
	}
}

// The headers are CloudEvents', whatever the arbiter is called: a header is one line, and a source a URI reference.
func TestHeaders(t *testing.T) {
	o := openedOutage()
	want := map[string]string{
		"ce-id": o.ID, "ce-type": "org.dmonitor.outage.opened", "ce-source": "dmonitor/tokyo-1", "ce-specversion": "1.0",
		"ce-time": "2026-03-14T12:00:00.14Z", "ce-subject": "www.example.com/ssh", "content-type": "application/json",
	}
	if got := o.Headers(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	o.By, o.Time = "a b\r\nce-id: x", noon.In(time.FixedZone("JST", 9*3600))
	if got := o.Headers(); got["ce-source"] != "dmonitor/a%20b%0D%0Ace-id:%20x" || got["ce-time"] != "2026-03-14T12:00:00Z" {
		t.Errorf("source %q, time %q", got["ce-source"], got["ce-time"])
	}
}
