// Command dmonitor is a monitoring host in one process, and the command line to ask it.
//
// It holds no rule of its own: `run` puts the services on one bus, the other commands read what the services wrote.
// Called by the name of a shipped plugin (check_ssh, through a link) it is that plugin.
//
// Exit codes: 0 fine, 1 something is down or invalid, 2 wrong usage, 3 can't reach the bus.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/plugins"
)

func main() {
	ctx, cancel := proc.Signals(context.Background())
	defer cancel()
	if name := filepath.Base(os.Args[0]); strings.HasPrefix(name, "check_") && plugins.Has(name) {
		os.Exit(plugins.Run(ctx, name, os.Args[1:], os.Getenv, os.Stdout))
	}
	a := &app{ctx: ctx, environ: os.Environ(), host: proc.Host(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(a.main(os.Args[1:]))
}

// app is what every command needs of the world.
type app struct {
	ctx            context.Context
	environ        []string
	host           string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// commands is the command line, as kong reads it.
type commands struct {
	Run      runCmd      `cmd:"" help:"Run one monitoring host: every part in one process."`
	Bus      busCmd      `cmd:"" help:"Run a member of the bus only: the third voice of two monitoring hosts."`
	Prober   proberCmd   `cmd:"" help:"Run plugins for members elsewhere: a remote prober."`
	Demo     demoCmd     `cmd:"" help:"Three nodes, a host that goes down and an inbox, all on this machine."`
	Validate validateCmd `cmd:"" help:"Check the configuration folder and say what is wrong with it."`
	Status   statusCmd   `cmd:"" help:"What is down, and whether the nodes look."`
	Nodes    nodesCmd    `cmd:"" help:"Who is a member and who is there; forget one that is gone."`
	Outages  outagesCmd  `cmd:"" help:"List outages, or follow them as they come."`
	Plugin   pluginCmd   `cmd:"" help:"Run a plugin here, as the prober would, and say how its answer counts."`
	Keygen   keygenCmd   `cmd:"" help:"Make a cluster key: what the nodes trust each other by."`
	Creds    credsCmd    `cmd:"" help:"Credentials for those who are no nodes: make, show and revoke them."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
	Complete completeCmd `cmd:"" hidden:"" help:"What the last word may become."`
}

const description = `dmonitor tells you that something is down only when two or more monitoring hosts see it.

What to check is files in /etc/dmonitor; how a process runs is environment variables ("dmonitor run --help" lists them).
Start with:  dmonitor demo`

// exitError ends the program with a code and without a message: what there was to say has been printed.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// hintError is an error with a line that says what to do next.
type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

func (a *app) main(args []string) int {
	var c commands
	left := -1 // kong wants to exit by itself after --help
	parser, err := kong.New(&c, kong.Name("dmonitor"), kong.Description(description), kong.Writers(a.stdout, a.stderr),
		kong.Exit(func(code int) { left = code }), kong.UsageOnError(), kong.Bind(a),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	if err != nil {
		return proc.Fail(a.stderr, "dmonitor", err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if left >= 0 {
		return left
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "dmonitor: %v\nhint: dmonitor --help\n", err)
		return proc.ExitUsage
	}
	return a.exitCode(k.Run(a))
}

func (a *app) exitCode(err error) int {
	var code exitError
	switch {
	case err == nil:
		return proc.ExitFine
	case errors.As(err, &code):
		return int(code)
	}
	exit := proc.Fail(a.stderr, "dmonitor", err)
	if hint, ok := errors.AsType[hintError](err); ok {
		fmt.Fprintln(a.stderr, "hint: "+hint.hint)
	}
	if errors.Is(err, errBusGone) {
		return proc.ExitBusGone
	}
	return exit
}

// env reads the environment; what is wrong with it is an error of usage.
func (a *app) env() (proc.Env, error) {
	e, err := proc.Load(a.environ, a.host)
	if err != nil {
		return e, fmt.Errorf("%w: %w", proc.ErrUsage, err)
	}
	return e, nil
}

type versionCmd struct{}

func (versionCmd) Run(a *app) error {
	fmt.Fprintln(a.stdout, proc.VersionLine("dmonitor"))
	return nil
}
