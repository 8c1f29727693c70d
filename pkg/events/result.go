package events

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Limits of what a result carries; a prober cuts a plugin's output to them.
const (
	MaxOutput = 8 << 10 // bytes of a plugin's standard output
	MaxPerf   = 64      // perfdata entries
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

// ConfirmedID is the id of a node's answer to a confirmation. An answer can itself be the cause of a confirmation: the
// id is hashed before a chain of them grows beyond what an id may be.
func ConfirmedID(confirmation, node string) string {
	if len(confirmation)+1+len(node) > maxID {
		sum := sha256.Sum256([]byte(confirmation))
		confirmation = hex.EncodeToString(sum[:16])
	}
	return confirmation + "~" + node
}

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
	if err := ValidateSite(r.Site); err != nil {
		return err
	}
	if err := r.Check.Validate(); err != nil {
		return err
	}
	if err := r.Status.validate(); err != nil {
		return err
	}
	return cmp.Or(
		validateText("output", r.Output, maxOutput),
		validateText("detail", r.Detail, maxDetail),
		validatePerf(r.Perf),
		validateTime("due", r.Due),
		validateTime("started", r.Started),
		validateElapsed(r.Elapsed),
	)
}

func (r *Result) tidy() {
	r.Output, r.Detail = CleanText(r.Output, maxOutput), CleanText(r.Detail, maxDetail)
	r.Perf = tidyPerf(r.Perf)
	r.Due, r.Started, r.Elapsed = stamp(r.Due), stamp(r.Started), r.Elapsed.round()
}

// Bytes a plugin wrote that were no UTF-8 become U+FFFD, three bytes each. Detail has standard error as well.
const (
	maxOutput = 3 * MaxOutput
	maxDetail = 6 * MaxOutput
)

func (r *Result) version() *int                 { return &r.V }
func (r *Result) belongsOn(subject string) bool { return subject == r.Subject() }
