package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/prober"
)

type proberCmd struct {
	UntilEOF bool `hidden:"" help:"Stop when standard input ends: for a parent that may die."`
}

// Help is shown under the command's flags: this command is set up by the environment.
func (proberCmd) Help() string {
	var b strings.Builder
	b.WriteString("A remote prober runs plugins where no member of the bus can be: behind NAT, at a customer's, on a machine that\n" +
		"comes and goes. It connects out to the members, its results count as those of any site, and nothing has to reach it.\n" +
		"It needs two settings, and on a node \"dmonitor creds prober NAME\" makes the file:\n\n" +
		"  DMONITOR_BUS_URL=nats://a.example.com:4222,nats://b.example.com:4222\n" +
		"  DMONITOR_BUS_CREDS=/etc/dmonitor/prober.creds\n\n" +
		"Its name is that in the file. It takes no arguments; all that can be set:\n\n")
	proc.Help(&b)
	return b.String()
}

// Run runs plugins for the members that DMONITOR_BUS_URL names.
func (c proberCmd) Run(a *app) error {
	node, err := prober.NameInCreds(a.environ)
	if err != nil {
		return err
	}
	if node != "" {
		a.environ = append(a.environ, proc.Prefix+"NODE="+node)
	}
	e, err := a.env()
	if err != nil {
		return err
	}
	if e.BusURL == "" {
		return hintError{
			fmt.Errorf("%w: DMONITOR_BUS_URL is not set: a remote prober connects to members of the bus, and is none", proc.ErrUsage),
			"set it to the members' client ports, such as nats://a.example.com:4222,nats://b.example.com:4222; or: dmonitor run",
		}
	}
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	if c.UntilEOF {
		a.untilEOF(cancel)
	}
	log := e.Logger(a.stderr)
	log.Info().Msg(proc.VersionLine("dmonitor") + " starts, as a remote prober")
	p, err := proc.Start(ctx, e, log, proc.Plain)
	if err != nil {
		return err
	}
	return p.Run(ctx, withPlugins(prober.Part))
}
