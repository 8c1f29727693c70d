package proc

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

// statusEvery is how often the supervisor is told how the process is, if it wants to hear of it less often itself.
const statusEvery = 15 * time.Second

// supervisor is what started this process, if it wants to be told how it is (sd_notify(3), that is systemd): that it is up,
// for whom it waits, that it lives, that it stops. Without one, nothing is said.
type supervisor struct {
	log      zerolog.Logger
	there    bool
	every    time.Duration
	answered map[string]bool // parts that have answered once
	warned   bool
}

func newSupervisor(log zerolog.Logger) *supervisor {
	s := &supervisor{log: log, there: os.Getenv("NOTIFY_SOCKET") != "", every: statusEvery}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn().Err(err).Msg("the service manager's watchdog is not fed")
	}
	if watchdog > 0 {
		// A look may take as long as the pause before it: that is half of the time there is.
		s.every = min(s.every, watchdog/4)
	}
	return s
}

// tell says something in lines of the form NAME=value.
func (s *supervisor) tell(lines ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		s.log.Debug().Err(err).Msg("the service manager can't be told")
	}
}

// watch says that the process is up, and from then on how it is, until ctx ends. Up doesn't mean that the log of outages
// can be written: a cluster's first node would otherwise wait for the others, and its supervisor for it.
func (s *supervisor) watch(ctx context.Context, p *Process, parts []Part, ready <-chan struct{}) {
	if !s.there {
		return
	}
	s.answered = map[string]bool{}
	s.tell(daemon.SdNotifyReady, daemon.SdNotifyWatchdog)
	s.tell(s.status(ctx, p, parts, ready))
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for once := ready; ; {
		select {
		case <-ctx.Done():
			return
		case <-once:
			once = nil
		case <-tick.C:
		}
		s.look(ctx, p, parts, ready)
	}
}

// look feeds the watchdog if everything that has to move moves.
func (s *supervisor) look(ctx context.Context, p *Process, parts []Part, ready <-chan struct{}) {
	err := s.alive(ctx, p, parts)
	if ctx.Err() != nil {
		return // What stops doesn't have to answer.
	}
	if err == nil {
		s.warned = false
		s.tell(daemon.SdNotifyWatchdog, s.status(ctx, p, parts, ready))
		return
	}
	s.tell("STATUS=stuck: " + err.Error())
	if !s.warned {
		s.warned = true
		s.log.Error().Err(err).Msg("something stands still in this process; if it goes on so, the service manager's watchdog ends it")
	}
}

// alive asks the server in this process, and the parts. A part that has not answered yet is still starting.
func (s *supervisor) alive(ctx context.Context, p *Process, parts []Part) error {
	ctx, cancel := context.WithTimeout(ctx, s.every)
	defer cancel()
	if p.Env.BusURL == "" { // A bus elsewhere may be away, which is no fault of this process.
		if err := p.Bus.Conn().FlushWithContext(ctx); err != nil {
			return fmt.Errorf("the bus in this process does not answer: %w", err)
		}
	}
	for _, part := range parts {
		if part.Alive == nil {
			continue
		}
		switch err := part.Alive(ctx); {
		case err == nil:
			s.answered[part.Name] = true
		case s.answered[part.Name]:
			return fmt.Errorf("%s does not answer: %w", part.Name, err)
		}
	}
	return nil
}

// status is one line for "systemctl status".
func (s *supervisor) status(ctx context.Context, p *Process, parts []Part, ready <-chan struct{}) string {
	var names []string
	for _, part := range parts {
		names = append(names, part.Name)
	}
	what := cmp.Or(strings.Join(names, ", "), "a member of the bus")
	select {
	case <-ready:
		return "STATUS=running: " + what
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, s.every)
	defer cancel()
	return "STATUS=waiting for the log of outages: " + oneLine(p.Bus.WaitsFor(ctx))
}

// oneLine keeps a text from being taken for several messages.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// stopping says that the process ends because it was told to.
func (s *supervisor) stopping() { s.tell(daemon.SdNotifyStopping, "STATUS=stopping") }
