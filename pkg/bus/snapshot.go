package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A snapshot is a stream as the server packs it: its messages with their sequences and times, and its consumers with
// their positions. The Go client has no words for taking and restoring one, so they are written down here; the way is
// that of the nats command-line tool.
const (
	apiSnapshot = "$JS.API.STREAM.SNAPSHOT."
	apiRestore  = "$JS.API.STREAM.RESTORE."
	statusDone  = "204"
)

// Times of a snapshot's way. The server gives up one that doesn't move for 5 s.
const (
	chunkWait  = 10 * time.Second // for one piece of 128 KiB to be taken
	finishWait = time.Minute      // for the restored stream to be checked and opened
	reachTries = 40               // of 50 ms each: until the way to the member that takes the pieces is known everywhere
	reachPause = 50 * time.Millisecond
)

// packed is what the server says about a snapshot before it sends it.
type packed struct {
	Config jetstream.StreamConfig `json:"config"`
	State  json.RawMessage        `json:"state"`
	Error  *jetstream.APIError    `json:"error"`
}

// snapshot has a stream packed, and hands the pieces to take, one at a time and in order. It returns when all were taken.
func snapshot(ctx context.Context, nc *nats.Conn, stream string, start func(packed) error, take func([]byte) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return fmt.Errorf("pack stream %s: %w", stream, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only if the connection is closed
	var p packed
	if err := callAPI(ctx, nc, apiSnapshot+stream, map[string]any{"deliver_subject": inbox}, &p); err != nil {
		return fmt.Errorf("pack stream %s: %w", stream, err)
	}
	if p.Error != nil {
		return fmt.Errorf("pack stream %s: %w", stream, p.Error)
	}
	if err := start(p); err != nil {
		return err
	}
	for {
		wait, stop := context.WithTimeout(ctx, chunkWait)
		msg, err := sub.NextMsgWithContext(wait)
		stop()
		if err != nil {
			return fmt.Errorf("pack stream %s: %w", stream, err)
		}
		if len(msg.Data) == 0 {
			if status := msg.Header.Get("Status"); status != "" && status != statusDone {
				return fmt.Errorf("pack stream %s: %s %s", stream, status, msg.Header.Get("Description"))
			}
			return nil
		}
		if err := take(msg.Data); err != nil {
			return err
		}
		if msg.Reply != "" {
			_ = nc.Publish(msg.Reply, nil) // without it the server stops after some pieces, and says so
		}
	}
}

// restoring is a stream that is being restored.
type restoring struct {
	nc      *nats.Conn
	stream  string
	subject string // where the pieces go
	begun   bool
}

// restore begins to restore a stream, which must not exist, with the given settings.
func restore(ctx context.Context, nc *nats.Conn, config jetstream.StreamConfig, state json.RawMessage) (*restoring, error) {
	var answer struct {
		Deliver string              `json:"deliver_subject"`
		Error   *jetstream.APIError `json:"error"`
	}
	err := callAPI(ctx, nc, apiRestore+config.Name, map[string]any{"config": config, "state": state}, &answer)
	if err == nil && answer.Error != nil {
		err = answer.Error
	}
	if err != nil {
		return nil, fmt.Errorf("restore stream %s: %w", config.Name, err)
	}
	return &restoring{nc: nc, stream: config.Name, subject: answer.Deliver}, nil
}

// send hands over one piece and waits until it was taken.
func (r *restoring) send(ctx context.Context, piece []byte) error {
	var err error
	for range reachTries {
		wait, stop := context.WithTimeout(ctx, chunkWait)
		var msg *nats.Msg
		msg, err = r.nc.RequestWithContext(wait, r.subject, piece)
		stop()
		if errors.Is(err, nats.ErrNoResponders) && !r.begun {
			if sleep(ctx, reachPause) == nil {
				continue
			}
		}
		if err == nil && len(msg.Data) > 0 { // a piece that was taken is answered with nothing
			err = apiError(msg.Data)
		}
		break
	}
	r.begun = true
	if err != nil {
		return fmt.Errorf("restore stream %s: %w", r.stream, err)
	}
	return nil
}

// finish says that this was all, and returns when the stream is there.
func (r *restoring) finish(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, finishWait)
	defer stop()
	msg, err := r.nc.RequestWithContext(ctx, r.subject, nil)
	if err == nil {
		err = apiError(msg.Data)
	}
	if err != nil {
		return fmt.Errorf("restore stream %s: %w", r.stream, err)
	}
	return nil
}

// apiError reads the error out of an answer of the server; nil if there is none.
func apiError(data []byte) error {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer.Error != nil {
		return answer.Error
	}
	return nil
}

// callAPI asks the server's API something.
func callAPI(ctx context.Context, nc *nats.Conn, subject string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, callWait)
	defer stop()
	msg, err := nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(msg.Data, answer)
}

// copyStream copies a stream from one server to another, which must not have it. settle says which settings it gets there.
func copyStream(ctx context.Context, from, to *nats.Conn, stream string, settle func(jetstream.StreamConfig) jetstream.StreamConfig) error {
	var r *restoring
	err := snapshot(ctx, from, stream,
		func(p packed) (err error) {
			r, err = restore(ctx, to, settle(p.Config), p.State)
			return err
		},
		func(piece []byte) error { return r.send(ctx, piece) })
	if err != nil {
		return err
	}
	return r.finish(ctx)
}
