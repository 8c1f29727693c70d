package events_test

import (
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// sample is a real message of every kind: one story, told by what travels on the bus. The golden files, and so the
// documentation, are made from these.
type sample struct {
	name    string // of the golden file
	message events.Message
	again   func(subject string, data []byte) (events.Message, error) // Decode for this kind of message
}

func decoder[T any, P interface {
	*T
	events.Message
}](subject string, data []byte,
) (events.Message, error) {
	m, err := events.Decode[T, P](subject, data)
	return P(&m), err
}

var (
	ssh   = events.Check{Host: "www.example.com", Test: "ssh"}
	noon  = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	round = events.JobID(ssh, "tokyo-1", noon)
)

func at(d time.Duration) time.Time { return noon.Add(d) }

const ms = time.Millisecond

func samples() []sample {
	opened, closed := openedOutage(), closedOutage()
	return []sample{
		{"job", sampleJob(), decoder[events.Job]},
		{"confirmation", sampleConfirmation(), decoder[events.Confirmation]},
		{"result", sampleResult(), decoder[events.Result]},
		{"presence", samplePresence(), decoder[events.Presence]},
		{"contribution", sampleContribution(), decoder[events.Contribution]},
		{"outage-opened", &opened, decoder[events.Outage]},
		{"outage-closed", &closed, decoder[events.Outage]},
		{"notice", sampleNotice(), decoder[events.Notice]},
		{"delivery", sampleDelivery(), decoder[events.Delivery]},
		{"trouble-began", sampleBlind(), decoder[events.Trouble]},
		{"trouble-ended", sampleNodeBack(), decoder[events.Trouble]},
		{"notice-trouble", sampleTroubleNotice(), decoder[events.Notice]},
		{"uncommitted", &events.Uncommitted{By: "tokyo-1", Since: at(90 * ms), Outage: &opened}, decoder[events.Uncommitted]},
		{"told", sampleTold(), decoder[events.Told]},
		{"told-ask", &events.ToldAsk{By: "frankfurt-1", About: events.OutageSubject(events.Opened, ssh)}, decoder[events.ToldAsk]},
	}
}

func sampleBlind() *events.Trouble {
	k := events.TroubleKey{Kind: events.TroubleBlind}
	id := events.TroubleID(k, noon)
	return &events.Trouble{
		ID: events.TroubleEventID(id, 1), Trouble: id, Step: 1, TroubleKey: k, Event: events.Began, Time: noon, Began: at(-2 * time.Minute),
		Checks: []events.BlindCheck{{Check: ssh, Able: 1, Agree: 2, Reason: "only tokyo-1 is able to look; 2 sites have to agree; frankfurt-1 is gone"}},
		Total:  1, Reason: "1 check can't be judged", By: "tokyo-1",
	}
}

func sampleNodeBack() *events.Trouble {
	k := events.TroubleKey{Kind: events.TroubleNode, Node: "frankfurt-1"}
	id := events.TroubleID(k, noon)
	return &events.Trouble{
		ID: events.TroubleEventID(id, 2), Trouble: id, Step: 2, TroubleKey: k, Event: events.Ended, Time: at(time.Hour), Began: at(-time.Minute),
		Reason: "frankfurt-1 is there again", By: "tokyo-1",
	}
}

func sampleTroubleNotice() *events.Notice {
	t := sampleBlind()
	return &events.Notice{
		ID: events.TroubleNoticeID(t.ID, "ops@example.com"), Recipient: "ops@example.com", Created: at(50 * ms), Trouble: t,
	}
}

func sampleTold() *events.Told {
	o := openedOutage()
	return &events.Told{
		By: "tokyo-1", About: events.OutageSubject(events.Opened, ssh), Event: o.ID, Recipients: []string{"ops@example.com"},
		Decided: o.Time, Time: at(33 * time.Second),
	}
}

func sampleRun() events.Run {
	return events.Run{Check: ssh, Plugin: "ssh", Args: []string{"-p", "2222", "www.example.com"}, Timeout: events.Millis(10 * time.Second)}
}

func sampleJob() *events.Job {
	return &events.Job{ID: round, Node: "tokyo-1", Run: sampleRun(), Interval: events.Millis(time.Minute), Due: noon}
}

func sampleConfirmation() *events.Confirmation {
	return &events.Confirmation{ID: round, Nodes: []string{"frankfurt-1", "virginia-1"}, Run: sampleRun()}
}

func sampleResult() *events.Result {
	low := 0.0
	return &events.Result{
		ID: events.ConfirmedID(round, "frankfurt-1"), Confirms: round, Node: "frankfurt-1", Site: "frankfurt",
		Check: ssh, Status: events.Fail, Output: "FAIL connection refused", Detail: "tried 192.0.2.7:2222",
		Perf:    []events.Perf{{Label: "time", Value: 0.0512, Unit: "s", Warn: "1", Crit: "5", Min: &low}},
		Started: at(80 * ms), Elapsed: events.Millis(51_200 * time.Microsecond),
	}
}

func samplePresence() *events.Presence {
	return &events.Presence{
		Node: "frankfurt-1", Site: "frankfurt", Version: "1.0.0", Instance: "6f1d0c52",
		Plugins: []string{"http", "ping", "ssh"}, Running: 1, Late: 0,
		Withheld: []events.Withheld{{Plugin: "icmp", Why: "it can't reach 127.0.0.1 itself"}},
	}
}

func sampleDefinition() events.Definition {
	return events.Definition{
		Run: sampleRun(), Interval: events.Millis(time.Minute), Agree: 2, Nodes: []string{"frankfurt-1", "tokyo-1", "virginia-1"},
		Recipients: []string{"ops@example.com"}, Note: "Ring the data centre: +1 555 0100", Edited: at(-48 * time.Hour),
	}
}

func sampleContribution() *events.Contribution {
	return &events.Contribution{
		Node: "tokyo-1", Checks: []events.Definition{sampleDefinition()},
		Recipients: []events.Recipient{
			{Address: "ops@example.com", Operator: true, Edited: at(-72 * time.Hour)},
			{Address: "web@example.com", Hosts: []string{"www.*"}, Tests: []string{"http", "ssh"}, Edited: at(-24 * time.Hour)},
		},
		Revoked: []events.Revocation{
			{Kind: events.CredentialProber, Name: "osaka-1", Before: at(-2 * time.Hour), Because: "the machine was stolen"},
			{Kind: events.CredentialReader, Name: "grafana", Before: at(-3 * time.Hour)},
		},
		Time: at(-time.Hour),
	}
}

func openedOutage() events.Outage {
	outage := events.OutageID(ssh, round)
	return events.Outage{
		ID: events.EventID(outage, events.Opened), Outage: outage, Event: events.Opened, Check: ssh,
		Time: at(140 * ms), Opened: at(140 * ms), Agree: 2, Able: 3,
		Votes: []events.NodeVote{
			{
				Node: "frankfurt-1", Site: "frankfurt", Vote: events.Down, Status: events.Fail, Output: "FAIL connection refused",
				Time: at(140 * ms), Elapsed: events.Millis(51_200 * time.Microsecond), Result: events.ConfirmedID(round, "frankfurt-1"),
			},
			{
				Node: "tokyo-1", Site: "tokyo", Vote: events.Down, Status: events.Fail, Output: "FAIL connection refused",
				Time: at(60 * ms), Elapsed: events.Millis(48 * ms), Result: round,
			},
			{Node: "virginia-1", Site: "virginia", Vote: events.None},
		},
		Round: round, Reason: "2 of 3 sites see it down, 2 have to agree", By: "tokyo-1", Note: "Ring the data centre: +1 555 0100",
	}
}

func closedOutage() events.Outage {
	o := openedOutage()
	back := events.JobID(ssh, "virginia-1", at(5*time.Minute))
	o.ID, o.Event = events.EventID(o.Outage, events.Closed), events.Closed
	o.Time, o.Round, o.Reason, o.By = at(5*time.Minute+130*ms), back, "3 of 3 sites see it up again", "frankfurt-1"
	o.Votes = nil
	for i, node := range []string{"frankfurt", "tokyo", "virginia"} {
		o.Votes = append(o.Votes, events.NodeVote{
			Node: node + "-1", Site: node, Vote: events.Up, Status: events.OK, Output: "OK",
			Time: at(5*time.Minute + time.Duration(130-40*i)*ms), Elapsed: events.Millis(50 * ms),
			Result: events.ConfirmedID(back, node+"-1"),
		})
	}
	o.Votes[2].Result = back
	return o
}

func sampleNotice() *events.Notice {
	o := openedOutage()
	return &events.Notice{
		ID:        events.NoticeID(o.Outage, o.Event, "ops@example.com"),
		Recipient: "ops@example.com", Created: at(150 * ms), Outage: o,
	}
}

func sampleDelivery() *events.Delivery {
	n := sampleNotice()
	return &events.Delivery{
		Notice: n.ID, Outcome: events.Sent, Outage: n.Outage.Outage, Event: n.Outage.Event, Check: n.Outage.Check,
		Recipient: n.Recipient, Time: at(190 * ms), Attempts: 1, Answer: "250 2.0.0 queued as 4F1C2", By: "virginia-1",
	}
}
