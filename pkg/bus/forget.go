package bus

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// DropContribution takes away what a node's directory said, as that of a node that is gone for good. It returns what that
// was, or ErrNotFound if there is nothing. A scheduler that runs on that node writes it again.
func (b *Bus) DropContribution(ctx context.Context, node string) (events.Contribution, error) {
	if err := events.ValidateNode(node); err != nil {
		return events.Contribution{}, err
	}
	fail := func(err error) (events.Contribution, error) {
		return events.Contribution{}, fmt.Errorf("drop the configuration of %s: %w", node, err)
	}
	key := kvKey(events.BucketConfig, events.ConfigKey(node))
	m, err := b.lastFromLeader(ctx, kvStream+events.BucketConfig, key)
	if err != nil {
		return fail(err)
	}
	if m.deleted() {
		return fail(ErrNotFound)
	}
	dropped, err := events.Decode[events.Contribution](m.key(events.BucketConfig), m.data)
	if err != nil { // of a newer version, say: it goes all the same
		dropped = events.Contribution{Node: node}
	}
	if _, err := b.store(ctx, &nats.Msg{Subject: key, Header: nats.Header{headerOperation: {"DEL"}}}); err != nil {
		return fail(err)
	}
	return dropped, nil
}
