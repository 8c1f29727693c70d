package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

type nodesCmd struct {
	List   nodesListCmd `cmd:"" default:"withargs" help:"Who is a member of the bus by nodes.txt, and who is there."`
	Forget forgetCmd    `cmd:"" help:"Drop what the directory of a node said that is gone for good."`
}

type nodesListCmd struct {
	JSON bool `name:"json" help:"Print as JSON."`
}

// nodesView is what `dmonitor nodes --json` prints.
type nodesView struct {
	Nodes    []nodeRow `json:"nodes"`
	Disagree []string  `json:"disagree"` // members whose nodes.txt is not that of the first one that answered
	Retired  []string  `json:"retired"`  // nodes whose directories still count, and that are neither members nor there
	Trouble  string    `json:"trouble,omitempty"`
}

// nodeRow is one node, or one line of nodes.txt that nobody answers at.
type nodeRow struct {
	Node      string `json:"node"`    // empty: nobody knows who that is
	Address   string `json:"address"` // by nodes.txt; empty: it is not in there
	Here      bool   `json:"here"`
	Member    bool   `json:"member"` // it carries a member of the bus
	Site      string `json:"site"`
	Version   string `json:"version"`
	Looks     bool   `json:"looks"`     // it runs plugins
	Schedules bool   `json:"schedules"` // it holds the scheduler's lease

	remembered bool // nobody answers at its address: it is who answered there last
}

func (c nodesListCmd) Run(a *app) error {
	b, _, err := a.connect()
	if err != nil {
		return err
	}
	defer closeBus(b)
	v, err := askNodes(a.ctx, b)
	if err != nil {
		return err
	}
	unwell := v.Trouble != "" || len(v.Disagree) > 0 || slices.ContainsFunc(v.Nodes, func(r nodeRow) bool { return !r.Here })
	if c.JSON {
		return printJSON(a.stdout, v, exitIf(unwell))
	}
	v.print(a.stdout)
	return exitIf(unwell)
}

func askNodes(ctx context.Context, b *bus.Bus) (nodesView, error) {
	members, err := b.AskMembers(ctx)
	if err != nil {
		return nodesView{}, fmt.Errorf("%w: %w", errBusGone, err)
	}
	present, err := listenForNodes(ctx, b)
	if err != nil {
		return nodesView{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	holder, err := b.LeaseHolder(ctx, events.LeaseScheduler)
	v := viewNodes(members, present, holder)
	if err != nil {
		v.Trouble = "who schedules is not known: the log has no leader; do most of the members run?"
	}
	contributions, err := b.Contributions(ctx)
	if err != nil {
		return v, nil // the trouble is known by now
	}
	for _, c := range contributions {
		if !v.knows(c.Node) {
			v.Retired = append(v.Retired, c.Node)
		}
	}
	slices.Sort(v.Retired)
	return v, nil
}

func (v *nodesView) knows(node string) bool {
	return slices.ContainsFunc(v.Nodes, func(r nodeRow) bool { return r.Node == node && !r.remembered })
}

// viewNodes puts together what members and probers say of themselves.
func viewNodes(members []bus.Member, present []events.Presence, holder string) nodesView {
	v := nodesView{Nodes: []nodeRow{}, Disagree: []string{}, Retired: []string{}}
	row := func(node, address string) *nodeRow {
		for i, r := range v.Nodes {
			if node != "" && r.Node == node || node == "" && r.Address == address {
				return &v.Nodes[i]
			}
		}
		v.Nodes = append(v.Nodes, nodeRow{Node: node, Address: address})
		return &v.Nodes[len(v.Nodes)-1]
	}
	names, silent := namesOf(members)
	for _, m := range members {
		r := row(m.Name, "")
		r.Here, r.Member, r.Site, r.Version = true, true, m.Site, m.Version
	}
	for _, m := range members {
		for _, l := range m.Listed {
			r := row(names[l.Addr], l.Addr)
			r.Address = cmp.Or(r.Address, l.Addr)
			r.remembered = r.remembered || silent[l.Addr] && !r.Here
		}
		if !slices.Equal(listedBy(m, names), listedBy(members[0], names)) {
			v.Disagree = append(v.Disagree, m.Name)
		}
	}
	for _, p := range present {
		r := row(p.Node, "")
		r.Here, r.Looks, r.remembered, r.Site, r.Version = true, true, false, p.Site, p.Version
	}
	for i := range v.Nodes {
		v.Nodes[i].Schedules = holder != "" && v.Nodes[i].Node == holder
	}
	slices.SortFunc(v.Nodes, func(a, b nodeRow) int {
		return cmp.Or(-cmp.Compare(min(len(a.Node), 1), min(len(b.Node), 1)), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Address, b.Address))
	})
	return v
}

// namesOf returns the names of those in the members' lists by address, as far as any member knows, and the addresses at which
// nobody answers any member. Those have the name of who answered last.
func namesOf(members []bus.Member) (names map[string]string, silent map[string]bool) {
	names, silent = map[string]string{}, map[string]bool{}
	for _, m := range members {
		for _, l := range m.Listed {
			names[l.Addr] = cmp.Or(names[l.Addr], l.Name)
		}
	}
	for addr, name := range names {
		silent[addr] = name == ""
	}
	for _, m := range members {
		for addr, name := range m.Known {
			if silent[addr] {
				names[addr] = cmp.Or(names[addr], name)
			}
		}
	}
	return names, silent
}

// listedBy is who is in a member's list, by name as far as anybody knows it: one host may have two addresses.
func listedBy(m bus.Member, names map[string]string) (out []string) {
	for _, l := range m.Listed {
		out = append(out, cmp.Or(names[l.Addr], l.Addr))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (v *nodesView) print(w io.Writer) {
	var rows [][]string
	for _, r := range v.Nodes {
		state := "here"
		if !r.Here {
			state = "AWAY"
		}
		rows = append(rows, []string{cmp.Or(r.Node, "?"), cmp.Or(r.Address, "-"), state, cmp.Or(r.Site, "-"), cmp.Or(r.Version, "-"), r.does()})
	}
	table(w, []string{"NODE", "ADDRESS", "", "SITE", "VERSION", "DOES"}, rows)
	if v.Trouble != "" {
		fmt.Fprintln(w, "\n  TROUBLE  "+v.Trouble)
	}
	if len(v.Disagree) > 0 {
		fmt.Fprintf(w, "\n  nodes.txt differs: that of %s is not that of the others; it has to be the same on every host\n", strings.Join(v.Disagree, ", "))
	}
	for _, node := range v.Retired {
		fmt.Fprintf(w, "\n  %s is gone, and what its directory said still counts; if it is gone for good: dmonitor nodes forget %s\n", node, node)
	}
}

func (r nodeRow) does() string {
	var what []string
	switch {
	case r.Looks && !r.Member:
		what = append(what, "looks, as a remote prober")
	case r.Looks:
		what = append(what, "looks")
	case r.Member:
		what = append(what, "bus only")
	}
	if r.Schedules {
		what = append(what, "schedules")
	}
	return cmp.Or(strings.Join(what, ", "), "-")
}

type forgetCmd struct {
	Node string `arg:"" help:"Name of the node."`
}

// Run drops a node's contribution, and ends that it is missed.
func (c forgetCmd) Run(a *app) error {
	if err := events.ValidateNode(c.Node); err != nil {
		return fmt.Errorf("%w: %w", proc.ErrUsage, err)
	}
	b, _, err := a.connect()
	if err != nil {
		return err
	}
	defer closeBus(b)
	v, err := askNodes(a.ctx, b)
	if err != nil {
		return err
	}
	there := hintError{
		fmt.Errorf("forget node %s: it is there, and would say the same again at once", c.Node),
		"stop dmonitor on that host first; to have only its checks gone, empty its hosts.d",
	}
	if slices.ContainsFunc(v.Nodes, func(r nodeRow) bool { return r.Node == c.Node && r.Here }) {
		return there
	}
	ctx, cancel := context.WithTimeout(a.ctx, askTimeout)
	defer cancel()
	done, err := b.Forget(ctx, c.Node)
	if done.Missed {
		fmt.Fprintf(a.stdout, "node %s is not missed any more\n", c.Node)
	}
	switch {
	case errors.Is(err, bus.ErrNotFound):
		return hintError{
			fmt.Errorf("forget node %s: nothing of its directory is known", c.Node),
			"it isn't missed (yet): dmonitor status names those that are; forget it then",
		}
	case errors.Is(err, bus.ErrThere): // it came back meanwhile
		return there
	case err != nil:
		return hintError{err, "the log of the bus can't be written: do most of the members in nodes.txt run?"}
	case done.Dropped == nil:
		return nil
	}
	left, err := b.Catalog(ctx)
	if err != nil {
		return fmt.Errorf("forgot node %s, but can't read what is left: %w", c.Node, err)
	}
	printForgotten(a.stdout, *done.Dropped, left)
	return nil
}

func printForgotten(w io.Writer, dropped events.Contribution, left events.Catalog) {
	fmt.Fprintf(w, "forgot node %s: %s and %s of its directory\n", dropped.Node,
		plural(len(dropped.Checks), "check"), plural(len(dropped.Recipients), "recipient"))
	for _, d := range dropped.Checks {
		if _, still := left.Checks[d.Check]; !still {
			fmt.Fprintf(w, "  %s is not looked at any more\n", d.Check)
		}
	}
	for _, r := range dropped.Recipients {
		if !slices.ContainsFunc(left.Recipients, func(l events.Recipient) bool { return l.Address == r.Address }) {
			fmt.Fprintf(w, "  %s is told of nothing any more\n", r.Address)
		}
	}
	for _, r := range dropped.Revoked {
		if _, still := left.Revoked(r.Kind, r.Name, r.Before); !still {
			fmt.Fprintf(w, "  credentials of %s %s are good again: it was there that they were revoked\n", r.Kind, r.Name)
		}
	}
}
