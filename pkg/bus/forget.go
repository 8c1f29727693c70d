package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// listenThere is how long a node gets to say that it is there before it is forgotten for an operator: each says so every
// second, twice in this time.
const listenThere = 2 * events.PresenceInterval

// ErrThere is Forget's, for operators, if the node is there: it is not gone, and what it said counts.
var ErrThere = errors.New("it is there, so it can't be forgotten")

// Forgotten is what became of a node that is gone for good.
type Forgotten struct {
	Dropped *events.Contribution // what its directory said; nil if there was nothing
	Missed  bool                 // it was missed, and isn't any more
}

// Forget ends that a node is missed, and takes away what its directory said. It returns ErrNotFound if there was neither. A
// scheduler that runs on that node writes it again. Operators, who may not write, have a member do it, which takes two
// seconds more: it refuses with ErrThere if the node answers or is heard, because an operator could switch off the looking, and
// let in who was shut out, by having the nodes forgotten that order it.
func (b *Bus) Forget(ctx context.Context, node string) (Forgotten, error) {
	if err := events.ValidateNode(node); err != nil {
		return Forgotten{}, err
	}
	if b.kind == events.CredentialOperator {
		return b.askForget(ctx, node)
	}
	missed, err := b.endMissing(ctx, node, time.Now())
	if err != nil {
		return Forgotten{}, err
	}
	dropped, err := b.DropContribution(ctx, node)
	switch {
	case errors.Is(err, ErrNotFound) && missed:
		return Forgotten{Missed: true}, nil
	case err != nil:
		return Forgotten{Missed: missed}, err
	}
	return Forgotten{Dropped: &dropped, Missed: missed}, nil
}

// endMissing ends the trouble that a node is gone, and tells whether there was one.
func (b *Bus) endMissing(ctx context.Context, node string, now time.Time) (bool, error) {
	troubles, err := b.LastTroubles(ctx)
	if err != nil {
		return false, fmt.Errorf("read whether node %s is missed: %w", node, err)
	}
	last := troubles[events.TroubleKey{Kind: events.TroubleNode, Node: node}]
	if last.Event == "" || last.Event == events.Ended {
		return false, nil
	}
	t := last.Trouble
	t.Event, t.Step, t.Time, t.Retired, t.By = events.Ended, t.Step+1, now, true, b.o.Node
	t.ID = events.TroubleEventID(t.Trouble, t.Step)
	t.Reason = fmt.Sprintf("node %s was taken away: somebody had it forgotten", node)
	if _, err := b.ProposeTrouble(ctx, t, last.Seq); err != nil {
		return false, fmt.Errorf("write that node %s is not missed any more: %w", node, err)
	}
	return true, nil
}

// DropContribution takes away what a node's directory said. It returns what that was, or ErrNotFound if there is nothing.
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

// forgotten is a member's answer to who wants a node forgotten: Forgotten, or why not.
type forgotten struct {
	Dropped json.RawMessage `json:"dropped,omitempty"` // the contribution
	Missed  bool            `json:"missed,omitempty"`
	Nothing bool            `json:"nothing,omitempty"` // there was neither
	There   bool            `json:"there,omitempty"`   // the node is not gone
	Error   string          `json:"error,omitempty"`
}

// askForget has a member forget a node.
func (b *Bus) askForget(ctx context.Context, node string) (Forgotten, error) {
	ctx, stop := context.WithTimeout(ctx, 2*callWait)
	defer stop()
	msg, err := b.nc.RequestWithContext(ctx, events.SubjectForget+node, nil)
	if err != nil {
		return Forgotten{}, fmt.Errorf("have the node %s forgotten: %w", node, err)
	}
	var f forgotten
	if err := json.Unmarshal(msg.Data, &f); err != nil {
		return Forgotten{}, fmt.Errorf("have the node %s forgotten: read the answer: %w", node, err)
	}
	out := Forgotten{Missed: f.Missed}
	switch {
	case f.Nothing:
		return out, fmt.Errorf("have the node %s forgotten: %w", node, ErrNotFound)
	case f.There:
		return out, fmt.Errorf("have the node %s forgotten: %w", node, ErrThere)
	case f.Error != "":
		return out, fmt.Errorf("have the node %s forgotten: %s", node, events.CleanText(f.Error, events.MaxReason))
	case len(f.Dropped) == 0:
		return out, nil
	}
	c, err := events.Decode[events.Contribution](events.ConfigKey(node), f.Dropped)
	if err != nil { // of a newer version, say: it is gone all the same
		c = events.Contribution{Node: node}
	}
	out.Dropped = &c
	return out, nil
}

// answerForget forgets nodes for those who may only ask. One member does it.
func (b *Bus) answerForget() error {
	_, err := b.nc.QueueSubscribe(events.SubjectForget+"*", "members", func(msg *nats.Msg) {
		node := strings.TrimPrefix(msg.Subject, events.SubjectForget)
		b.background(func() { b.forget(msg, node) }) // it may take seconds, and holds up nobody
	})
	return err
}

func (b *Bus) forget(msg *nats.Msg, node string) {
	ctx, stop := context.WithTimeout(b.closing, callWait+listenThere)
	defer stop()
	var done Forgotten
	err := b.gone(ctx, node)
	if err == nil {
		done, err = b.Forget(ctx, node)
	}
	f := forgotten{Missed: done.Missed}
	switch {
	case errors.Is(err, ErrNotFound):
		f.Nothing = true
	case errors.Is(err, ErrThere):
		f.There, f.Error = true, err.Error() // older programs know the words only
		b.log.Warn().Msgf("an operator wanted the node %s forgotten: it is there, so it is not", node)
	case err != nil:
		f.Error = err.Error()
	default:
		b.log.Info().Msgf("an operator had the node %s forgotten", node)
	}
	if done.Dropped != nil {
		f.Dropped, _ = events.Encode(done.Dropped) // what can't be written is left out
	}
	data, err := json.Marshal(f)
	if err == nil {
		err = msg.Respond(data)
	}
	if err != nil && b.closing.Err() == nil {
		b.log.Debug().Err(err).Msg("can't answer who wanted a node forgotten")
	}
}

// gone returns ErrThere if a node answers as a member, or is heard to look, within listenThere.
func (b *Bus) gone(ctx context.Context, node string) error {
	if err := events.ValidateNode(node); err != nil {
		return err
	}
	heard := make(chan struct{}, 1)
	sub, err := b.subscribe(events.PresenceSubject(node), func(msg *nats.Msg) error {
		p, err := events.Decode[events.Presence](msg.Subject, msg.Data)
		if err != nil || !p.Leaving { // what can't be read is of a newer version, say: somebody is there
			select {
			case heard <- struct{}{}:
			default:
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("listen whether the node %s is there: %w", node, err)
	}
	defer sub.Stop()
	over := time.NewTimer(listenThere)
	defer over.Stop()
	if slices.ContainsFunc(b.words(ctx, maxMembers), named(node)) {
		return ErrThere
	}
	select {
	case <-heard:
		return ErrThere
	case <-over.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
