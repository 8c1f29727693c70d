package letter

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// troubleOf is an event of a trouble: the first one at decided, later ones 12 minutes later.
func troubleOf(k events.TroubleKey, e events.TroubleEvent, step int, reason string) events.Trouble {
	id := events.TroubleID(k, decided)
	t := events.Trouble{
		ID: events.TroubleEventID(id, step), Trouble: id, Step: step, TroubleKey: k, Event: e,
		Time: decided, Began: decided.Add(-5 * time.Second), Reason: reason, By: "osaka-1",
	}
	if step > 1 {
		t.Time = decided.Add(12 * time.Minute)
	}
	return t
}

func blindOf(e events.TroubleEvent, step, total int, reason string) events.Trouble {
	t := troubleOf(events.TroubleKey{Kind: events.TroubleBlind}, e, step, "2 of 3 nodes are gone")
	t.Total = total
	for i := range min(total, events.MaxBlindListed) {
		t.Checks = append(t.Checks, events.BlindCheck{
			Check: events.Check{Host: fmt.Sprintf("h%03d.example.com", i), Test: "ssh"}, Able: 1, Agree: 2, Reason: reason,
		})
	}
	return t
}

func troubleNotice(t events.Trouble) events.Notice {
	const to = "ops@example.com"
	return events.Notice{ID: events.TroubleNoticeID(t.ID, to), Recipient: to, Created: t.Time.Add(50 * time.Millisecond), Trouble: &t}
}

var (
	fra      = events.TroubleKey{Kind: events.TroubleNode, Node: "fra"}
	majority = events.TroubleKey{Kind: events.TroubleMajority}
)

// goldenTroubles are letters about dmonitor itself.
func goldenTroubles() map[string]func() (events.Notice, Options) {
	plain := func(t events.Trouble, change func(*Options)) func() (events.Notice, Options) {
		return func() (events.Notice, Options) {
			n := troubleNotice(t)
			o := Options{From: "dmonitor@example.com", Now: t.Time.Add(120 * time.Millisecond), Attempt: 1}
			if change != nil {
				change(&o)
			}
			return n, o
		}
	}
	evil := "x\r\nBcc: all@example.org\r\n\r\n<script>alert(1)</script>\x1b[31m\u202e\xff"
	inject := blindOf(events.Began, 1, 1, evil)
	inject.Reason, inject.By, inject.Trouble = evil, evil, evil
	return map[string]func() (events.Notice, Options){
		"trouble-blind":           plain(blindOf(events.Began, 1, 2, "only osaka-1 is able: tokyo-1 is gone"), nil),
		"trouble-blind-one":       plain(blindOf(events.Began, 1, 1, "only osaka-1 is able: tokyo-1 is gone"), nil),
		"trouble-blind-grew":      plain(blindOf(events.Grew, 2, 203, "tokyo-1 is gone"), nil),
		"trouble-blind-ended":     plain(troubleOf(events.TroubleKey{Kind: events.TroubleBlind}, events.Ended, 3, "all checks can be judged"), nil),
		"trouble-blind-injection": plain(inject, nil),
		"trouble-node":            plain(troubleOf(fra, events.Began, 1, "fra has been silent for 5 s"), nil),
		"trouble-node-ended":      plain(troubleOf(fra, events.Ended, 2, "fra says that it is there"), nil),
		"trouble-node-late": plain(troubleOf(fra, events.Began, 1, "fra has been silent for 5 s"), func(o *Options) {
			o.Now, o.Attempt, o.Failure = decided.Add(time.Hour), 4, "451 later"
			o.Closed = decided.Add(10 * time.Minute)
		}),
		"trouble-node-uncommitted": plain(troubleOf(fra, events.Began, 1, "fra has been silent for 5 s"), func(o *Options) {
			o.Now, o.Uncommitted = decided.Add(33*time.Second), "tokyo-1"
		}),
		"trouble-majority": plain(troubleOf(majority, events.Began, 1, "fra and nyc are gone; 2 of 4 members are here"), func(o *Options) {
			o.Now, o.Uncommitted = decided.Add(33*time.Second), "tokyo-1"
		}),
		"trouble-majority-ended": plain(troubleOf(majority, events.Ended, 2, "3 of 4 members are here"), nil),
	}
}

// TestTroubleThread: what follows the beginning of a trouble replies to it, for the same recipient.
func TestTroubleThread(t *testing.T) {
	o := Options{From: "a@example.com", Now: decided, Attempt: 1}
	first := Write(troubleNotice(blindOf(events.Began, 1, 2, "")), o)
	for _, next := range []events.Trouble{
		blindOf(events.Grew, 2, 3, ""), troubleOf(events.TroubleKey{Kind: events.TroubleBlind}, events.Ended, 3, ""),
	} {
		if l := Write(troubleNotice(next), o); l.InReplyTo != first.MessageID || l.MessageID == first.MessageID || first.InReplyTo != "" {
			t.Errorf("%s: %s replies to %q; the beginning is %s", next.Event, l.MessageID, l.InReplyTo, first.MessageID)
		}
	}
}

// checkSheet fails the test if a letter with a list breaks a promise that holds for any input.
func checkSheet(t interface{ Errorf(string, ...any) }, l Letter) {
	checkAny(t, l)
	if n := strings.Count("\n"+l.Text, "\nTo look further:\n"); n != 1 {
		t.Errorf("the last heading is there %d times", n)
	}
}

// TestTroublePromises: no input at all breaks a header, the encoding or the length of a line.
func TestTroublePromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := events.Trouble{
			ID: nasty(t, "id"), Trouble: nasty(t, "trouble"), Reason: nasty(t, "reason"), By: nasty(t, "by"), Total: rapid.Int().Draw(t, "total"),
			TroubleKey: events.TroubleKey{
				Kind: rapid.SampledFrom(append([]events.TroubleKind{"x\ny"}, events.TroubleKinds...)).Draw(t, "kind"), Node: nasty(t, "node"),
			},
			Event: rapid.SampledFrom(append([]events.TroubleEvent{"x\ny"}, events.TroubleEvents...)).Draw(t, "event"),
			Time:  decided, Began: decided,
		}
		for range rapid.IntRange(0, 3).Draw(t, "checks") {
			tr.Checks = append(tr.Checks, events.BlindCheck{
				Check: events.Check{Host: nasty(t, "host"), Test: nasty(t, "test")}, Able: rapid.Int().Draw(t, "able"), Reason: nasty(t, "why"),
			})
		}
		n := events.Notice{ID: nasty(t, "notice"), Recipient: nasty(t, "recipient"), Trouble: &tr}
		checkSheet(t, Write(n, Options{
			From: nasty(t, "from"), Now: decided.Add(time.Hour), Attempt: 2, Failure: nasty(t, "failure"), Uncommitted: nasty(t, "node of the mailer"),
		}))
	})
}
