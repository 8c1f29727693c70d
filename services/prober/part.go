package prober

import (
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/prober/plugin"
)

// Limits are those of plugins, as the environment says them.
func Limits(e *proc.Env) plugin.Limits {
	l := plugin.DefaultLimits
	l.Memory, l.Processes = uint64(e.PluginMemory)<<20, uint64(e.PluginProcs)
	return l
}

// Part makes the prober a part of a process, as its environment says.
func Part(p *proc.Process) (proc.Part, error) {
	warnRoot(p.Log)
	limits := Limits(&p.Env)
	s, err := New(Options{
		Bus: p.Bus, Node: p.Env.Node, Site: p.Env.Site, Version: proc.Version(), Log: p.Log,
		PluginDirs: PluginDirs(p.Env.Config, p.Env.Plugins...), Concurrency: p.Env.Concurrency,
		Limits: &limits, Metrics: p.Metrics,
	})
	if err != nil {
		return proc.Part{}, err
	}
	return proc.Part{Name: "prober", Run: s.Run, Alive: s.Alive}, nil
}
