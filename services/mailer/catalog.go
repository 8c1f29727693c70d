package mailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// onBus is the bus, and the one thing for which it has no words: the configuration as it is now. What the bus follows
// and lists is answered by whichever member is nearest, which may be behind, and empty just after its start. Whoever
// acknowledges an event because "nobody is to be told" must know better: the event would be lost.
type onBus struct {
	*bus.Bus
	log zerolog.Logger

	mu   sync.Mutex
	seq  uint64 // of the newest contribution in read; 0: nothing was read
	read events.Catalog
}

// How the bucket of contributions is laid out: as the NATS clients lay out all of them.
const (
	configStream = "KV_" + events.BucketConfig
	configPrefix = "$KV." + events.BucketConfig + "."
)

// catalogWait bounds one question to the bucket's leader.
const catalogWait = 5 * time.Second

// Catalog returns the union of all contributions that were stored before the call. It asks the bucket's leader: one
// question if nothing has changed since the last call, else one more for each node.
func (b *onBus) Catalog(ctx context.Context) (events.Catalog, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, catalogWait)
	defer cancel()
	stream, err := b.JetStream().Stream(ctx, configStream)
	if err != nil {
		return events.Catalog{}, fmt.Errorf("read the configuration: %w", err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return events.Catalog{}, fmt.Errorf("read the configuration: %w", err)
	}
	if b.seq > 0 && b.seq == info.State.LastSeq {
		return b.read, nil
	}
	var all []events.Contribution
	for subject := range info.State.Subjects {
		data, err := b.last(ctx, subject)
		if err != nil {
			return events.Catalog{}, fmt.Errorf("read the configuration: %w", err)
		}
		if len(data) == 0 { // A node that was taken out.
			continue
		}
		c, err := events.Decode[events.Contribution](strings.TrimPrefix(subject, configPrefix), data)
		if err != nil {
			b.log.Warn().Err(err).Msg("a node's configuration can't be read and is passed over")
			continue
		}
		all = append(all, c)
	}
	b.seq, b.read = info.State.LastSeq, events.Merge(all)
	return b.read, nil
}

// last asks the bucket's leader for the last message of a subject. The client library would ask any member.
func (b *onBus) last(ctx context.Context, subject string) ([]byte, error) {
	question, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return nil, err
	}
	msg, err := b.Conn().RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+configStream, question)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Data []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, errors.New(answer.Error.Description)
	}
	return answer.Message.Data, nil
}
