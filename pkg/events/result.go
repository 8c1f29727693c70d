package events

import (
	"fmt"
	"time"
)

// Limits of what a result carries; a prober cuts a plugin's output to them.
const (
	MaxOutput = 8 << 10 // bytes of a plugin's standard output
	MaxPerf   = 64      // perfdata entries
	maxPerfs  = 256     // bytes of a label or unit
)

// Result is what one run found.
type Result struct {
	V        int    `json:"v"`
	ID       string `json:"id"`                 // the job's id; for a confirmation ConfirmedID
	Confirms string `json:"confirms,omitempty"` // id of the confirmation it answers
	Node     string `json:"node"`
	Site     string `json:"site"`
	Check
	Status  Status    `json:"status"`
	Output  string    `json:"output"`           // first line, without perfdata; why, if the plugin couldn't be run
	Detail  string    `json:"detail,omitempty"` // further lines, and the plugin's standard error
	Perf    []Perf    `json:"perf,omitempty"`
	Due     time.Time `json:"due,omitzero"` // of the job; zero for a confirmation
	Started time.Time `json:"started"`      // the node's clock
	Elapsed Millis    `json:"elapsed_ms"`
}

// Perf is one entry of a plugin's performance data, as the Monitoring Plugins guidelines define it:
// 'label'=value[unit];[warn];[crit];[min];[max]. Warn and Crit are ranges and stay text.
type Perf struct {
	Label string   `json:"label"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit,omitempty"`
	Warn  string   `json:"warn,omitempty"`
	Crit  string   `json:"crit,omitempty"`
	Min   *float64 `json:"min,omitempty"`
	Max   *float64 `json:"max,omitempty"`
}

// ConfirmedID is the id of a node's answer to a confirmation.
func ConfirmedID(confirmation, node string) string { return confirmation + "~" + node }

// Subject is where the result is published.
func (r *Result) Subject() string { return ResultSubject(r.Node, r.Check) }

// Validate returns nil if every field keeps the rules.
func (r *Result) Validate() error {
	if err := validateID("id", r.ID); err != nil {
		return err
	}
	if r.Confirms != "" {
		if err := validateID("confirms", r.Confirms); err != nil {
			return err
		}
	}
	if err := ValidateNode(r.Node); err != nil {
		return err
	}
	if err := ValidateNode(r.Site); err != nil {
		return fmt.Errorf("site: %w", err)
	}
	if err := r.Check.Validate(); err != nil {
		return err
	}
	if err := r.Status.validate(); err != nil {
		return err
	}
	// Bytes a plugin wrote that were no UTF-8 have become U+FFFD, three bytes each.
	if len(r.Output) > 3*MaxOutput || len(r.Detail) > 6*MaxOutput {
		return fmt.Errorf("output of %d and detail of %d bytes: too long", len(r.Output), len(r.Detail))
	}
	if len(r.Perf) > MaxPerf {
		return fmt.Errorf("perf: %d entries, at most %d are allowed", len(r.Perf), MaxPerf)
	}
	for _, p := range r.Perf {
		if len(p.Label) > maxPerfs || len(p.Unit) > maxPerfs || len(p.Warn) > maxPerfs || len(p.Crit) > maxPerfs {
			return fmt.Errorf("perf %q: too long", clip(p.Label))
		}
	}
	if r.Elapsed < 0 {
		return fmt.Errorf("elapsed %v: negative", r.Elapsed)
	}
	return nil
}

func (r *Result) version() *int                 { return &r.V }
func (r *Result) belongsOn(subject string) bool { return subject == r.Subject() }

// Presence timing: every prober says so each second; gone after five silent ones.
const (
	PresenceInterval = time.Second
	PresenceTimeout  = 5 * time.Second
)

// MaxPlugins bounds the list of plugins a node says it has.
const MaxPlugins = 1000

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
}

// Subject is where the presence is published.
func (p *Presence) Subject() string { return PresenceSubject(p.Node) }

// Validate returns nil if every field keeps the rules.
func (p *Presence) Validate() error {
	if err := ValidateNode(p.Node); err != nil {
		return err
	}
	if err := ValidateNode(p.Site); err != nil {
		return fmt.Errorf("site: %w", err)
	}
	if err := validateID("instance", p.Instance); err != nil {
		return err
	}
	if len(p.Version) > maxPerfs {
		return fmt.Errorf("version %q: too long", clip(p.Version))
	}
	if len(p.Plugins) > MaxPlugins {
		return fmt.Errorf("plugins: %d of them, at most %d are allowed", len(p.Plugins), MaxPlugins)
	}
	for _, name := range p.Plugins {
		if err := ValidatePlugin(name); err != nil {
			return err
		}
	}
	return nil
}

func (p *Presence) version() *int                 { return &p.V }
func (p *Presence) belongsOn(subject string) bool { return subject == p.Subject() }
