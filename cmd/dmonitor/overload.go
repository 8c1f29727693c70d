package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/prober"
)

// overload is a node that has more to do than it can run.
type overload struct {
	Node    string `json:"node"`
	Dropped int    `json:"dropped"` // checks that it did not run when their turn came last
	Checks  int    `json:"checks"`  // that it looks at
}

// overloads lists the nodes that are there and whose last word on some of the checks is that they did not get round to it.
func overloads(catalog events.Catalog, nodes []events.Presence, results []bus.Arrived) []overload {
	found := []overload{}
	for _, n := range nodes {
		o := overload{Node: n.Node}
		for i := range results {
			r := &results[i].Result
			if def, configured := catalog.Checks[r.Check]; r.Node != n.Node || !configured || !def.LooksFrom(n.Node) {
				continue
			}
			o.Checks++
			if r.Status == events.Unknown && strings.HasPrefix(r.Output, prober.Dropped) {
				o.Dropped++
			}
		}
		if o.Dropped > 0 {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b overload) int { return cmp.Compare(a.Node, b.Node) })
	return found
}

func printOverloads(w io.Writer, found []overload) {
	for _, o := range found {
		fmt.Fprintf(w, "  OVERLOAD  %s has more to do than it can run: %d of its %s were dropped when their turn came last\n",
			o.Node, o.Dropped, plural(o.Checks, "check"))
	}
	if len(found) > 0 {
		fmt.Fprintln(w, "  hint:  a higher DMONITOR_CONCURRENCY there, longer intervals or fewer checks")
	}
}
