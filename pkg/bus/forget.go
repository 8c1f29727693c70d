package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// DropContribution takes away what a node's directory said, as that of a node that is gone for good. It returns what that
// was, or ErrNotFound if there is nothing. A scheduler that runs on that node writes it again. An operator has a member do
// it, since operators may not write.
func (b *Bus) DropContribution(ctx context.Context, node string) (events.Contribution, error) {
	if err := events.ValidateNode(node); err != nil {
		return events.Contribution{}, err
	}
	if b.kind == events.CredentialOperator {
		return b.askForget(ctx, node)
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

// forgotten is a member's answer to who wants a node forgotten.
type forgotten struct {
	Dropped json.RawMessage `json:"dropped,omitempty"` // the contribution
	Missing bool            `json:"missing,omitempty"` // there was none
	Error   string          `json:"error,omitempty"`
}

// askForget has a member drop what a node's directory said.
func (b *Bus) askForget(ctx context.Context, node string) (events.Contribution, error) {
	none := events.Contribution{}
	ctx, stop := context.WithTimeout(ctx, 2*callWait)
	defer stop()
	msg, err := b.nc.RequestWithContext(ctx, events.SubjectForget+node, nil)
	if err != nil {
		return none, fmt.Errorf("drop the configuration of %s: %w", node, err)
	}
	var f forgotten
	if err := json.Unmarshal(msg.Data, &f); err != nil {
		return none, fmt.Errorf("drop the configuration of %s: read the answer: %w", node, err)
	}
	switch {
	case f.Missing:
		return none, fmt.Errorf("drop the configuration of %s: %w", node, ErrNotFound)
	case f.Error != "":
		return none, errors.New(f.Error)
	}
	c, err := events.Decode[events.Contribution](events.ConfigKey(node), f.Dropped)
	if err != nil { // of a newer version, say: it is gone all the same
		c = events.Contribution{Node: node}
	}
	return c, nil
}

// answerForget drops what nodes' directories said for those who may only ask. One member does it.
func (b *Bus) answerForget() error {
	_, err := b.nc.QueueSubscribe(events.SubjectForget+"*", "members", func(msg *nats.Msg) {
		node := strings.TrimPrefix(msg.Subject, events.SubjectForget)
		b.background(func() { b.forget(msg, node) }) // it may take seconds, and holds up nobody
	})
	return err
}

func (b *Bus) forget(msg *nats.Msg, node string) {
	ctx, stop := context.WithTimeout(b.closing, callWait)
	defer stop()
	var f forgotten
	c, err := b.DropContribution(ctx, node)
	switch {
	case errors.Is(err, ErrNotFound):
		f.Missing = true
	case err != nil:
		f.Error = err.Error()
	default:
		b.log.Info().Msgf("an operator had the node %s forgotten", node)
		f.Dropped, _ = events.Encode(&c) // what can't be written is left out
	}
	data, err := json.Marshal(f)
	if err == nil {
		err = msg.Respond(data)
	}
	if err != nil && b.closing.Err() == nil {
		b.log.Debug().Err(err).Msg("can't answer who wanted a node forgotten")
	}
}
