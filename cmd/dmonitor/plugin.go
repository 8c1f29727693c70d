package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/plugins"
	"github.com/dmonitor/dmonitor/services/prober"
	"github.com/dmonitor/dmonitor/services/prober/plugin"
)

// withPlugins sees to it that the shipped plugins are found.
func withPlugins(build proc.Builder) proc.Builder {
	return func(p *proc.Process) (proc.Part, error) {
		further, err := shippedPlugins(filepath.Join(p.Env.Data, "plugins"))
		if err != nil {
			p.Log.Warn().Err(err).Msg("shipped plugins are not at hand")
		}
		p.Env.Plugins = append(p.Env.Plugins, further...)
		return build(p)
	}
}

// shippedPlugins returns the further folder to look into for the shipped plugins: none where they are installed, else
// dir, filled with links to this very binary, which knows them all.
func shippedPlugins(dir string) ([]string, error) {
	if _, err := os.Stat(prober.ShippedPlugins); err == nil {
		return nil, nil
	}
	return []string{dir}, linkPlugins(dir)
}

// linkPlugins fills dir with links named check_* to this binary.
func linkPlugins(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find my own binary: %w", err)
	}
	if err := plugins.Link(self, dir); err != nil {
		return fmt.Errorf("link the shipped plugins: %w", err)
	}
	return nil
}

type pluginCmd struct {
	Test string   `arg:"" help:"The test, such as ssh: runs check_ssh."`
	Host string   `arg:"" help:"The host, such as www.example.com."`
	Args []string `arg:"" optional:"" passthrough:"" help:"Further arguments for the plugin, after the host; without any, those of the check's file."`
	JSON bool     `name:"json" help:"Print as JSON."`
}

// Help is shown under the command's flags.
func (pluginCmd) Help() string {
	return "What a plugin can do it says itself, after --, which keeps its options from being taken for those of dmonitor:\n\n" +
		"    dmonitor plugin https www.example.com -- --help"
}

// Run runs a plugin as the prober would.
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
	further, err := shippedPlugins(dir)
	if err != nil {
		return err
	}
	runner, err := plugin.NewRunner(plugin.Options{
		Dirs: prober.PluginDirs(e.Config, append(e.Plugins, further...)...), Node: e.Node, Limits: prober.Limits(&e, plugin.MachineMemory()),
	})
	if err != nil {
		return err
	}
	defer runner.Close()
	answer := runner.Run(a.ctx, c.definition(e, check))
	down := exitIf(answer.Status.Vote() != events.Up)
	if c.JSON {
		return printJSON(a.stdout, c.result(e, check, answer), down)
	}
	fmt.Fprintf(a.stdout, "%s  %s  (%s, counts as %s)\n", check, answer.Output, answer.Status, voteWords[answer.Status.Vote()])
	if answer.Detail != "" {
		fmt.Fprintln(a.stdout, answer.Detail)
	}
	fmt.Fprintf(a.stdout, "took %s", answer.Elapsed.Round(time.Microsecond))
	if answer.Path != "" {
		fmt.Fprintf(a.stdout, ", by %s", answer.Path)
	}
	fmt.Fprintln(a.stdout)
	return down
}

// result is the answer as the prober would publish it.
func (c pluginCmd) result(e proc.Env, check events.Check, a plugin.Answer) *events.Result {
	return &events.Result{
		V: events.Version, ID: "by-hand", Node: e.Node, Site: e.Site, Check: check, Status: a.Status, Output: a.Output, Detail: a.Detail,
		Perf: a.Perf, Started: a.Started, Elapsed: events.Millis(a.Elapsed),
	}
}

var voteWords = map[events.Vote]string{events.Up: "up", events.Down: "down", events.None: "no vote"}

// definition takes plugin, arguments and timeout from the check's own file, if there is one. What is typed goes before.
func (c pluginCmd) definition(e proc.Env, check events.Check) events.Run {
	run := events.Run{Check: check, Plugin: check.Test, Timeout: events.Millis(e.Timeout)}
	snapshot, _ := confdir.Read(os.DirFS(e.Config), e.Defaults())
	for _, d := range snapshot.Checks {
		if d.Check == check {
			run = d.Run
		}
	}
	further := c.Args
	if len(further) > 0 && further[0] == "--" { // kong hands it on
		further = further[1:]
	}
	if len(further) > 0 {
		run.Args = append([]string{c.Host}, further...)
	}
	return run
}
