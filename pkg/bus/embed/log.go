package embed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// quiet is how long a line of the server is not repeated: while a member is away the server says so every second.
const quiet = 30 * time.Second

// serverLog writes the server's lines into ours, and reads from them the two things the server tells nobody else: that
// it can't go on, and that another member has its name.
type serverLog struct {
	log    zerolog.Logger
	failed func(error)
	taken  func(line string) // another member has this name

	mu   sync.Mutex
	last map[string]time.Time // when a format was written last
}

func newServerLog(log zerolog.Logger, failed func(error), taken func(string)) *serverLog {
	return &serverLog{log: log, failed: failed, taken: taken, last: map[string]time.Time{}}
}

// Noticef writes at debug level: what the server finds notable is of no interest to who runs dmonitor.
func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug().Msgf("bus: "+format, v...) }

// Debugf and Tracef write at trace level.
func (l *serverLog) Debugf(format string, v ...any) { l.log.Trace().Msgf("bus: "+format, v...) }
func (l *serverLog) Tracef(format string, v ...any) { l.log.Trace().Msgf("bus: "+format, v...) }

// Warnf keeps the server's warnings.
func (l *serverLog) Warnf(format string, v ...any) { l.write(zerolog.WarnLevel, format, v) }

// Errorf keeps the server's errors.
func (l *serverLog) Errorf(format string, v ...any) {
	if line := fmt.Sprintf(format, v...); strings.Contains(line, "duplicate name") {
		l.taken(line)
		return
	}
	l.write(zerolog.ErrorLevel, format, v)
}

// Fatalf does not exit: whoever started the server decides what becomes of the process.
func (l *serverLog) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.log.Error().Msg("bus: " + line)
	l.failed(errors.New(line))
}

// expected are the beginnings of what the server says at every start of a cluster, while not all members are up yet.
// Bus.Ready says in better words for whom it waits.
var expected = []string{
	"Error trying to connect to route", "Waiting for routing to be established", "JetStream has not established contact",
}

func (l *serverLog) write(level zerolog.Level, format string, v []any) {
	if slices.ContainsFunc(expected, func(e string) bool { return strings.HasPrefix(format, e) }) {
		level = zerolog.DebugLevel
	}
	l.mu.Lock()
	now := time.Now()
	seen := now.Sub(l.last[format]) < quiet
	if !seen {
		l.last[format] = now
	}
	l.mu.Unlock()
	if seen {
		level = zerolog.DebugLevel
	}
	l.log.WithLevel(level).Msgf("bus: "+format, v...)
}
