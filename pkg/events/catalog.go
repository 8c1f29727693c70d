package events

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Catalog is the union of all contributions: what the cluster checks, and who is told.
type Catalog struct {
	Checks      map[Check]Definition
	Recipients  []Recipient  // sorted by address
	Conflicts   []Conflict   // sorted by check
	Revocations []Revocation // sorted by kind and name, of which there is one each
}

// Conflict is a check that two nodes define differently. The newest edit is in force.
type Conflict struct {
	Check Check  `json:"check"`
	Used  string `json:"used"`  // the node whose definition is in force
	Other string `json:"other"` // a node that says otherwise
}

// Merge makes the union. The result does not depend on the order of the contributions, of which there is one per node:
// of two definitions the newest edit wins, and on a tie the node whose name sorts first. Addresses that differ in case
// only are one recipient. Of two revocations the one that reaches further is in force.
func Merge(contributions []Contribution) Catalog {
	sorted := slices.SortedFunc(slices.Values(contributions), func(a, b Contribution) int {
		return strings.Compare(a.Node, b.Node)
	})
	cat := Catalog{Checks: map[Check]Definition{}}
	recipients := map[string]Recipient{}
	all := map[Check][]Definition{}
	for _, c := range sorted {
		for _, d := range c.Checks {
			d.From = c.Node
			all[d.Check] = append(all[d.Check], d)
		}
		cat.Revocations = append(cat.Revocations, c.Revoked...)
		for _, r := range c.Recipients {
			key := fold(r.Address)
			if old, ok := recipients[key]; !ok || r.Edited.After(old.Edited) {
				recipients[key] = r
			}
		}
	}
	for check, defs := range all {
		used := defs[0]
		for _, d := range defs[1:] {
			if d.Edited.After(used.Edited) {
				used = d
			}
		}
		cat.Checks[check] = used
		for _, d := range defs {
			if !d.sameAs(used) {
				cat.Conflicts = append(cat.Conflicts, Conflict{Check: check, Used: used.From, Other: d.From})
			}
		}
	}
	cat.Revocations = mergeRevocations(cat.Revocations)
	cat.Recipients = slices.SortedFunc(maps.Values(recipients), func(a, b Recipient) int {
		return strings.Compare(a.Address, b.Address)
	})
	slices.SortFunc(cat.Conflicts, func(a, b Conflict) int {
		return cmp.Or(strings.Compare(a.Check.String(), b.Check.String()), strings.Compare(a.Other, b.Other))
	})
	return cat
}

// sameAs compares what two definitions say, not where and when they were written, nor in which order they name nodes
// and recipients.
func (d Definition) sameAs(o Definition) bool {
	return d.Run.Check == o.Run.Check && d.Plugin == o.Plugin && slices.Equal(d.Args, o.Args) &&
		d.Timeout == o.Timeout && d.Interval == o.Interval && d.Agree == o.Agree && d.Note == o.Note &&
		sameSet(d.Nodes, o.Nodes) && sameSet(d.Recipients, o.Recipients)
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b))))
}

// RecipientsOf lists the addresses that are told about a check, sorted, each once whatever its case. A check that names its own
// recipients is told to those only; a check that is no longer configured, to whoever wants it by alert.d.
func (c Catalog) RecipientsOf(check Check) []string {
	if d, ok := c.Checks[check]; ok && len(d.Recipients) > 0 {
		seen := map[string]bool{}
		return slices.DeleteFunc(slices.Sorted(slices.Values(d.Recipients)), func(r string) bool {
			twice := seen[fold(r)]
			seen[fold(r)] = true
			return twice
		})
	}
	var out []string
	for _, r := range c.Recipients {
		if r.Wants(check) {
			out = append(out, r.Address)
		}
	}
	return out
}

// Operators lists the addresses that are told of troubles of dmonitor itself, sorted.
func (c Catalog) Operators() []string {
	var out []string
	for _, r := range c.Recipients {
		if r.Operator {
			out = append(out, r.Address)
		}
	}
	return out
}

// Sorted lists the definitions by host, then test.
func (c Catalog) Sorted() []Definition {
	return slices.SortedFunc(maps.Values(c.Checks), func(a, b Definition) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Test, b.Test))
	})
}

// Defaults are the values of a check whose file is silent.
const (
	DefaultInterval = time.Minute
	DefaultTimeout  = 10 * time.Second
	DefaultAgree    = 2
)

func sortedKeys[V any](m map[string]V, keep func(V) bool) []string {
	var out []string
	for k, v := range m {
		if keep(v) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}
