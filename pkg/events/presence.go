package events

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Presence timing: every prober says so each second; gone after five silent ones.
const (
	PresenceInterval = time.Second
	PresenceTimeout  = 5 * time.Second
)

// MaxPlugins bounds the list of plugins a node says it has, and MaxWithheld that of those it doesn't offer.
const (
	MaxPlugins  = 1000
	MaxWithheld = 20
)

// Presence is what a prober says each second: that it is there, and what it can run.
type Presence struct {
	V        int      `json:"v"`
	Node     string   `json:"node"`
	Site     string   `json:"site"`
	Version  string   `json:"version"`  // of dmonitor
	Instance string   `json:"instance"` // differs between two processes that claim the same node
	Plugins  []string `json:"plugins"`  // without "check_", sorted
	Running  int      `json:"running"`  // plugins running now
	Late     uint64   `json:"late"`     // jobs dropped as late since the start
	Leaving  bool     `json:"leaving"`  // the last word of a prober that stops politely
	// Withheld are plugins that are there and not among Plugins, because they would not work: sorted by their names.
	Withheld []Withheld `json:"withheld,omitempty"`
}

// Withheld is a plugin that a node has and doesn't offer.
type Withheld struct {
	Plugin string `json:"plugin"` // without "check_"
	Why    string `json:"why"`    // and what to do about it; at most MaxReason bytes
}

// Subject is where the presence is published.
func (p *Presence) Subject() string { return PresenceSubject(p.Node) }

// Validate returns nil if every field keeps the rules.
func (p *Presence) Validate() error {
	if err := ValidateNode(p.Node); err != nil {
		return err
	}
	if err := ValidateSite(p.Site); err != nil {
		return err
	}
	if err := validateID("instance", p.Instance); err != nil {
		return err
	}
	if err := validateText("version", p.Version, maxWord); err != nil {
		return err
	}
	if p.Running < 0 {
		return fmt.Errorf("running %d: want 0 or more", p.Running)
	}
	if len(p.Plugins) > MaxPlugins {
		return fmt.Errorf("plugins: %d of them, at most %d are allowed", len(p.Plugins), MaxPlugins)
	}
	for _, name := range p.Plugins {
		if err := ValidatePlugin(name); err != nil {
			return err
		}
	}
	if len(p.Withheld) > MaxWithheld {
		return fmt.Errorf("withheld: %d plugins, at most %d are allowed", len(p.Withheld), MaxWithheld)
	}
	for _, w := range p.Withheld {
		if err := errors.Join(ValidatePlugin(w.Plugin), validateText("why", w.Why, MaxReason)); err != nil {
			return err
		}
	}
	return nil
}

// tidy leaves out plugins that no test could name: a node is not gone because of a file in its plugin folder.
func (p *Presence) tidy() {
	p.Version = CleanText(p.Version, maxWord)
	names := slices.DeleteFunc(slices.Clone(p.Plugins), func(s string) bool { return ValidatePlugin(s) != nil })
	slices.Sort(names)
	names = slices.Compact(names)
	p.Plugins = list(names[:min(len(names), MaxPlugins)])
	withheld := slices.DeleteFunc(slices.Clone(p.Withheld), func(w Withheld) bool { return ValidatePlugin(w.Plugin) != nil })
	slices.SortFunc(withheld, func(a, b Withheld) int { return cmp.Compare(a.Plugin, b.Plugin) })
	for i := range withheld {
		withheld[i].Why = CleanText(withheld[i].Why, MaxReason)
	}
	if p.Withheld = withheld[:min(len(withheld), MaxWithheld)]; len(p.Withheld) == 0 {
		p.Withheld = nil // as it is read back
	}
}

func (p *Presence) version() *int                 { return &p.V }
func (p *Presence) belongsOn(subject string) bool { return subject == p.Subject() }
