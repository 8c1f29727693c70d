package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/bus/embed"
	"github.com/dmonitor/dmonitor/pkg/events"
)

func member(name string, listed ...embed.Listed) bus.Member {
	return bus.Member{Name: name, Site: name, Version: "v1", Listed: listed}
}

// Who is there, who isn't, and what each does, put together from what members and probers say.
func TestViewNodes(t *testing.T) {
	a, b := embed.Listed{Addr: "a:2929", Name: "a"}, embed.Listed{Addr: "b:2929", Name: "b"}
	bAway, dead := embed.Listed{Addr: "b:2929"}, embed.Listed{Addr: "dead:2929"}
	remembers := member("a", a, bAway)
	remembers.Known = map[string]string{"b:2929": "b", "dead:2929": "not listed any more"}
	looks := func(node string) events.Presence { return events.Presence{Node: node, Site: node, Version: "v1"} }
	for _, tc := range []struct {
		name    string
		members []bus.Member
		present []events.Presence
		holder  string
		want    []string // lines, columns by one space
	}{
		{"alone, without nodes.txt", []bus.Member{member("a")}, []events.Presence{looks("a")}, "a", []string{"a - here a v1 looks, schedules"}},
		{
			"a third voice",
			[]bus.Member{member("a", a, b), member("b", a, b)},
			[]events.Presence{looks("a")},
			"",
			[]string{"a a:2929 here a v1 looks", "b b:2929 here b v1 bus only"},
		},
		{
			"one that is away, and nobody knows its name",
			[]bus.Member{member("a", a, dead)},
			[]events.Presence{looks("a")},
			"a",
			[]string{"a a:2929 here a v1 looks, schedules", "? dead:2929 AWAY - - -"},
		},
		{
			"one that is away, and a member knows its name",
			[]bus.Member{remembers},
			nil, "",
			[]string{"a a:2929 here a v1 bus only", "b b:2929 AWAY - - -"},
		},
		{
			"one that has another name than it had",
			[]bus.Member{remembers, member("c", a, embed.Listed{Addr: "b:2929", Name: "c"})},
			nil, "",
			[]string{"a a:2929 here a v1 bus only", "c b:2929 here c v1 bus only"},
		},
		{
			"one that another member can't reach",
			[]bus.Member{member("a", a, bAway), member("b", a, b)},
			nil, "",
			[]string{"a a:2929 here a v1 bus only", "b b:2929 here b v1 bus only"},
		},
		{
			"a prober elsewhere",
			[]bus.Member{member("a", a)},
			[]events.Presence{looks("a"), looks("far")},
			"",
			[]string{"a a:2929 here a v1 looks", "far - here far v1 looks, as a remote prober"},
		},
		{
			"two names of one host",
			[]bus.Member{member("a", a, b), member("b", embed.Listed{Addr: "inside:2929", Name: "a"}, b)},
			nil, "",
			[]string{"a a:2929 here a v1 bus only", "b b:2929 here b v1 bus only"},
		},
		{
			"lists that differ",
			[]bus.Member{member("a", a, b), member("b", b)},
			nil, "",
			[]string{"nodes.txt differs: that of b is not that of the others; it has to be the same on every host"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := viewNodes(tc.members, tc.present, tc.holder)
			var out bytes.Buffer
			v.print(&out)
			text := strings.Join(strings.Fields(strings.ReplaceAll(out.String(), "\n", " | ")), " ")
			for _, line := range tc.want {
				if !strings.Contains(text, "| "+line+" ") {
					t.Errorf("no %q in\n%s", line, text)
				}
			}
			if strings.Contains(text, "not listed") {
				t.Errorf("who is in no list is shown:\n%s", text)
			}
			if data, err := json.Marshal(v); err != nil || bytes.Contains(data, []byte("null")) {
				t.Errorf("%v: %s", err, data)
			}
		})
	}
}

// Who is away counts as gone also if its name is remembered: what its directory said still counts, and somebody has to know.
func TestRememberedIsGone(t *testing.T) {
	m := member("a", embed.Listed{Addr: "a:2929", Name: "a"}, embed.Listed{Addr: "b:2929"})
	m.Known = map[string]string{"b:2929": "b"}
	v := viewNodes([]bus.Member{m}, nil, "")
	if v.knows("b") || !v.knows("a") {
		t.Errorf("%+v", v.Nodes)
	}
	c := member("c", embed.Listed{Addr: "b:2929", Name: "b"}) // reaches it
	if v := viewNodes([]bus.Member{m, c}, nil, ""); !v.knows("b") {
		t.Errorf("%+v", v.Nodes)
	}
}
