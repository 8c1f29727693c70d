package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/plugins"
	"github.com/dmonitor/dmonitor/services/prober"
)

// withPlugins sees to it that the shipped plugins are found: where they are not installed beside the binary, links to
// this very binary, which knows them all, are put into the data folder.
func withPlugins(build func(*proc.Process) (proc.Part, error)) func(*proc.Process) (proc.Part, error) {
	return func(p *proc.Process) (proc.Part, error) {
		dir := filepath.Join(p.Env.Data, "plugins")
		if err := linkPlugins(dir); err != nil {
			p.Log.Warn().Err(err).Msg("shipped plugins are not at hand")
		} else {
			p.Env.Plugins = append(p.Env.Plugins, dir)
		}
		return build(p)
	}
}

// linkPlugins fills dir with links named check_* to this binary.
func linkPlugins(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find my own binary: %w", err)
	}
	if err := plugins.Link(dir, self); err != nil {
		return fmt.Errorf("link the shipped plugins: %w", err)
	}
	return nil
}

type pluginCmd struct {
	Test string   `arg:"" help:"The test, such as ssh: runs check_ssh."`
	Host string   `arg:"" help:"The host, such as www.example.com."`
	Args []string `arg:"" optional:"" passthrough:"" help:"Arguments instead of the host alone."`
	JSON bool     `name:"json" help:"Print as JSON."`
}

func (c pluginCmd) Run(a *app) error {
	e, err := a.env()
	if err != nil {
		return err
	}
	check := events.Check{Host: c.Host, Test: c.Test}
	if err := check.Validate(); err != nil {
		return fmt.Errorf("%w: %w", proc.ErrUsage, err)
	}
	dir, err := os.MkdirTemp("", "dmonitor-plugins-")
	if err != nil {
		return fmt.Errorf("make a folder for the shipped plugins: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := linkPlugins(dir); err != nil {
		return err
	}
	run := c.definition(e, check)
	r := prober.Try(a.ctx, run, e.Node, e.Site, prober.PluginDirs(e.Config, append(e.Plugins, dir)))
	if c.JSON {
		return printJSON(a.stdout, r, exitIf(r.Status.Vote() != events.Up))
	}
	fmt.Fprintf(a.stdout, "%s  %s  (%s, counts as %s)\n", r.Check, r.Output, r.Status, voteWords[r.Status.Vote()])
	if r.Detail != "" {
		fmt.Fprintln(a.stdout, r.Detail)
	}
	fmt.Fprintf(a.stdout, "took %s\n", r.Elapsed)
	return exitIf(r.Status.Vote() != events.Up)
}

var voteWords = map[events.Vote]string{events.Up: "up", events.Down: "down", events.None: "no vote"}

// definition takes plugin, arguments and timeout from the check's own file, if there is one.
func (c pluginCmd) definition(e proc.Env, check events.Check) events.Run {
	run := events.Run{Check: check, Plugin: check.Test, Timeout: events.Millis(e.Timeout), Args: c.Args}
	snapshot, _ := confdir.Read(os.DirFS(e.Config), e.Defaults())
	for _, d := range snapshot.Checks {
		if d.Check == check {
			run = d.Run
		}
	}
	if len(c.Args) > 0 {
		run.Args = c.Args
	}
	return run
}
