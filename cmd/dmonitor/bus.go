package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dmonitor/dmonitor/pkg/proc"
)

type busCmd struct {
	UntilEOF bool `hidden:"" help:"Stop when standard input ends: for a parent that may die."`
}

// Help is shown under the command's flags: this command is set up by the environment.
func (busCmd) Help() string {
	var b strings.Builder
	b.WriteString("Two monitoring hosts can't go on when one of them is away: what is decided needs more than half of the members.\n" +
		"This is the third voice. It keeps a copy of what is decided, and runs on any small machine; it looks at nothing\n" +
		"and casts no vote. List it in nodes.txt on every host, like the others.\n\n" +
		"It takes no arguments; it is set up by its environment, the same as that of \"dmonitor run\":\n\n")
	proc.Help(&b)
	return b.String()
}

// Run runs a member of the bus, and nothing else.
func (c busCmd) Run(a *app) error {
	e, err := a.env()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	if c.UntilEOF {
		a.untilEOF(cancel)
	}
	if e.BusURL != "" {
		return hintError{
			fmt.Errorf("%w: DMONITOR_BUS_URL is set: a process that connects to a bus is no member of it", proc.ErrUsage),
			"leave DMONITOR_BUS_URL out, and list this host in nodes.txt",
		}
	}
	log := e.Logger(a.stderr)
	log.Info().Msg(proc.VersionLine("dmonitor") + " starts, as a member of the bus only")
	p, err := proc.Start(ctx, e, log)
	if err != nil {
		return err
	}
	return p.Run(ctx)
}
