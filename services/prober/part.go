package prober

import "github.com/dmonitor/dmonitor/pkg/proc"

// Part makes the prober a part of a process, as its environment says.
func Part(p *proc.Process) (proc.Part, error) {
	warnRoot(p.Log)
	s, err := New(Options{
		Bus: p.Bus, Node: p.Env.Node, Site: p.Env.Site, Version: proc.Version(), Log: p.Log,
		PluginDirs: PluginDirs(p.Env.Config, p.Env.Plugins...), Concurrency: p.Env.Concurrency,
		Metrics: p.Metrics,
	})
	if err != nil {
		return proc.Part{}, err
	}
	return proc.Part{Name: "prober", Run: s.Run, Alive: s.Alive}, nil
}
