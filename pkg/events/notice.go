package events

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Notice is one message about an outage, or about a trouble of dmonitor itself, to one recipient, waiting in the work
// queue.
type Notice struct {
	V         int       `json:"v"`
	ID        string    `json:"id"` // NoticeID or TroubleNoticeID; a mail's Message-ID is made of it
	Recipient string    `json:"recipient"`
	Created   time.Time `json:"created"`           // when it was put into the queue
	Outage    Outage    `json:"event,omitzero"`    // the committed event it tells of
	Trouble   *Trouble  `json:"trouble,omitempty"` // or this one
}

// NoticeID is the same whoever fans out: hash of outage, event and recipient.
func NoticeID(outage string, e Event, recipient string) string {
	sum := sha256.Sum256([]byte(outage + "\n" + string(e) + "\n" + fold(recipient)))
	return hex.EncodeToString(sum[:16])
}

// TroubleNoticeID is NoticeID for an event of a trouble.
func TroubleNoticeID(eventID, recipient string) string {
	sum := sha256.Sum256([]byte("trouble\n" + eventID + "\n" + fold(recipient)))
	return hex.EncodeToString(sum[:16])
}

// fold makes one of addresses that differ in case only: nobody wants the same mail twice for it.
func fold(address string) string { return strings.ToLower(address) }

// Subject is where the notice waits.
func (n *Notice) Subject() string { return NoticeSubject(n.ID) }

// Validate returns nil if every field keeps the rules.
func (n *Notice) Validate() error {
	if err := ValidateRecipient(n.Recipient); err != nil {
		return err
	}
	var want string
	if n.Trouble != nil {
		if n.Outage.ID != "" {
			return fmt.Errorf("an event of an outage and one of a trouble: want one of them")
		}
		if err := validateInner(nil, n.Trouble); err != nil {
			return err
		}
		want = TroubleNoticeID(n.Trouble.ID, n.Recipient)
	} else {
		if err := validateInner(&n.Outage, nil); err != nil {
			return err
		}
		want = NoticeID(n.Outage.Outage, n.Outage.Event, n.Recipient)
	}
	if n.ID != want {
		return fmt.Errorf("id %q: want %q", clip(n.ID), want)
	}
	return validateTime("created", n.Created)
}

func (n *Notice) tidy() {
	n.Created = stamp(n.Created)
	if n.Trouble != nil {
		n.Trouble = n.Trouble.tidied()
		return
	}
	n.Outage.V = Version
	n.Outage.tidy()
}

func (n *Notice) version() *int                 { return &n.V }
func (n *Notice) belongsOn(subject string) bool { return subject == n.Subject() }

// Delivery records how the sending of a notice ended.
type Delivery struct {
	V       int     `json:"v"`
	Notice  string  `json:"notice"`
	Outcome Outcome `json:"outcome"`
	Trouble string  `json:"trouble,omitempty"` // id of the trouble's event; then the next three are empty
	Outage  string  `json:"outage"`
	Event   Event   `json:"event"`
	Check
	Recipient string    `json:"recipient"`
	Time      time.Time `json:"time"`
	Attempts  int       `json:"attempts"`
	Answer    string    `json:"answer,omitempty"` // what the mail server said, or why it was given up
	By        string    `json:"by"`               // the mailer
}

// Subject is where the delivery is recorded.
func (d *Delivery) Subject() string { return DeliverySubject(d.Outcome, d.Notice) }

// Validate returns nil if every field keeps the rules.
func (d *Delivery) Validate() error {
	if err := d.Outcome.validate(); err != nil {
		return err
	}
	if err := validateID("notice", d.Notice); err != nil {
		return err
	}
	if strings.ContainsAny(d.Notice, ".*>") {
		return fmt.Errorf("notice %q: not one subject token", clip(d.Notice))
	}
	if err := d.validateWhat(); err != nil {
		return err
	}
	if err := ValidateRecipient(d.Recipient); err != nil {
		return err
	}
	if d.Attempts < 0 {
		return fmt.Errorf("attempts %d: want 0 or more", d.Attempts)
	}
	return cmp.Or(
		validateTime("time", d.Time),
		validateText("answer", d.Answer, MaxOutput),
		validateText("by", d.By, maxWord),
	)
}

// validateWhat checks what the notice was about.
func (d *Delivery) validateWhat() error {
	if d.Trouble != "" {
		if d.Outage != "" || d.Event != "" || d.Check != (Check{}) {
			return fmt.Errorf("an outage and a trouble: want one of them")
		}
		return validateID("trouble", d.Trouble)
	}
	if err := validateID("outage", d.Outage); err != nil {
		return err
	}
	if err := d.Event.validate(); err != nil {
		return err
	}
	return d.Check.Validate()
}

func (d *Delivery) tidy() {
	d.Answer, d.By, d.Time = CleanText(d.Answer, MaxOutput), CleanText(d.By, maxWord), stamp(d.Time)
}

func (d *Delivery) version() *int                 { return &d.V }
func (d *Delivery) belongsOn(subject string) bool { return subject == d.Subject() }
