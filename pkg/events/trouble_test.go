package events_test

import (
	"errors"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Each rule of a trouble, broken once.
func TestTroubleValidate(t *testing.T) {
	blind := func(change func(*events.Trouble)) *events.Trouble { m := sampleBlind(); change(m); return m }
	node := func(change func(*events.Trouble)) *events.Trouble { m := sampleNodeBack(); change(m); return m }
	for want, m := range map[string]*events.Trouble{
		`event "": not an event this program knows`:                                   blind(func(m *events.Trouble) { m.Event = "" }),
		`kind "": want one of blind, node, majority: not an event this program knows`: blind(func(m *events.Trouble) { m.Kind = "" }),
		`node "fra": kind blind is about no single node`:                              blind(func(m *events.Trouble) { m.Node = "fra" }),
		`node name is empty`: node(func(m *events.Trouble) { m.Node = "" }),
		`trouble is empty`:   node(func(m *events.Trouble) { m.Trouble = "" }),
		`step 2 of an event that says it began: the first step is the beginning, and only that`: blind(func(m *events.Trouble) { m.Step = 2 }),
		`step 1 of an event that says it ended: the first step is the beginning, and only that`: node(func(m *events.Trouble) { m.Step = 1 }),
		`id "x": want "blind-all-1773489600000-1"`:                                              blind(func(m *events.Trouble) { m.ID = "x" }),
		`event grew: only blind grows`:                                                          node(func(m *events.Trouble) { m.Event = events.Grew }),
		`time or began is missing`:                                                              node(func(m *events.Trouble) { m.Began = events.Trouble{}.Began }),
		`checks: 1 listed of 0, want at most 200, and no more than there are`:                   blind(func(m *events.Trouble) { m.Total = 0 }),
		`checks: 0 of them for blind that began`:                                                blind(func(m *events.Trouble) { m.Checks, m.Total = nil, 0 }),
		`checks: 1 of them for node that ended`:                                                 node(func(m *events.Trouble) { m.Total = 1 }),
		`check www.example.com/ssh: able -1, agree 2`:                                           blind(func(m *events.Trouble) { m.Checks[0].Able = -1 }),
		`reason: control character U+0007 at byte 0`:                                            node(func(m *events.Trouble) { m.Reason = "\a" }),
	} {
		if err := m.Validate(); message(err) != want {
			t.Errorf("error %v\nwant %s", err, want)
		}
	}
}

// A gap that ends before it begins is refused; a notice is about one thing; a trouble has its own subjects.
func TestTroublesBesideOutages(t *testing.T) {
	o := closedOutage()
	o.Gap = &events.Gap{From: noon, To: at(-1)}
	if o.Validate() == nil {
		t.Error("a gap that ends before it begins is taken")
	}
	n := sampleTroubleNotice()
	n.Trouble.V, n.Outage = 1, openedOutage()
	if n.Validate() == nil {
		t.Error("a notice about two things is taken")
	}
	for _, s := range []string{
		"dmonitor.troubles.began.node", "dmonitor.troubles.began.node.all.x", "dmonitor.troubles.began.odd.all",
		"dmonitor.troubles..blind.all", "dmonitor.outages.opened.ssh.www", "dmonitor.troubles.began.blind.fra",
	} {
		if _, _, err := events.ParseTroubleSubject(s); err == nil {
			t.Errorf("%s is taken for a trouble's subject", s)
		}
	}
	if _, _, err := events.ParseTroubleSubject("dmonitor.troubles.began.disk.all"); !errors.Is(err, events.ErrEvent) {
		t.Errorf("a kind of a newer version: %v, want ErrEvent", err)
	}
	e, k, err := events.ParseTroubleSubject("dmonitor.propose-trouble.swelled.node.all")
	if err != nil || e != "swelled" || k.Node != "all" {
		t.Errorf("an event of a newer version about a node called all: %v %v %v", e, k, err)
	}
}
