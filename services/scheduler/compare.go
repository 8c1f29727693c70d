package scheduler

import (
	"reflect"
	"strings"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// sameContent tells whether two contributions, as a reader gets them, say the same; when they were read doesn't count.
func sameContent(a, b events.Contribution) bool {
	return reflect.DeepEqual(a.Checks, b.Checks) && reflect.DeepEqual(a.Recipients, b.Recipients) && reflect.DeepEqual(a.Revoked, b.Revoked)
}

// reflects tells whether a catalog may have been made with this contribution among others: its checks, recipients and
// revocations are there, and what the catalog has from this node is what the node said. The bus may have lost what it was given, if
// all members lost their disks, and nobody would look at anything any more.
func reflects(cat events.Catalog, c events.Contribution) bool {
	mine := map[events.Check]bool{}
	for _, d := range c.Checks {
		mine[d.Check] = true
		got, ok := cat.Checks[d.Check]
		d.From = c.Node
		if !ok || got.From == c.Node && !reflect.DeepEqual(got, d) {
			return false
		}
	}
	for check, d := range cat.Checks {
		if d.From == c.Node && !mine[check] {
			return false
		}
	}
	told := map[string]bool{}
	for _, r := range cat.Recipients {
		told[strings.ToLower(r.Address)] = true
	}
	for _, r := range c.Recipients {
		if !told[strings.ToLower(r.Address)] {
			return false
		}
	}
	for _, r := range c.Revoked {
		if _, there := cat.Revoked(r.Kind, r.Name, r.Before); !there {
			return false
		}
	}
	return true
}
