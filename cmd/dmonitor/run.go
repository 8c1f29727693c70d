package main

import (
	"context"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/arbiter"
	"github.com/dmonitor/dmonitor/services/mailer"
	"github.com/dmonitor/dmonitor/services/prober"
	"github.com/dmonitor/dmonitor/services/scheduler"
)

type runCmd struct {
	UntilEOF bool `hidden:"" help:"Stop when standard input ends: for a parent that may die."`
}

// Help is shown under the command's flags: this command is set up by the environment.
func (runCmd) Help() string {
	var b strings.Builder
	b.WriteString("It takes no arguments; it is set up by its environment:\n\n")
	proc.Help(&b)
	return b.String()
}

// gcPercent is how much the heap may grow before it is collected. A node with 2,000 checks takes 67 MiB at 50 (Go's
// default is 100), 65 at 35 and 64 at 25, each measured once; what it costs in CPU doesn't show. GOGC in the environment
// has the last word.
const gcPercent = 35

// untilEOF calls stop when standard input ends.
func (a *app) untilEOF(stop func()) {
	go func() {
		_, _ = io.Copy(io.Discard, a.stdin)
		stop()
	}()
}

// Run runs scheduler, prober, arbiter and mailer on one bus.
func (c runCmd) Run(a *app) error {
	e, err := a.env()
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	if c.UntilEOF {
		a.untilEOF(cancel)
	}
	log := e.Logger(a.stderr)
	log.Info().Msg(proc.VersionLine("dmonitor") + " starts")
	p, err := proc.Start(ctx, e, log)
	if err != nil {
		return err
	}
	return p.Run(ctx, scheduler.Part, arbiter.Part, mailer.Part, withPlugins(prober.Part))
}
