package prober

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/prober/plugin"
)

const (
	// testEvery is how often plugins are tested while all work, testAgain while one doesn't: somebody may be putting it right.
	testEvery = time.Hour
	testAgain = 30 * time.Second
	// firstTest is how long the prober waits for the first test before it says what plugins it has. It usually takes some
	// hundredths of a second; and a node that said a plugin works, and then it doesn't, would have voted meanwhile.
	firstTest = 3 * time.Second
)

// Withheld is how the output of a result begins whose check was not run because its plugin can't work on this node.
const Withheld = "not run: this node can't tell"

// testPlugins tests plugins until ctx ends. It closes tested after the first time.
func (p *Prober) testPlugins(ctx context.Context, tested chan<- struct{}) {
	for {
		found := p.runner.SelfTest(ctx)
		if ctx.Err() == nil {
			p.withhold(found)
		}
		if tested != nil {
			close(tested)
			tested = nil
		}
		next := testEvery
		if len(found) > 0 {
			next = p.again
		}
		select {
		case <-time.After(next):
		case <-ctx.Done():
			return
		}
	}
}

// withhold takes in what a test has found, and logs what has changed.
func (p *Prober) withhold(found []events.Withheld) {
	p.mu.Lock()
	before := p.withheld
	p.withheld = found
	p.mu.Unlock()
	for _, w := range found {
		if reason(before, w.Plugin) == "" {
			p.log.Error().Msgf("%s%s does not work on this node, which abstains from its checks until it does: %s", plugin.Prefix, w.Plugin, w.Why)
		}
	}
	for _, w := range before {
		if reason(found, w.Plugin) == "" {
			p.log.Info().Msgf("%s%s works on this node again", plugin.Prefix, w.Plugin)
		}
	}
}

// reason says why a plugin is among the withheld ones; empty if it isn't.
func reason(withheld []events.Withheld, name string) string {
	for _, w := range withheld {
		if w.Plugin == name {
			return w.Why
		}
	}
	return ""
}

// whyWithheld says why a plugin is not run; empty if it is.
func (p *Prober) whyWithheld(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return reason(p.withheld, name)
}

// offered leaves out the plugins that are withheld.
func offered(plugins []string, withheld []events.Withheld) []string {
	return slices.DeleteFunc(plugins, func(name string) bool { return reason(withheld, name) != "" })
}

// warnRoot says what it means that plugins run as root.
func warnRoot(log zerolog.Logger) {
	if os.Geteuid() == 0 {
		log.Warn().Msg("dmonitor runs as root, and so does every plugin, with all rights and without a limit of processes; " +
			"run it as a user of its own, with CAP_NET_RAW where plugins ping")
	}
}
