package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// Direct reads are answered by any member that has a copy of the stream, without an election and without a consumer,
// so they work while the stream has no leader, and without a majority. The Go client has no words for their batch
// form, so it is written down here (NATS ADR-31).

// Limits of one page of a direct read.
const (
	pageMsgs  = 256
	pageBytes = 8 << 20
	pageWait  = 2 * time.Second // for the next message of a page
	pageTries = 4
)

// errTooMany is the server's refusal to look up the last messages of more than 1,024 subjects at once.
var errTooMany = errors.New("too many subjects for one direct read")

// stored is a message as a stream keeps it.
type stored struct {
	subject string
	header  nats.Header
	data    []byte
	seq     uint64
	time    time.Time
}

// directReq is the request of a direct read. Seq or Start say where to begin.
type directReq struct {
	Seq       uint64     `json:"seq,omitempty"`
	Start     *time.Time `json:"start_time,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
	Next      string     `json:"next_by_subj,omitempty"` // every message of a pattern
	MultiLast []string   `json:"multi_last,omitempty"`   // the last message of every subject of some patterns
	UpTo      uint64     `json:"up_to_seq,omitempty"`
}

// api is what JetStream's API is called for this process.
func (b *Bus) api() string {
	if b.kind == events.CredentialOperator {
		return events.OperatorAPI
	}
	return events.JetStreamAPI
}

// readLast hands on the last message of every subject of a pattern, in order of their sequence.
func (b *Bus) readLast(ctx context.Context, stream, pattern string, handle func(stored) error) error {
	return b.readDirect(ctx, stream, directReq{MultiLast: []string{pattern}}, handle)
}

// readSince hands on every message of a pattern from a time on (the zero time: from the first).
func (b *Bus) readSince(ctx context.Context, stream, pattern string, since time.Time, handle func(stored) error) error {
	req := directReq{Next: pattern, Seq: 1}
	if !since.IsZero() {
		req.Seq, req.Start = 0, &since
	}
	return b.readDirect(ctx, stream, req, handle)
}

// readDirect reads page after page. A page that breaks off, because the member that answered died, is asked for again
// from where it broke off: no message is handed on twice.
func (b *Bus) readDirect(ctx context.Context, stream string, req directReq, handle func(stored) error) error {
	req.Batch, req.MaxBytes = pageMsgs, pageBytes
	failures := 0
	for {
		last, more, err := b.readPage(ctx, stream, &req, handle)
		if last > 0 {
			req.Seq, req.Start, failures = last+1, nil, 0
		}
		var refused *handleError
		switch {
		case err == nil && !more:
			return nil
		case err == nil:
		case errors.As(err, &refused):
			return refused.err
		case ctx.Err() != nil || errors.Is(err, errTooMany):
			return fmt.Errorf("read stream %s: %w", stream, err)
		default:
			if failures++; failures == pageTries {
				return fmt.Errorf("read stream %s: %w", stream, err)
			}
			if err := sleep(ctx, readyTry); err != nil {
				return fmt.Errorf("read stream %s: %w", stream, err)
			}
		}
	}
}

// handleError is an error of the caller's handle, to tell it from the bus's.
type handleError struct{ err error }

func (e *handleError) Error() string { return e.err.Error() }

// readPage asks for one page. It returns the sequence of the last message it handed on, and whether there are more.
func (b *Bus) readPage(ctx context.Context, stream string, req *directReq, handle func(stored) error) (last uint64, more bool, err error) {
	body, err := json.Marshal(req)
	if err != nil {
		return 0, false, err
	}
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := b.nc.PublishRequest(b.api()+"DIRECT.GET."+stream, inbox, body); err != nil {
		return 0, false, err
	}
	for {
		msg, err := next(ctx, sub)
		if err != nil {
			return last, false, err
		}
		if status := msg.Header.Get("Status"); status != "" {
			more, err := b.endOfPage(msg, status, req)
			return last, more, err
		}
		m, err := fromDirect(msg)
		if err != nil {
			return last, false, err
		}
		if err := handle(m); err != nil {
			return last, false, &handleError{err}
		}
		last = m.seq
	}
}

func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, stop := context.WithTimeout(ctx, pageWait)
	defer stop()
	return sub.NextMsgWithContext(ctx)
}

// endOfPage reads the message that ends a page.
func (b *Bus) endOfPage(msg *nats.Msg, status string, req *directReq) (more bool, err error) {
	switch status {
	case "204": // end of batch
		if up := msg.Header.Get("Nats-UpTo-Sequence"); up != "" && req.UpTo == 0 {
			// Later pages see the same moment.
			if req.UpTo, err = strconv.ParseUint(up, 10, 64); err != nil {
				return false, err
			}
		}
		pending, err := strconv.ParseUint(msg.Header.Get("Nats-Num-Pending"), 10, 64)
		return pending > 0, err
	case "404": // nothing there
		return false, nil
	case "413":
		return false, errTooMany
	case "503":
		return false, jetstream.ErrNoStreamResponse
	default:
		return false, fmt.Errorf("%s %s", status, msg.Header.Get("Description"))
	}
}

func fromDirect(msg *nats.Msg) (stored, error) {
	seq, err := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return stored{}, fmt.Errorf("sequence of a stored message: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, msg.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return stored{}, fmt.Errorf("time of a stored message: %w", err)
	}
	subject := msg.Header.Get(jetstream.SubjectHeader)
	return stored{subject: subject, header: msg.Header, data: msg.Data, seq: seq, time: at}, nil
}

// lastFromLeader reads the last message of a pattern from the stream's leader, which knows all that was acknowledged.
// It returns ErrNotFound if there is none.
func (b *Bus) lastFromLeader(ctx context.Context, stream, pattern string) (stored, error) {
	ctx, stop := context.WithTimeout(ctx, askWait)
	defer stop()
	body, err := json.Marshal(map[string]string{"last_by_subj": pattern})
	if err != nil {
		return stored{}, err
	}
	msg, err := b.nc.RequestWithContext(ctx, b.api()+"STREAM.MSG.GET."+stream, body)
	if err != nil {
		return stored{}, fmt.Errorf("read stream %s: %w", stream, err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return stored{}, fmt.Errorf("read stream %s: %w", stream, err)
	}
	switch {
	case answer.Error == nil:
	case answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return stored{}, ErrNotFound
	default:
		return stored{}, fmt.Errorf("read stream %s: %w", stream, answer.Error)
	}
	m := answer.Message
	header, err := nats.DecodeHeadersMsg(m.Header)
	if err != nil && len(m.Header) > 0 {
		return stored{}, fmt.Errorf("read stream %s: %w", stream, err)
	}
	return stored{subject: m.Subject, header: header, data: m.Data, seq: m.Seq, time: m.Time}, nil
}

// headerOperation marks a value of a bucket that was deleted.
const headerOperation = "KV-Operation"

// deleted tells whether a value of a bucket is a marker: the key was deleted, or has expired.
func (m stored) deleted() bool {
	return m.header.Get(headerOperation) != "" || m.header.Get(jetstream.MarkerReasonHeader) != ""
}

// key is the key of a value of a bucket.
func (m stored) key(bucket string) string { return strings.TrimPrefix(m.subject, kvKey(bucket, "")) }

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
