package events

import (
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
)

// Message is anything that travels on the bus.
type Message interface {
	// Subject is where the message is published.
	Subject() string
	// Validate returns nil if every field keeps the rules of this package.
	Validate() error

	version() *int
	belongsOn(subject string) bool
}

// Encode writes a message as JSON. It returns an error for a message that no reader would accept.
func Encode(m Message) ([]byte, error) {
	*m.version() = Version
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	if len(data) > MaxMessage {
		return nil, fmt.Errorf("encode %T: %d bytes, at most %d are allowed", m, len(data), MaxMessage)
	}
	return data, nil
}

// Decode reads a message that came on subject. T is named by the caller: Decode[events.Result](msg.Subject, msg.Data).
// The error wraps ErrVersion or ErrSubject where it is one of those; none is worth a retry.
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
		return none, fmt.Errorf("decode %T: %w", m, err)
	}
	p := P(&m)
	if v := *p.version(); v > Version {
		return none, fmt.Errorf("decode %T: version %d: %w", m, v, ErrVersion)
	}
	if err := p.Validate(); err != nil {
		return none, fmt.Errorf("decode %T: %w", m, err)
	}
	if !p.belongsOn(subject) {
		return none, fmt.Errorf("decode %T: subject %q, body says %q: %w", m, clip(subject), p.Subject(), ErrSubject)
	}
	return m, nil
}

// Millis is a duration that is written in JSON as a number of milliseconds, with a fraction to the microsecond. The
// names of such fields end in "_ms".
type Millis time.Duration

// Duration returns d as the standard library's type.
func (d Millis) Duration() time.Duration { return time.Duration(d) }

// String writes d as time.Duration does.
func (d Millis) String() string { return time.Duration(d).String() }

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
	if math.Abs(ms) > 100*365*86400*1000 {
		return fmt.Errorf("%v ms: past a hundred years", ms)
	}
	*d = Millis(time.Duration(math.Round(ms*1000)) * time.Microsecond)
	return nil
}
