package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"
)

// Version is the major version of the messages. Adding a field doesn't change it.
const Version = 1

// MaxMessage is the largest message in bytes that Encode writes and Decode reads. The bus is set to the same limit.
const MaxMessage = 4 << 20

// Sentinels a reader may branch on.
var (
	ErrVersion = errors.New("message is of a newer version than this program knows")
	ErrSubject = errors.New("message does not belong on the subject it came on")
	ErrEvent   = errors.New("not an event this program knows") // of an outage or a trouble; a reader leaves it to newer ones
)

// Message is anything that travels on the bus.
type Message interface {
	// Subject is where the message is published.
	Subject() string
	// Validate returns nil if every field keeps the rules of this package.
	Validate() error

	version() *int
	tidy()
	belongsOn(subject string) bool
}

// Encode writes a message as JSON. It first makes m what a reader will get back: the version is set, times become UTC,
// nil lists empty ones, votes are sorted by node, and free text is cleaned and cut (CleanText), so that what some plugin
// or mail server said never keeps a decision from being told. It returns an error for a message that no reader would
// accept. m must not be used by others meanwhile; what its slices point to is not changed.
func Encode(m Message) ([]byte, error) {
	*m.version() = Version
	m.tidy()
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // The messages are read by people too, and \u003c would make six bytes of one.
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	data := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if len(data) > MaxMessage {
		return nil, fmt.Errorf("encode %T: %d bytes, at most %d are allowed", m, len(data), MaxMessage)
	}
	return data, nil
}

// Decode reads a message that came on subject. T is named by the caller: Decode[events.Result](msg.Subject, msg.Data).
// The error wraps ErrVersion, ErrSubject or ErrEvent where it is one of those; none is worth a retry. Of a key that
// stands twice the last one counts, and it is that one which is checked.
func Decode[T any, P interface {
	*T
	Message
}](subject string, data []byte,
) (T, error) {
	var m, none T
	if len(data) > MaxMessage {
		return none, fmt.Errorf("decode %T: %d bytes, at most %d are allowed", m, len(data), MaxMessage)
	}
	if !utf8.Valid(data) {
		return none, fmt.Errorf("decode %T: not UTF-8", m)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		if v := versionOf(data); v > Version { // A newer version may have other types in the same places.
			return none, fmt.Errorf("decode %T: version %d: %w", m, v, ErrVersion)
		}
		return none, fmt.Errorf("decode %T: %w", m, err)
	}
	p := P(&m)
	if err := validateVersion(*p.version()); err != nil {
		return none, fmt.Errorf("decode %T: %w", m, err)
	}
	if err := p.Validate(); err != nil {
		return none, fmt.Errorf("decode %T: %w", m, err)
	}
	if !p.belongsOn(subject) {
		return none, fmt.Errorf("decode %T: subject %q, body says %q: %w", m, clip(subject), p.Subject(), ErrSubject)
	}
	return m, nil
}

// versionOf reads the version of a message whatever else it says; 0 if it has none.
func versionOf(data []byte) int {
	var m struct {
		V int `json:"v"`
	}
	_ = json.Unmarshal(data, &m) // Fields of the wrong type are passed over, the others are filled in.
	return m.V
}

func validateVersion(v int) error {
	switch {
	case v > Version:
		return fmt.Errorf("version %d: %w", v, ErrVersion)
	case v < 1:
		return fmt.Errorf("version %d: want 1 to %d", v, Version)
	default:
		return nil
	}
}

// Millis is a duration that is written in JSON as a number of milliseconds, with a fraction to the microsecond. The
// names of such fields end in "_ms".
type Millis time.Duration

// Duration returns d as the standard library's type.
func (d Millis) Duration() time.Duration { return time.Duration(d) }

// String writes d as time.Duration does.
func (d Millis) String() string { return time.Duration(d).String() }

// maxMillis bounds durations to what UnmarshalJSON reads back: a hundred years.
const maxMillis = Millis(100 * 365 * 24 * time.Hour)

// validateElapsed refuses what no clock measures.
func validateElapsed(d Millis) error {
	if d < 0 || d > maxMillis {
		return fmt.Errorf("elapsed %v: want 0 to a hundred years", d)
	}
	return nil
}

// round is d as a reader gets it back: whole microseconds.
func (d Millis) round() Millis { return Millis(time.Duration(d).Round(time.Microsecond)) }

// MarshalJSON writes milliseconds.
func (d Millis) MarshalJSON() ([]byte, error) {
	us := time.Duration(d).Round(time.Microsecond).Microseconds()
	return json.Marshal(float64(us) / 1000)
}

// UnmarshalJSON reads milliseconds. Numbers past a hundred years are refused.
func (d *Millis) UnmarshalJSON(b []byte) error {
	var ms float64
	if err := json.Unmarshal(b, &ms); err != nil {
		return err
	}
	if math.Abs(ms) > float64(time.Duration(maxMillis).Milliseconds()) {
		return fmt.Errorf("%v ms: past a hundred years", ms)
	}
	*d = Millis(time.Duration(math.Round(ms*1000)) * time.Microsecond)
	return nil
}
