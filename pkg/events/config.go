package events

import (
	"fmt"
	"net/mail"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Limits of a definition and a recipient.
const (
	MaxAgree = 64       // sites that may have to agree
	MaxNote  = 8 << 10  // bytes of a check's note
	MaxList  = 256      // recipients of a check, globs of a recipient
	maxGlob  = 2 * 1024 // bytes of a glob
)

// Definition says how one check is made. All fields are filled in: defaults were applied by the node it comes from.
type Definition struct {
	Run
	Interval   Millis    `json:"interval_ms"`
	Agree      int       `json:"agree"`
	Nodes      []string  `json:"nodes,omitempty"`      // only these look; empty: every node
	Recipients []string  `json:"recipients,omitempty"` // only these are told; empty: as alert.d says
	Note       string    `json:"note,omitempty"`       // what to do about it, shown in the mail
	Edited     time.Time `json:"edited"`               // when the file was last changed; the newest edit wins
	From       string    `json:"from,omitempty"`       // the node it comes from; filled in by Merge
}

// Validate returns nil if every field keeps the rules.
func (d *Definition) Validate() error {
	if err := d.Run.validate(); err != nil {
		return err
	}
	if err := inRange("interval", d.Interval, MinInterval, MaxInterval); err != nil {
		return err
	}
	if d.Agree < 1 || d.Agree > MaxAgree {
		return fmt.Errorf("agree %d: want 1 to %d", d.Agree, MaxAgree)
	}
	if err := validateNodes(d.Nodes); err != nil {
		return err
	}
	if len(d.Recipients) > MaxList {
		return fmt.Errorf("recipients: %d of them, at most %d are allowed", len(d.Recipients), MaxList)
	}
	for _, r := range d.Recipients {
		if err := ValidateRecipient(r); err != nil {
			return err
		}
	}
	if err := validateText("note", d.Note, MaxNote); err != nil {
		return err
	}
	return validateTime("edited", d.Edited)
}

func (d *Definition) tidy() {
	d.Run.tidy()
	d.Nodes, d.Recipients = none(d.Nodes), none(d.Recipients)
	d.Interval, d.Edited = d.Interval.round(), stamp(d.Edited)
}

// LooksFrom tells whether the node is one that looks at the check.
func (d *Definition) LooksFrom(node string) bool {
	return len(d.Nodes) == 0 || slices.Contains(d.Nodes, node)
}

// Recipient is who is told, and of what.
type Recipient struct {
	Address  string    `json:"address"`
	Hosts    []string  `json:"hosts,omitempty"` // globs as path.Match has them; empty: every host
	Tests    []string  `json:"tests,omitempty"`
	Operator bool      `json:"operator"` // is told of troubles of dmonitor itself; whose file is empty is an operator
	Edited   time.Time `json:"edited"`
}

// Validate returns nil if every field keeps the rules.
func (r *Recipient) Validate() error {
	if err := ValidateRecipient(r.Address); err != nil {
		return err
	}
	if n := max(len(r.Hosts), len(r.Tests)); n > MaxList {
		return fmt.Errorf("globs: %d of them, at most %d are allowed", n, MaxList)
	}
	for _, g := range slices.Concat(r.Hosts, r.Tests) {
		if err := validateText("glob", g, maxGlob); err != nil {
			return err
		}
		if _, err := path.Match(g, ""); err != nil {
			return fmt.Errorf("glob %q: %w", clip(g), err)
		}
	}
	return validateTime("edited", r.Edited)
}

func (r *Recipient) tidy() {
	r.Hosts, r.Tests, r.Edited = none(r.Hosts), none(r.Tests), stamp(r.Edited)
}

// Wants tells whether the recipient is told about this check.
func (r *Recipient) Wants(c Check) bool {
	return anyMatch(r.Hosts, c.Host) && anyMatch(r.Tests, c.Test)
}

func anyMatch(globs []string, name string) bool {
	if len(globs) == 0 {
		return true
	}
	return slices.ContainsFunc(globs, func(g string) bool {
		ok, _ := path.Match(g, name)
		return ok
	})
}

// ValidateRecipient returns nil for a bare mail address that can stand in an SMTP command and in a file's name.
func ValidateRecipient(s string) error {
	if len(s) > 254 { // RFC 5321, section 4.5.3.1.3, less the angle brackets
		return fmt.Errorf("recipient %q: %d bytes, at most 254 are allowed", clip(s), len(s))
	}
	odd := func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }
	if strings.ContainsAny(s, "/\\<>\"(),;:") || strings.ContainsFunc(s, odd) {
		return fmt.Errorf("recipient %q: want a bare address, such as ops@example.com", clip(s))
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return fmt.Errorf("recipient %q: want a bare address, such as ops@example.com", clip(s))
	}
	return nil
}

// Contribution is what one node's directory says, as it stands in BucketConfig.
type Contribution struct {
	V          int          `json:"v"`
	Node       string       `json:"node"`
	Checks     []Definition `json:"checks"`
	Recipients []Recipient  `json:"recipients"`
	Revoked    []Revocation `json:"revoked,omitempty"`
	Time       time.Time    `json:"time"` // when the directory was read
}

// Subject is the key in BucketConfig.
func (c *Contribution) Subject() string { return ConfigKey(c.Node) }

// Validate returns nil if every field keeps the rules.
func (c *Contribution) Validate() error {
	if err := ValidateNode(c.Node); err != nil {
		return err
	}
	for i := range c.Checks {
		if err := c.Checks[i].Validate(); err != nil {
			return fmt.Errorf("check %s: %w", c.Checks[i].Check, err)
		}
	}
	for i := range c.Recipients {
		if err := c.Recipients[i].Validate(); err != nil {
			return err
		}
	}
	if err := validateRevocations(c.Revoked); err != nil {
		return err
	}
	return validateTime("time", c.Time)
}

func (c *Contribution) tidy() {
	c.Checks, c.Recipients, c.Time = list(slices.Clone(c.Checks)), list(slices.Clone(c.Recipients)), stamp(c.Time)
	for i := range c.Checks {
		c.Checks[i].tidy()
	}
	for i := range c.Recipients {
		c.Recipients[i].tidy()
	}
	c.Revoked = none(slices.Clone(c.Revoked))
	for i := range c.Revoked {
		c.Revoked[i].tidy()
	}
}

func (c *Contribution) version() *int             { return &c.V }
func (c *Contribution) belongsOn(key string) bool { return key == c.Subject() }
