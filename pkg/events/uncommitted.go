package events

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Without a majority of members nothing can be committed. What two nodes agree on then is told all the same after
// UncommittedAfter: silence would be worse than a possible double. These messages are plain NATS, among those who still
// reach each other.

// UncommittedAfter is how long a decision waits to be committed before people are told without it. An election takes 9 s
// at most.
const UncommittedAfter = 30 * time.Second

// Uncommitted is a decision that an arbiter can't commit. It is said again every few seconds while that is so.
type Uncommitted struct {
	V       int       `json:"v"`
	By      string    `json:"by"`    // the arbiter's node
	Since   time.Time `json:"since"` // when it was decided
	Outage  *Outage   `json:"outage,omitempty"`
	Trouble *Trouble  `json:"trouble,omitempty"` // one of the two
}

// Subject is where the message is published.
func (u *Uncommitted) Subject() string { return SubjectUncommitted + u.By }

// Validate returns nil if every field keeps the rules.
func (u *Uncommitted) Validate() error {
	if err := ValidateNode(u.By); err != nil {
		return err
	}
	if (u.Outage == nil) == (u.Trouble == nil) {
		return fmt.Errorf("want an outage or a trouble")
	}
	return cmp.Or(validateTime("since", u.Since), validateInner(u.Outage, u.Trouble))
}

// validateInner checks the event that another message carries.
func validateInner(o *Outage, t *Trouble) error {
	for _, in := range []struct {
		there bool
		m     Message
	}{{o != nil, o}, {t != nil, t}} {
		if !in.there {
			continue
		}
		if err := validateVersion(*in.m.version()); err != nil {
			return fmt.Errorf("event: %w", err)
		}
		if err := in.m.Validate(); err != nil {
			return err
		}
	}
	return nil
}

func (u *Uncommitted) tidy() {
	u.Since = stamp(u.Since)
	if u.Outage != nil {
		o := *u.Outage
		o.V = Version
		o.tidy()
		u.Outage = &o
	}
	if u.Trouble != nil {
		u.Trouble = u.Trouble.tidied()
	}
}

func (u *Uncommitted) version() *int                 { return &u.V }
func (u *Uncommitted) belongsOn(subject string) bool { return subject == u.Subject() }

// About is what the decision is about: the subject where it will appear once it is committed.
func (u *Uncommitted) About() string {
	if u.Trouble != nil {
		return TroubleSubject(u.Trouble.Event, u.Trouble.TroubleKey)
	}
	return OutageSubject(u.Outage.Event, u.Outage.Check)
}

// Told is what a mailer says when it tells people of something that is not committed, so that nobody else does, neither
// now nor when it is committed. It is said when the mailer begins (Claim), when it is done, and to whoever asks.
type Told struct {
	V          int       `json:"v"`
	By         string    `json:"by"`         // the mailer's node
	About      string    `json:"about"`      // Uncommitted.About
	Event      string    `json:"event"`      // id of the event that was told
	Claim      bool      `json:"claim"`      // it is being told
	Recipients []string  `json:"recipients"` // sorted
	Decided    time.Time `json:"decided"`    // when the event was decided
	Time       time.Time `json:"time"`       // when it was told, or claimed
}

// MaxTold bounds the recipients one Told names.
const MaxTold = 10_000

// Subject is where the message is published.
func (t *Told) Subject() string { return SubjectTold + t.By }

// Validate returns nil if every field keeps the rules.
func (t *Told) Validate() error {
	if err := ValidateNode(t.By); err != nil {
		return err
	}
	if err := validateAbout(t.About); err != nil {
		return err
	}
	if err := validateID("event", t.Event); err != nil {
		return err
	}
	if len(t.Recipients) > MaxTold {
		return fmt.Errorf("recipients: %d of them, at most %d are allowed", len(t.Recipients), MaxTold)
	}
	for _, r := range t.Recipients {
		if err := ValidateRecipient(r); err != nil {
			return err
		}
	}
	return cmp.Or(validateTime("decided", t.Decided), validateTime("time", t.Time))
}

func validateAbout(s string) error {
	if strings.HasPrefix(s, SubjectTroubles) {
		_, _, err := ParseTroubleSubject(s)
		return err
	}
	_, _, err := ParseOutageSubject(s)
	return err
}

func (t *Told) tidy() {
	t.Decided, t.Time = stamp(t.Decided), stamp(t.Time)
	t.Recipients = list(slices.Sorted(slices.Values(t.Recipients)))
}

func (t *Told) version() *int                 { return &t.V }
func (t *Told) belongsOn(subject string) bool { return subject == t.Subject() }

// ToldAsk asks all mailers for what they have told without a majority. Each answers with its Told messages.
type ToldAsk struct {
	V     int    `json:"v"`
	By    string `json:"by"`    // the mailer that asks
	About string `json:"about"` // as in Told
}

// Subject is where the question is published.
func (a *ToldAsk) Subject() string { return SubjectToldAsk + a.By }

// Validate returns nil if every field keeps the rules.
func (a *ToldAsk) Validate() error {
	if err := ValidateNode(a.By); err != nil {
		return err
	}
	return validateAbout(a.About)
}

func (a *ToldAsk) tidy()                         {}
func (a *ToldAsk) version() *int                 { return &a.V }
func (a *ToldAsk) belongsOn(subject string) bool { return subject == a.Subject() }
