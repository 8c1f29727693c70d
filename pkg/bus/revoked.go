package bus

import (
	"fmt"
	"time"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/key"
)

// followRevoked has the member refuse the credentials that the configuration revokes, for as long as the bus is open.
// Every member does so by itself, also one without a scheduler: somebody who was revoked would simply go to the next.
func (b *Bus) followRevoked() {
	if b.o.Key == nil {
		return // nobody has a credential
	}
	_ = b.FollowCatalog(b.closing, func(c events.Catalog) { b.srv.SetRefuses(refuses(c)) }) // it ends when the bus closes
}

// remembersRevoked is what this member knows of revocations before it has heard from anybody.
func (b *Bus) remembersRevoked() func(key.Credential) error {
	all, err := b.memory.get()
	if err != nil { // FollowCatalog says so in time; until then nobody is known to be revoked
		all = nil
	}
	return refuses(events.Merge(all))
}

// refuses says why a credential is revoked by a configuration; nil if it isn't.
func refuses(c events.Catalog) func(key.Credential) error {
	return func(cred key.Credential) error {
		r, ok := c.Revoked(cred.Kind, cred.Name, cred.Issued)
		if !ok {
			return nil
		}
		why := ""
		if r.Because != "" {
			why = ": " + r.Because
		}
		return fmt.Errorf("revoked, if issued until %s%s", r.Before.UTC().Format(time.RFC3339), why)
	}
}
