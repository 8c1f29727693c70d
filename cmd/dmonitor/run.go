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

// gcPercent is how much the heap may grow before it is collected. Half of Go's default takes a quarter of the memory
// off a node with 2,000 checks (66 MiB to 49) and costs no CPU that shows. GOGC in the environment has the last word.
const gcPercent = 50

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
