package events_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Every message but outages and results, which have tests of their own: one broken field each, and its exact words.
func TestValidate(t *testing.T) {
	never := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	job := func(change func(*events.Job)) events.Message { m := sampleJob(); change(m); return m }
	confirmation := func(change func(*events.Confirmation)) events.Message { m := sampleConfirmation(); change(m); return m }
	presence := func(change func(*events.Presence)) events.Message { m := samplePresence(); change(m); return m }
	check := func(change func(*events.Definition)) events.Message {
		m := sampleContribution()
		change(&m.Checks[0])
		return m
	}
	recipient := func(change func(*events.Recipient)) events.Message {
		m := sampleContribution()
		change(&m.Recipients[0])
		return m
	}
	revoked := func(change func(*events.Revocation)) events.Message {
		m := sampleContribution()
		change(&m.Revoked[0])
		return m
	}
	notice := func(change func(*events.Notice)) events.Message {
		m := sampleNotice()
		m.Outage.V = 1
		change(m)
		return m
	}
	delivery := func(change func(*events.Delivery)) events.Message { m := sampleDelivery(); change(m); return m }
	const at = "check www.example.com/ssh: "
	for want, m := range map[string]events.Message{
		`id is empty`:                              job(func(m *events.Job) { m.ID = "" }),
		`node name is empty`:                       job(func(m *events.Job) { m.Node = "" }),
		`due is missing`:                           job(func(m *events.Job) { m.Due = time.Time{} }),
		`due: year 10000, want 1 to 9999`:          job(func(m *events.Job) { m.Due = never }),
		`interval 99ms: want 100ms to 24h0m0s`:     job(func(m *events.Job) { m.Interval = events.Millis(99 * ms) }),
		`timeout 9ms: want 10ms to 10m0s`:          job(func(m *events.Job) { m.Timeout = events.Millis(9 * ms) }),
		`timeout 10m0.001s: want 10ms to 10m0s`:    job(func(m *events.Job) { m.Timeout = events.Millis(events.MaxTimeout + ms) }),
		`plugin name is empty`:                     job(func(m *events.Job) { m.Plugin = "" }),
		`args: "a\x00": NUL is not allowed`:        job(func(m *events.Job) { m.Args = []string{"a\x00"} }),
		`args: "\xff": not UTF-8`:                  job(func(m *events.Job) { m.Args = []string{"\xff"} }),
		`args: 65 of them, at most 64 are allowed`: job(func(m *events.Job) { m.Args = make([]string, 65) }),
		`args: "` + strings.Repeat("x", 80) + `…": 4097 bytes, at most 4096 are allowed`: job(func(m *events.Job) { m.Args = []string{strings.Repeat("x", 4097)} }),

		`node name "a b": ' ' is not allowed; use lower-case letters, digits and -`: confirmation(func(m *events.Confirmation) { m.Nodes[1] = "a b" }),
		`nodes: 257 of them, at most 256 are allowed`:                               confirmation(func(m *events.Confirmation) { m.Nodes = make([]string, 257) }),

		`instance is empty`:                           presence(func(m *events.Presence) { m.Instance = "" }),
		`version: 257 bytes, at most 256 are allowed`: presence(func(m *events.Presence) { m.Version = strings.Repeat("x", 257) }),
		`running -1: want 0 or more`:                  presence(func(m *events.Presence) { m.Running = -1 }),
		`plugin name "X": 'X' is not allowed; use lower-case letters, digits and - _`: presence(func(m *events.Presence) { m.Plugins[0] = "X" }),
		`plugins: 1001 of them, at most 1000 are allowed`:                             presence(func(m *events.Presence) { m.Plugins = make([]string, 1001) }),

		at + `agree 0: want 1 to 64`:                                       check(func(m *events.Definition) { m.Agree = 0 }),
		at + `interval 25h0m0s: want 100ms to 24h0m0s`:                     check(func(m *events.Definition) { m.Interval = events.Millis(25 * time.Hour) }),
		at + `node name is empty`:                                          check(func(m *events.Definition) { m.Nodes[0] = "" }),
		at + `recipient "x": want a bare address, such as ops@example.com`: check(func(m *events.Definition) { m.Recipients[0] = "x" }),
		at + `recipients: 257 of them, at most 256 are allowed`:            check(func(m *events.Definition) { m.Recipients = make([]string, 257) }),
		at + `note: control character U+0007 at byte 0`:                    check(func(m *events.Definition) { m.Note = "\a" }),
		at + `note: 8193 bytes, at most 8192 are allowed`:                  check(func(m *events.Definition) { m.Note = strings.Repeat("x", 8193) }),
		at + `edited: year 10000, want 1 to 9999`:                          check(func(m *events.Definition) { m.Edited = never }),

		`recipient "x": want a bare address, such as ops@example.com`: recipient(func(m *events.Recipient) { m.Address = "x" }),
		`glob "a[": syntax error in pattern`:                          recipient(func(m *events.Recipient) { m.Hosts = []string{"*", "a["} }),
		`glob "ssh\\": syntax error in pattern`:                       recipient(func(m *events.Recipient) { m.Tests = []string{`ssh\`} }),
		`glob: control character U+0000 at byte 0`:                    recipient(func(m *events.Recipient) { m.Hosts = []string{"\x00"} }),
		`globs: 257 of them, at most 256 are allowed`:                 recipient(func(m *events.Recipient) { m.Tests = make([]string, 257) }),
		`edited: year 10000, want 1 to 9999`:                          recipient(func(m *events.Recipient) { m.Edited = never }),

		`revoked: kind of credential is empty`:                   revoked(func(m *events.Revocation) { m.Kind = "" }),
		`revoked: later-kind's name is empty`:                    revoked(func(m *events.Revocation) { m.Kind, m.Name = "later-kind", "" }),
		`revoked: before is missing`:                             revoked(func(m *events.Revocation) { m.Before = time.Time{} }),
		`revoked: before: year 10000, want 1 to 9999`:            revoked(func(m *events.Revocation) { m.Before = never }),
		`revoked: because: 1025 bytes, at most 1024 are allowed`: revoked(func(m *events.Revocation) { m.Because = strings.Repeat("x", 1025) }),
		`revoked: because: control character U+001B at byte 0`:   revoked(func(m *events.Revocation) { m.Because = "\x1b" }),
		`revoked: 1001 of them, at most 1000 are allowed`: func() events.Message {
			m := sampleContribution()
			m.Revoked = make([]events.Revocation, 1001)
			return m
		}(),

		`recipient "": want a bare address, such as ops@example.com`: notice(func(m *events.Notice) { m.Recipient = "" }),
		`id "x": want "e4422ea8d7b5b130becd3e851bfa203f"`:            notice(func(m *events.Notice) { m.ID = "x" }),
		`opened by 1 sites, 2 have to agree`:                         notice(func(m *events.Notice) { m.Outage.Votes = m.Outage.Votes[:1] }),
		`event: version 0: want 1 to 1`:                              notice(func(m *events.Notice) { m.Outage.V = 0 }),
		`created: year 10000, want 1 to 9999`:                        notice(func(m *events.Notice) { m.Created = never }),

		`outcome "lost": want one of sent, failed`:                    delivery(func(m *events.Delivery) { m.Outcome = "lost" }),
		`notice is empty`:                                             delivery(func(m *events.Delivery) { m.Notice = "" }),
		`notice "a.b": not one subject token`:                         delivery(func(m *events.Delivery) { m.Notice = "a.b" }),
		`notice ">": not one subject token`:                           delivery(func(m *events.Delivery) { m.Notice = ">" }),
		`outage is empty`:                                             delivery(func(m *events.Delivery) { m.Outage = "" }),
		`event "": not an event this program knows`:                   delivery(func(m *events.Delivery) { m.Event = "" }),
		`test name is empty`:                                          delivery(func(m *events.Delivery) { m.Test = "" }),
		`recipient "a": want a bare address, such as ops@example.com`: delivery(func(m *events.Delivery) { m.Recipient = "a" }),
		`attempts -1: want 0 or more`:                                 delivery(func(m *events.Delivery) { m.Attempts = -1 }),
		`answer: 8193 bytes, at most 8192 are allowed`:                delivery(func(m *events.Delivery) { m.Answer = strings.Repeat("x", 8193) }),
		`by: not UTF-8`:                                               delivery(func(m *events.Delivery) { m.By = "\xff" }),
		`time: year 10000, want 1 to 9999`:                            delivery(func(m *events.Delivery) { m.Time = never }),
	} {
		if err := m.Validate(); message(err) != want {
			t.Errorf("%T: error %v\nwant %s", m, err, want)
		}
	}
	for _, s := range samples() {
		switch m := s.message.(type) {
		case *events.Notice:
			m.Outage.V = 1
			if m.Trouble != nil {
				m.Trouble.V, m.Outage.V = 1, 0
			}
		case *events.Uncommitted:
			m.Outage.V = 1
		}
		if err := s.message.Validate(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

// A node is not gone because of an odd file in its plugin folder: such names are left out.
func TestPresenceWithOddPlugins(t *testing.T) {
	p := samplePresence()
	p.Plugins = []string{"ssh", "MK", "a.b", "ssh", "http", ""}
	for i := range 2 * events.MaxPlugins {
		p.Plugins = append(p.Plugins, "x"+strings.Repeat("y", i%60)+strings.Repeat("z", i/60))
	}
	if _, err := events.Encode(p); err != nil {
		t.Fatal(err)
	}
	if len(p.Plugins) > events.MaxPlugins || !slices.IsSorted(p.Plugins) || p.Plugins[0] != "http" || p.Plugins[1] != "ssh" {
		t.Errorf("%d plugins, %v…", len(p.Plugins), p.Plugins[:3])
	}
}

// A plugin may print what it likes: nonsense in the performance data never costs the result.
func TestResultWithOddPerf(t *testing.T) {
	r := sampleResult()
	bad := sampleResult().Perf[0]
	nan := 0.0
	nan /= nan
	bad.Min = &nan
	r.Perf = []events.Perf{{Label: "x", Value: nan}, bad, {Label: "\xff\x00" + strings.Repeat("l", 300), Value: 1}}
	for range 2 * events.MaxPerf {
		r.Perf = append(r.Perf, events.Perf{Label: "y", Value: 2})
	}
	if _, err := events.Encode(r); err != nil {
		t.Fatal(err)
	}
	if len(r.Perf) != events.MaxPerf || !strings.HasPrefix(r.Perf[0].Label, "\ufffd\ufffdlll") || len(r.Perf[0].Label) != 256 {
		t.Errorf("%d entries, the first %+v", len(r.Perf), r.Perf[0])
	}
	r.Perf = []events.Perf{{Value: nan}}
	if err := r.Validate(); message(err) != `perf "": not a finite number` {
		t.Error(err)
	}
	r.Perf = make([]events.Perf, 65)
	if err := r.Validate(); message(err) != `perf: 65 entries, at most 64 are allowed` {
		t.Error(err)
	}
	r.Perf = []events.Perf{{Unit: "\x1b"}}
	if err := r.Validate(); message(err) != `perf: control character U+001B at byte 0` {
		t.Error(err)
	}
}
