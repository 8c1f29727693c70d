package bus

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/bus/embed"
)

// The server's ways to take a member out of the majority, which its leader does, and to have another leader. Only the
// system account may use them.
const (
	apiRemove   = "$JS.API.SERVER.REMOVE"
	apiStepDown = "$JS.API.META.LEADER.STEPDOWN"
)

// ErrNotFormed is SetNodes' for a member whose cluster has not formed yet: how many it takes is fixed when it starts.
var ErrNotFormed = errors.New("the cluster has not formed yet")

// ErrListedAgain is delivered by Failed when a member that was taken out of the bus is on the others' lists again: it has to
// be closed and opened anew.
var ErrListedAgain = errors.New("this node was taken out of the bus, and is listed again")

// removePeer takes a server out of the majority of the cluster.
func (b *Bus) removePeer(p embed.Peer) error {
	if err := b.callSystem(apiRemove, map[string]string{"peer_id": p.ID}); err != nil {
		return fmt.Errorf("remove %s from the cluster: %w", p.Name, err)
	}
	return nil
}

// handOver has another member lead the cluster.
func (b *Bus) handOver(to string) error {
	preferred := map[string]any{"placement": map[string]string{"preferred": to}}
	if err := b.callSystem(apiStepDown, preferred); err != nil {
		return fmt.Errorf("hand the cluster's lead over to %s: %w", to, err)
	}
	return nil
}

// callSystem asks the server's API something that is the system account's to ask.
func (b *Bus) callSystem(subject string, request any) error {
	user, sign := b.srv.System()
	nc, err := nats.Connect("", nats.InProcessServer(b.srv), nats.Nkey(user, sign), nats.MaxReconnects(0))
	if err != nil {
		return fmt.Errorf("connect to the system account: %w", err)
	}
	defer nc.Close()
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := callAPI(b.closing, nc, subject, request, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return answer.Error
	}
	return nil
}

// SetNodes gives a member of a cluster another list of members, two at least, itself included. It returns when the new
// ones are being dialled, or ErrNotFormed. When the lists of all members agree, the streams get as many copies as their
// number allows, and who is left out is taken out of the majority.
func (b *Bus) SetNodes(nodes []string) error {
	if b.srv == nil {
		return errors.New("set the members: this process connects to a bus and has no member")
	}
	before := b.nodes()
	if slices.Equal(before, nodes) {
		return nil
	}
	if !b.settled.Load() {
		return ErrNotFormed
	}
	if err := b.srv.SetNodes(nodes); err != nil {
		return err
	}
	b.log.Info().Strs("nodes", nodes).Msgf("the list of members has changed: %d instead of %d", len(nodes), len(before))
	return nil
}
