package arbiter

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus/bustest"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

// saidOutage is an opening that the arbiter on n0 has said to be uncommitted.
func saidOutage(c events.Check, decided time.Time) events.Uncommitted {
	o := &events.Outage{
		Outage: events.OutageID(c, "p0-1"), Check: c, Event: events.Opened, Time: decided, Opened: decided, Agree: 2, Able: 2,
		Round: "p0-1", Reason: "p0 and p1 see it down", By: "n0",
	}
	o.ID = events.EventID(o.Outage, o.Event)
	for _, node := range []string{"p0", "p1"} {
		o.Votes = append(o.Votes, events.NodeVote{
			Node: node, Site: node, Vote: events.Down, Status: events.Fail, Output: "<refused>", Time: decided, Result: node + "-1",
		})
	}
	return events.Uncommitted{By: "n0", Since: decided, Outage: o}
}

// saidMajority is what it has said of the absence of the majority.
func saidMajority(began time.Time) events.Uncommitted {
	key := events.TroubleKey{Kind: events.TroubleMajority}
	told := &events.Trouble{
		Trouble: events.TroubleID(key, began), Step: 1, TroubleKey: key, Event: events.Began, Time: began, Began: began,
		By: "n0", Reason: "2 of 3 members away",
	}
	told.ID = events.TroubleEventID(told.Trouble, 1)
	return events.Uncommitted{By: "n0", Since: began, Trouble: told}
}

// TestKeptFile: what is written is read again, but for what is too old.
func TestKeptFile(t *testing.T) {
	data, now := t.TempDir(), time.Now().UTC().Truncate(time.Second)
	if all, err := readKept(data, "n0", now); err != nil || len(all) > 0 {
		t.Fatalf("an empty folder has %v (%v)", all, err)
	}
	check := events.Check{Host: "www.example.com", Test: "ssh"}
	old := saidOutage(events.Check{Host: "old.example.com", Test: "ssh"}, now.Add(-keepFor-time.Minute))
	want := []events.Uncommitted{old, saidMajority(now.Add(-time.Hour)), saidOutage(check, now.Add(-keepFor+time.Hour))}
	if err := writeKept(data, want); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(data, keptFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v (%v)", info.Mode(), err)
	}
	got, err := readKept(data, "n0", now)
	if err != nil || len(got) != 2 {
		t.Fatalf("read %+v (%v)", got, err)
	}
	if eventOf(got[0]) != eventOf(want[1]) || !reflect.DeepEqual(got[1].Outage.Votes, want[2].Outage.Votes) || !got[1].Since.Equal(want[2].Since) {
		t.Errorf("read %+v, wrote %+v", got, want[1:])
	}
	if err := writeKept(data, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := readKept(data, "n0", now); err != nil || len(got) > 0 {
		t.Errorf("an empty file has %v (%v)", got, err)
	}
	if all, err := readKept("", "n0", now); err != nil || len(all) > 0 {
		t.Errorf("no folder has %v (%v)", all, err)
	}
}

// TestKeptBroken: a broken file is said to be so, and nothing in it counts.
func TestKeptBroken(t *testing.T) {
	now := time.Now()
	record, err := events.Encode(new(saidOutage(events.Check{Host: "www.example.com", Test: "ssh"}, now)))
	if err != nil {
		t.Fatal(err)
	}
	good := string(record)
	for name, text := range map[string]string{
		"empty":           "",
		"half":            "[" + good + ",\n" + good[:40],
		"no list":         good,
		"another node":    "[" + good + "," + strings.Replace(good, `"by":"n0","since"`, `"by":"n1","since"`, 1) + "]",
		"newer":           "[" + strings.Replace(good, `"v":1`, `"v":2`, 1) + "]",
		"too few votes":   "[" + strings.Replace(good, `"agree":2`, `"agree":3`, 1) + "]",
		"nothing":         "[{}]",
		"too many":        "[" + strings.Repeat(good+",", maxKept) + good + "]",
		"too long":        "[]" + strings.Repeat(" ", maxKeptBytes),
		"more after that": "[" + good + "]]",
	} {
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, keptFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		logs := &lockedBuffer{}
		a := &Arbiter{data: data, node: "n0", log: zerolog.New(logs), began: now}
		if a.recall(); len(a.kept.records) > 0 || !strings.Contains(logs.String(), `"level":"warn"`) || !strings.Contains(logs.String(), keptFile) {
			t.Errorf("%s: %d records, and said was %s", name, len(a.kept.records), logs)
		}
	}
}

// TestKeptBounds: of each check one thing is kept, of all not too many.
func TestKeptBounds(t *testing.T) {
	var k kept
	now := time.Now()
	for i := range maxKept {
		if !k.add(saidOutage(events.Check{Host: "www.example.com", Test: strings.Repeat("a", i%90+1) + strings.Repeat("b", i/90+1)}, now)) {
			t.Fatalf("no room for record %d", i+1)
		}
	}
	if k.add(saidMajority(now)) {
		t.Error("there is room for one more")
	}
	first := k.list()[0]
	k.changed = false
	if !k.add(first) || k.changed {
		t.Error("what is said again is a change")
	}
	first.Outage = new(*first.Outage)
	first.Outage.ID = "another"
	if !k.add(first) || !k.changed || len(k.records) != maxKept {
		t.Error("something newer of the same check does not take the place")
	}
}

// TestRemembers: an arbiter that said without a majority that a host is down, and that there is no majority, is started
// again when the host is up and the majority back. What people were told is committed with its ids, and then its end.
func TestRemembers(t *testing.T) {
	l := newLab(t, bustest.New(t, 1), 2)
	b, data := l.cluster.Bus(0), t.TempDir()
	check := l.configure("www.example.com", 2)
	removed := events.Check{Host: "removed.example.com", Test: "ssh"}
	decided := time.Now().Add(-time.Minute)
	opened, away := saidOutage(check, decided), saidMajority(decided)
	if err := writeKept(data, []events.Uncommitted{opened, away, saidOutage(removed, decided)}); err != nil {
		t.Fatal(err)
	}
	a := startWith(t, Options{Bus: b, Node: "n0", Data: data})
	eventually(t, "closed", lastIs(b, check, events.Closed))
	mustSay(t, b, check, events.Opened, events.Closed)
	if first := history(t, b, check)[0]; first.ID != opened.Outage.ID || !first.Opened.Equal(opened.Outage.Opened) {
		t.Errorf("committed was %+v", first.Outage)
	}
	majority := events.TroubleKey{Kind: events.TroubleMajority}
	eventually(t, "the absence is over", troubleIs(b, majority, events.Ended, true))
	last, err := b.LastTroubles(t.Context())
	if err != nil || last[majority].Trouble.Trouble != away.Trouble.Trouble {
		t.Errorf("on record is %+v (%v)", last[majority], err)
	}
	nothingIn(t, b, removed)
	eventually(t, "nothing is kept any more", func() bool {
		all, err := readKept(data, "n0", time.Now())
		return err == nil && len(all) == 0
	})
	if !a.said("what was told without a majority before the restart is not committed yet") {
		t.Error("the log doesn't tell what is remembered")
	}
	a.stop()
	if err := writeKept(data, []events.Uncommitted{opened, away}); err != nil { // As if it had died before it was noted.
		t.Fatal(err)
	}
	startWith(t, Options{Bus: b, Node: "n0", Data: data})
	eventually(t, "nothing is kept any more", func() bool {
		all, err := readKept(data, "n0", time.Now())
		return err == nil && len(all) == 0
	})
	mustSay(t, b, check, events.Opened, events.Closed)
}

// TestRemembersInTime: what was said before the restart waits until the log and the configuration have been read, is not
// taken to be settled before that, and is written when the arbiter stops.
func TestRemembersInTime(t *testing.T) {
	data, decided := t.TempDir(), time.Now().Add(-time.Minute)
	b := bustest.New(t, 1).Bus(0)
	a, err := New(Options{Bus: b, Node: "n0", Data: data, Rules: trouble.DefaultRules()})
	if err != nil {
		t.Fatal(err)
	}
	a.began = time.Now()
	a.kept.add(saidMajority(decided))
	ctx := t.Context()
	steps := []func(){
		func() { a.take(ctx, input{in: nil, at: time.Now()}) },
		func() {
			a.known = true
			a.remember(ctx)
		},
	}
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		a.known, a.logRead, a.remembered = false, false, false
		for i, step := range order {
			a.keep()
			if a.remembered || len(a.kept.records) != 1 || trouble.Told(a.troubles) != nil {
				t.Fatalf("%v: remembered before step %d", order, i)
			}
			steps[step]()
		}
		if !a.remembered || trouble.Told(a.troubles) == nil {
			t.Errorf("%v: not remembered", order)
		}
		a.troubles = trouble.New("n0", trouble.DefaultRules())
	}
	a.keepAtLast()
	all, err := readKept(data, "n0", time.Now())
	if err != nil || !slices.ContainsFunc(all, func(u events.Uncommitted) bool { return u.Trouble != nil }) {
		t.Errorf("kept are %+v (%v)", all, err)
	}
}
