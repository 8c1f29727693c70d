package confdir

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Names in the directory.
const (
	HostsDir   = "hosts.d"
	AlertDir   = "alert.d"
	RevokedDir = "revoked.d"
	NodesFile  = "nodes.txt"
)

// topNames are all of them.
var topNames = []string{HostsDir, AlertDir, RevokedDir, NodesFile}

// Snapshot is what the directory says.
type Snapshot struct {
	Checks     []events.Definition // by host, then test
	Recipients []events.Recipient  // by address
	Revoked    []events.Revocation // by kind, then name
	Nodes      []string            // "host:port" as net.JoinHostPort writes it, in the order of the file
}

// Empty tells whether the directory gives nothing to watch, nobody to tell and nobody to shut out.
func (s Snapshot) Empty() bool { return len(s.Checks)+len(s.Recipients)+len(s.Revoked) == 0 }

func (s *Snapshot) sort() {
	slices.SortFunc(s.Checks, func(a, b events.Definition) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Test, b.Test))
	})
	slices.SortFunc(s.Recipients, func(a, b events.Recipient) int { return strings.Compare(a.Address, b.Address) })
	slices.SortFunc(s.Revoked, func(a, b events.Revocation) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Name, b.Name))
	})
}

// Defaults fill in what a check's file doesn't say. A zero field stands for the default of package events.
type Defaults struct {
	Interval time.Duration
	Timeout  time.Duration
	Agree    int
}

// Validate returns nil if a check that says nothing of its own would be valid with these defaults.
func (d Defaults) Validate() error {
	def := d.definition(events.Check{Host: "localhost", Test: "ping"}, time.Time{})
	if err := def.Validate(); err != nil {
		return fmt.Errorf("defaults of checks: %w", err)
	}
	return nil
}

func (d Defaults) filled() Defaults {
	return Defaults{
		Interval: cmp.Or(d.Interval, events.DefaultInterval),
		Timeout:  cmp.Or(d.Timeout, events.DefaultTimeout),
		Agree:    cmp.Or(d.Agree, events.DefaultAgree),
	}
}

// definition is the check of an empty file.
func (d Defaults) definition(c events.Check, edited time.Time) events.Definition {
	d = d.filled()
	return events.Definition{
		Run:      events.Run{Check: c, Plugin: c.Test, Timeout: events.Millis(min(d.Timeout, d.Interval))},
		Interval: events.Millis(d.Interval),
		Agree:    d.Agree,
		Edited:   edited,
	}
}

// Keep puts what bad files said before back in force: of old it takes whatever stands in a file that problems cover
// and that is not in fresh, and the nodes if nodes.txt is bad. Everything else is fresh's, so a file that was removed
// is gone. Keep changes neither snapshot.
func Keep(old, fresh Snapshot, problems Problems) Snapshot {
	kept := Snapshot{
		Checks:     slices.Clone(fresh.Checks),
		Recipients: slices.Clone(fresh.Recipients),
		Revoked:    slices.Clone(fresh.Revoked),
		Nodes:      slices.Clone(fresh.Nodes),
	}
	if len(problems) == 0 {
		return kept
	}
	checks := map[events.Check]bool{}
	for _, d := range fresh.Checks {
		checks[d.Check] = true
	}
	for _, d := range old.Checks {
		if !checks[d.Check] && problems.Cover(checkFile(d.Check)) {
			kept.Checks = append(kept.Checks, d)
		}
	}
	addresses := map[string]bool{}
	for _, r := range fresh.Recipients {
		addresses[r.Address] = true
	}
	for _, r := range old.Recipients {
		if !addresses[r.Address] && problems.Cover(recipientFile(r.Address)) {
			kept.Recipients = append(kept.Recipients, r)
		}
	}
	revoked := map[string]bool{}
	for _, r := range fresh.Revoked {
		revoked[r.String()] = true
	}
	for _, r := range old.Revoked {
		if !revoked[r.String()] && problems.Cover(RevokedDir+"/"+r.String()) {
			kept.Revoked = append(kept.Revoked, r)
		}
	}
	if problems.Cover(NodesFile) {
		kept.Nodes = slices.Clone(old.Nodes)
	}
	kept.sort()
	return kept
}

func checkFile(c events.Check) string { return HostsDir + "/" + c.Host + "/" + c.Test }

func recipientFile(address string) string { return AlertDir + "/" + address }

// short writes a duration as people do: "1m" where time.Duration says "1m0s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
