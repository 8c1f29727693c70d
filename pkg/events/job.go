package events

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a run. MaxArgs and MaxArgLen keep a plugin's argv far below any kernel's limit.
const (
	MinInterval = 100 * time.Millisecond
	MaxInterval = 24 * time.Hour
	MinTimeout  = 10 * time.Millisecond
	MaxTimeout  = 10 * time.Minute
	MaxArgs     = 64
	MaxArgLen   = 4096
	maxID       = 512
)

// Run says what to execute: the plugin check_<Plugin>, with Args or, if there are none, with the host alone.
type Run struct {
	Check
	Plugin  string   `json:"plugin"` // without "check_"; usually the test's name
	Args    []string `json:"args,omitempty"`
	Timeout Millis   `json:"timeout_ms"`
}

func (r Run) validate() error {
	if err := r.Check.Validate(); err != nil {
		return err
	}
	if err := ValidatePlugin(r.Plugin); err != nil {
		return err
	}
	if len(r.Args) > MaxArgs {
		return fmt.Errorf("args: %d of them, at most %d are allowed", len(r.Args), MaxArgs)
	}
	for _, a := range r.Args {
		if err := validateArg(a); err != nil {
			return err
		}
	}
	return inRange("timeout", r.Timeout, MinTimeout, MaxTimeout)
}

func (r *Run) tidy() { r.Args, r.Timeout = none(r.Args), r.Timeout.round() }

func validateArg(a string) error {
	if len(a) > MaxArgLen {
		return fmt.Errorf("args: %q: %d bytes, at most %d are allowed", clip(a), len(a), MaxArgLen)
	}
	if !utf8.ValidString(a) {
		return fmt.Errorf("args: %q: not UTF-8", clip(a))
	}
	if strings.IndexByte(a, 0) >= 0 {
		return fmt.Errorf("args: %q: NUL is not allowed", clip(a))
	}
	return nil
}

// Job is the order to run one check on one node now.
type Job struct {
	V    int    `json:"v"`
	ID   string `json:"id"` // JobID: a prober runs an id once
	Node string `json:"node"`
	Run
	Interval Millis    `json:"interval_ms"` // a job that waited longer is dropped
	Due      time.Time `json:"due"`         // the scheduler's clock
}

// JobID is the same on every scheduler: check, node and due moment.
func JobID(c Check, node string, due time.Time) string {
	return fmt.Sprintf("%s@%s@%d", c, node, due.UnixMilli())
}

// Subject is where the job is published.
func (j *Job) Subject() string { return JobsSubject(j.Node) }

// Validate returns nil if every field keeps the rules.
func (j *Job) Validate() error {
	if err := validateID("id", j.ID); err != nil {
		return err
	}
	if err := ValidateNode(j.Node); err != nil {
		return err
	}
	if err := inRange("interval", j.Interval, MinInterval, MaxInterval); err != nil {
		return err
	}
	if j.Due.IsZero() {
		return fmt.Errorf("due is missing")
	}
	if err := validateTime("due", j.Due); err != nil {
		return err
	}
	return j.Run.validate()
}

func (j *Job) tidy() {
	j.Run.tidy()
	j.Interval, j.Due = j.Interval.round(), stamp(j.Due)
}

func (j *Job) version() *int                 { return &j.V }
func (j *Job) belongsOn(subject string) bool { return subject == j.Subject() }

// Confirmation asks nodes to run a check now, because another node suspects that its state changed.
type Confirmation struct {
	V     int      `json:"v"`
	ID    string   `json:"id"`    // the id of the result that caused it: several arbiters asking cost one run
	Nodes []string `json:"nodes"` // who is asked
	Run
}

// Subject is where the confirmation is published.
func (c *Confirmation) Subject() string { return ConfirmSubject(c.Check) }

// Validate returns nil if every field keeps the rules.
func (c *Confirmation) Validate() error {
	if err := validateID("id", c.ID); err != nil {
		return err
	}
	if err := validateNodes(c.Nodes); err != nil {
		return err
	}
	return c.Run.validate()
}

func (c *Confirmation) tidy() {
	c.Run.tidy()
	c.Nodes = list(c.Nodes)
}

func (c *Confirmation) version() *int                 { return &c.V }
func (c *Confirmation) belongsOn(subject string) bool { return subject == c.Subject() }

func validateNodes(nodes []string) error {
	if len(nodes) > MaxVotes {
		return fmt.Errorf("nodes: %d of them, at most %d are allowed", len(nodes), MaxVotes)
	}
	for _, n := range nodes {
		if err := ValidateNode(n); err != nil {
			return err
		}
	}
	return nil
}

func inRange(what string, d Millis, low, high time.Duration) error {
	if t := d.Duration(); t < low || t > high {
		return fmt.Errorf("%s %v: want %v to %v", what, t, low, high)
	}
	return nil
}

// validateID refuses ids that are empty, long, or hold anything but printable ASCII without space.
func validateID(what, id string) error {
	if id == "" {
		return fmt.Errorf("%s is empty", what)
	}
	if len(id) > maxID {
		return fmt.Errorf("%s %q: %d bytes, at most %d are allowed", what, clip(id), len(id), maxID)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return fmt.Errorf("%s %q: only printable ASCII without spaces is allowed", what, clip(id))
		}
	}
	return nil
}
