package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/dmonitor/dmonitor/pkg/events"
)

// What a caller may branch on.
var (
	// ErrConflict is Propose's: another event of the check was first.
	ErrConflict = errors.New("another event was committed first")
	// ErrNotFound says that there is no such thing, and that the bus is sure of it.
	ErrNotFound = errors.New("not found")
)

// Codes of the server for a lost compare-and-swap, of which a replicated stream may give either, and for a message whose
// id another one has that is being stored.
const (
	codeWrongLast         jetstream.ErrorCode = 10071
	codeWrongLastConstant jetstream.ErrorCode = 10164
	codeIDInProcess       jetstream.ErrorCode = 10158
)

// Committed is an event that stands in the log.
type Committed struct {
	events.Outage
	Seq    uint64    // its place in the log; the last of its check is what Propose compares with
	Stored time.Time // by the clock of the log's leader
}

// Propose writes an event into the log if the check's last event is still the one with sequence last (0: there is none
// yet), and returns the event's own sequence. errors.Is(err, ErrConflict) says that it lost against another event; any
// other error, that the outcome is unknown. After either, read LastOutage before trying again, and believe that: in the
// seconds after a cut link was mended a leader that is outdated may answer before the real one, so that an event that
// "lost" is found there after all, or nothing new is, and it is proposed again. Whatever is answered, one event at most
// follows each event. Proposing an event that was committed already (same id, same By) is answered as if it were for
// the first time. It takes 10 s at most.
func (b *Bus) Propose(ctx context.Context, o events.Outage, last uint64) (uint64, error) {
	data, err := events.Encode(&o)
	if err != nil {
		return 0, err
	}
	msg := &nats.Msg{Subject: o.Subject(), Data: data, Header: nats.Header{}}
	for k, v := range o.Headers() {
		msg.Header[k] = []string{v}
	}
	seq, err := b.store(ctx, msg, jetstream.WithExpectLastSequenceForSubject(last, events.ProposeFilter(o.Check)))
	if errors.Is(err, ErrConflict) {
		if got, err := b.LastOutage(ctx, o.Check); err == nil && got.Seq > last && got.ID == o.ID && got.By == o.By {
			return got.Seq, nil
		}
	}
	if err != nil {
		return 0, fmt.Errorf("propose %s of %s: %w", o.Event, o.Check, err)
	}
	return seq, nil
}

// store writes a message into its stream and returns its sequence once that is durable.
func (b *Bus) store(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (uint64, error) {
	ctx, stop := context.WithTimeout(ctx, callWait)
	defer stop()
	for {
		ack, err := b.js.PublishMsg(ctx, msg, opts...)
		if err == nil {
			return ack.Sequence, nil
		}
		switch code, why := refusal(err); code {
		case codeWrongLast, codeWrongLastConstant:
			return 0, fmt.Errorf("%w (%s)", ErrConflict, why)
		case codeIDInProcess: // somebody else is storing the same; how that ends is known in a moment
			if sleep(ctx, catchUpTry) == nil {
				continue
			}
		}
		return 0, err
	}
}

// refusal reads the server's reason for not storing a message; 0 if it gave none.
func refusal(err error) (jetstream.ErrorCode, string) {
	if refused, ok := errors.AsType[*jetstream.APIError](err); ok {
		return refused.ErrorCode, refused.Description
	}
	return 0, ""
}

// LastOutage reads the last event of a check. It returns ErrNotFound if there is none that this version can read; if there
// are others, Seq is that of the last one all the same, since the next proposal has to follow it. The log's leader is asked
// first; while there is none, whoever has a copy answers, which may be behind.
func (b *Bus) LastOutage(ctx context.Context, c events.Check) (Committed, error) {
	m, err := b.lastFromLeader(ctx, events.StreamOutages, events.ProposeFilter(c))
	if errors.Is(err, ErrNotFound) {
		return Committed{}, err
	}
	if err == nil {
		if got, known, err := toCommitted(m); err == nil && known {
			return got, nil
		}
	}
	// No leader, or an event of a newer version that hides the one we know.
	all, newest, err := b.lastOutages(ctx, events.ProposeFilter(c))
	if err != nil {
		return Committed{}, err
	}
	got, ok := all[c]
	if !ok {
		return Committed{Outage: events.Outage{Check: c}, Seq: newest[c]}, ErrNotFound
	}
	return got, nil
}

// LastOutages reads the last event of every check that has one this version can read.
func (b *Bus) LastOutages(ctx context.Context) (map[events.Check]Committed, error) {
	last, _, err := b.lastOutages(ctx, events.AllPropose)
	return last, err
}

// lastOutages also returns the sequence of each check's newest event, read or not.
func (b *Bus) lastOutages(ctx context.Context, pattern string) (last map[events.Check]Committed, newest map[events.Check]uint64, err error) {
	last = map[events.Check]Committed{}
	newest = map[events.Check]uint64{}
	fold := func(m stored) error {
		_, check, err := events.ParseOutageSubject(m.subject)
		if err != nil {
			return b.passOver(m, err)
		}
		newest[check] = max(newest[check], m.seq)
		got, known, err := toCommitted(m)
		if err != nil {
			return b.passOver(m, err)
		}
		if known && got.Seq > last[check].Seq {
			last[check] = got
		}
		return nil
	}
	err = b.readLast(ctx, events.StreamOutages, pattern, fold)
	switch {
	case !errors.Is(err, errTooMany):
	case b.kind == events.CredentialOperator: // may make no consumer there, among those the mailers live by: the long way round
		err = b.readSince(ctx, events.StreamOutages, pattern, time.Time{}, fold)
	default:
		err = b.readLastByConsumer(ctx, events.StreamOutages, pattern, fold)
	}
	if err != nil {
		return nil, nil, err
	}
	for check, got := range last {
		got.Seq = newest[check] // what the next proposal is compared with, also if we can't read it
		last[check] = got
	}
	return last, newest, nil
}

// Outages reads the history from a time on (the zero time: all of it), oldest first, up to now. An error of handle ends
// it and is returned.
func (b *Bus) Outages(ctx context.Context, since time.Time, handle func(Committed) error) error {
	return readEvents(ctx, b, events.StreamOutages, events.AllPropose, since, toCommitted, handle)
}

// readEvents reads the events of a log that match a pattern, from a time on, oldest first. What can't be read is logged
// and passed over; what only a newer version knows is passed over.
func readEvents[C any](ctx context.Context, b *Bus, stream, pattern string, since time.Time,
	decode func(stored) (c C, known bool, err error), handle func(C) error,
) error {
	return b.readSince(ctx, stream, pattern, since, func(m stored) error {
		got, known, err := decode(m)
		switch {
		case err != nil:
			return b.passOver(m, err)
		case !known:
			return nil
		}
		return handle(got)
	})
}

// SubscribeOutages hands on committed events as they happen, one at a time and in order. What happens while this
// process is cut off is missed: read Outages or LastOutages then.
func (b *Bus) SubscribeOutages(handle func(Committed)) (*Subscription, error) {
	return b.subscribe(events.AllOutages, func(msg *nats.Msg) error {
		m, err := fromRepublished(msg)
		if err != nil {
			return err
		}
		got, known, err := toCommitted(m)
		if err == nil && known {
			handle(got)
		}
		return err
	})
}

// fromRepublished reads what the stream says about a message it republished.
func fromRepublished(msg *nats.Msg) (stored, error) {
	seq, err := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return stored{}, fmt.Errorf("event without a place in the log: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, msg.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return stored{}, fmt.Errorf("event without the time it was stored: %w", err)
	}
	return stored{subject: msg.Subject, data: msg.Data, seq: seq, time: at}, nil
}

// toCommitted decodes an event. known is false for one of a kind that only a newer version knows.
func toCommitted(m stored) (c Committed, known bool, err error) {
	event, _, err := events.ParseOutageSubject(m.subject)
	if err != nil {
		return Committed{}, false, err
	}
	if !slices.Contains(events.Events, event) {
		return Committed{}, false, nil
	}
	o, err := events.Decode[events.Outage](m.subject, m.data)
	if err != nil {
		return Committed{}, false, err
	}
	return Committed{Outage: o, Seq: m.seq, Stored: m.time}, true, nil
}

// passOver logs a stored message that can't be read; the others still are. One kind of messages doesn't hide another.
func (b *Bus) passOver(m stored, err error) error {
	kind := m.subject
	if words := strings.SplitN(kind, ".", 3); len(words) == 3 {
		kind = words[0] + "." + words[1]
	}
	said, _ := b.passed.LoadOrStore(kind, &slowLog{})
	if slow, ok := said.(*slowLog); ok && slow.due(time.Now()) {
		b.log.Warn().Err(err).Uint64("seq", m.seq).Msgf("stored message on %s can't be read; passed over", m.subject)
	}
	return nil
}
