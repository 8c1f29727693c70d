package events

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of revocations.
const (
	MaxRevocations = 1000    // of one node
	MaxBecause     = 1 << 10 // bytes of what is said about one
)

// Revocation takes back every credential of a kind and a name that was issued up to a moment. A newer one of the same
// name is good: so who lost a file is given another.
type Revocation struct {
	Kind    CredentialKind `json:"kind"`
	Name    string         `json:"name"`
	Before  time.Time      `json:"before"`            // issued then or earlier: refused
	Because string         `json:"because,omitempty"` // for people
}

// Validate returns nil if every field keeps the rules. The kind may be one this version doesn't know, which revokes
// nothing here: the rest of what the node says is not to be lost over it.
func (r *Revocation) Validate() error {
	if err := validateWord("kind of credential", string(r.Kind), MaxNodeLen, false); err != nil {
		return err
	}
	if err := validateWord(fmt.Sprintf("%s's name", r.Kind), r.Name, MaxNodeLen, false); err != nil {
		return err
	}
	if r.Before.IsZero() {
		return fmt.Errorf("before is missing")
	}
	if err := validateTime("before", r.Before); err != nil {
		return err
	}
	return validateText("because", r.Because, MaxBecause)
}

func (r *Revocation) tidy() {
	r.Before, r.Because = stamp(r.Before), CleanText(r.Because, MaxBecause)
}

// String names what is revoked as its file does: "prober.tokyo-1".
func (r Revocation) String() string { return string(r.Kind) + "." + r.Name }

// Refuses tells whether a credential of this kind and name that was issued then is revoked.
func (r *Revocation) Refuses(kind CredentialKind, name string, issued time.Time) bool {
	return r.Kind == kind && r.Name == name && !issued.After(r.Before)
}

// ValidateRevocable returns nil for a credential that can be revoked. That of a node can't: it makes itself another.
func ValidateRevocable(kind CredentialKind, name string) error {
	if kind == CredentialNode {
		return fmt.Errorf("credentials of nodes can't be revoked: who has the cluster key makes another; change the key")
	}
	if err := oneOf("kind of credential", kind, revocableKinds); err != nil {
		return err
	}
	return ValidateCredential(kind, name)
}

// revocableKinds are all but that of nodes.
var revocableKinds = slices.DeleteFunc(slices.Clone(CredentialKinds), func(k CredentialKind) bool { return k == CredentialNode })

func validateRevocations(all []Revocation) error {
	if len(all) > MaxRevocations {
		return fmt.Errorf("revoked: %d of them, at most %d are allowed", len(all), MaxRevocations)
	}
	for i := range all {
		if err := all[i].Validate(); err != nil {
			return fmt.Errorf("revoked: %w", err)
		}
	}
	return nil
}

// mergeRevocations keeps the one that reaches furthest of each kind and name, sorted by those. On a tie it is the one
// whose words sort first, so that the order of the contributions doesn't matter.
func mergeRevocations(all []Revocation) []Revocation {
	slices.SortFunc(all, func(a, b Revocation) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Name, b.Name),
			b.Before.Compare(a.Before), strings.Compare(a.Because, b.Because))
	})
	return slices.CompactFunc(all, func(a, b Revocation) bool { return a.Kind == b.Kind && a.Name == b.Name })
}

// Revoked tells whether a credential of this kind and name that was issued then is revoked, and how.
func (c Catalog) Revoked(kind CredentialKind, name string, issued time.Time) (Revocation, bool) {
	i := slices.IndexFunc(c.Revocations, func(r Revocation) bool { return r.Refuses(kind, name, issued) })
	if i < 0 {
		return Revocation{}, false
	}
	return c.Revocations[i], true
}
