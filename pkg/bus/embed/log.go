package embed

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/key"
)

// quiet is how long a line of the server is not repeated: while a member is away the server says so every second.
const quiet = 30 * time.Second

// serverLog writes the server's lines into ours, and reads from them the two things the server tells nobody else: that
// it can't go on, and that another member has its name.
type serverLog struct {
	log    zerolog.Logger
	failed func(error)
	taken  func(line string) // another member has this name

	strangers *throttle

	mu   sync.Mutex
	last map[string]time.Time // when a line was written, its numbers left out
}

// mostLines is how many different lines are told apart: a stranger may have the server say whatever it likes.
const mostLines = 1000

func newServerLog(log zerolog.Logger, failed func(error), taken func(string)) *serverLog {
	return &serverLog{log: log, failed: failed, taken: taken, strangers: newThrottle(), last: map[string]time.Time{}}
}

// stranger says that somebody at an address of the members' port doesn't have our cluster key, or has one and we don't.
func (l *serverLog) stranger(addr, why string) {
	if l.strangers.due(hostOf(addr), time.Now()) {
		l.log.Error().Msgf("no connection to the node at %s, which doesn't have our cluster key (or has none): %s. "+
			"All nodes need the same cluster.key (DMONITOR_KEY_FILE): copy it from a node that works, mode 0600", addr, why)
	}
}

// client says why somebody on the clients' port was refused before it said who it is.
func (l *serverLog) client(addr, why string) {
	if l.strangers.due("client "+hostOf(addr), time.Now()) {
		l.log.Warn().Msgf("no connection with the client at %s: %s", addr, why)
	}
}

// What the server says when a handshake has failed, and, without a key, when a member begins with one.
var (
	handshake = regexp.MustCompile(`^(\S+) - ([rc])id:\d+ - TLS (?:route )?handshake error: (.*)$`)
	uninvited = regexp.MustCompile(`^(\S+) - rid:\d+ - authentication error$`)
)

// tell has the server's words on a failed handshake said in ours. Somebody who only looks whether the port is open is no
// news.
func (l *serverLog) tell(line string) bool {
	if m := uninvited.FindStringSubmatch(line); m != nil {
		l.stranger(m[1], errNoKeyHere.Error())
		return true
	}
	m := handshake.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	addr, member, what := m[1], m[2] == "r", m[3]
	switch {
	case !member && strings.Contains(what, "remote error: tls:"):
		l.client(addr, "it doesn't trust this node's certificate; credentials that were made with this cluster key do")
	case !member && strings.Contains(what, "first record does not look like a TLS handshake"):
		l.client(addr, "it speaks without TLS, and this node has a cluster key")
	case !member:
		l.log.Debug().Msg("bus: " + line)
	case strings.Contains(what, key.ErrOtherKey.Error()):
		l.stranger(addr, errOtherKey.Error())
	case strings.Contains(what, "first record does not look like a TLS handshake"), strings.Contains(what, "didn't provide a certificate"):
		l.stranger(addr, errNoKeyThere.Error())
	case strings.Contains(what, "remote error: tls:"):
		l.stranger(addr, errNotTaken.Error())
	default:
		l.log.Debug().Msg("bus: " + line)
	}
	return true
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
	} else if l.tell(line) {
		return
	} else if strings.HasSuffix(line, "our server was removed from the cluster") {
		l.log.Error().Msg("this node was taken out of the bus: the other members don't list it any more")
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

// expected matches what the server says at warning or error level in the ordinary life of a cluster: while not all
// members are up yet, while one goes, while one comes back. Bus.Ready says in better words for whom it waits, and
// bus.watchMembers who is away. What was carried back from a cluster is opened a moment later, as a stream with one copy.
var expected = regexp.MustCompile("^(" + strings.Join([]string{
	"Error trying to connect to route",
	"Waiting for routing to be established",
	"JetStream has not established contact",
	`Metalayer blocking snapshot (starting|took [01]\.)`,            // of the list of streams
	"Catchup for stream .* resetting first sequence",                // what the others have dropped meanwhile is dropped here too
	"Catchup for stream .* stalled$",                                // and is tried again
	"JetStream cluster (stream|consumer) .* has NO quorum, stalled", // the arbiter says when there is no majority
	// After a kill the index of a log is older than the log, and is made anew from it.
	`Filestore \[\S+\] (Stream state outdated, last block has additional entries, will rebuild|` +
		`Recovering stream state from index errored: prior state file)$`,
	"Failed to install snapshot for .*: store is closed",
	"Plaintext passwords detected",                                                      // userAnybody has none
	"TLS certificate chain and hostname of solicited routes will not be verified",       // package key verifies the chain
	`\S+ - cid:\d+ - .*authentication error`,                                            // gate has said who, and why
	`\s*Error recreating stream ".*": replicas > 1 not supported in non-clustered mode`, // carried back; see carryBack
	`\S+ - rid:\d+ - (Error flushing|Route Error 'Stale Connection')`,
}, "|") + ")")

// prefix is what the server's parts put before their own words.
var prefix = regexp.MustCompile(`^RAFT \[.*?\] `)

// digits differ from one repetition of a line to the next: attempts, ports, numbers of connections.
var digits = regexp.MustCompile(`\d+`)

// write looks at the finished line, because most formats of the server are "%s".
func (l *serverLog) write(level zerolog.Level, format string, v []any) {
	line := fmt.Sprintf(format, v...)
	if expected.MatchString(prefix.ReplaceAllString(line, "")) || l.said(digits.ReplaceAllString(line, "#")) {
		level = zerolog.DebugLevel
	}
	l.log.WithLevel(level).Msg("bus: " + line)
}

// said tells whether the same was written a short while ago, and remembers it otherwise.
func (l *serverLog) said(what string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(l.last, func(_ string, at time.Time) bool { return now.Sub(at) >= quiet })
	if _, ok := l.last[what]; ok || len(l.last) >= mostLines {
		return true
	}
	l.last[what] = now
	return false
}
