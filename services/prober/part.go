package prober

import (
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/prober/plugin"
)

// Limits are those of plugins, as the environment says them, on a machine that has this many bytes of memory. A negative number
// doesn't get through the environment's own check.
func Limits(e *proc.Env, memory uint64) plugin.Limits {
	l := defaultLimits(e.Concurrency, memory)
	if e.PluginMemory != nil {
		l.Memory = uint64(*e.PluginMemory) << 20
	}
	if e.PluginProcs != nil {
		l.Processes = uint64(*e.PluginProcs)
	}
	return l
}

// defaultLimits are those of a prober that runs so many jobs at once (0: DefaultConcurrency).
func defaultLimits(concurrency int, memory uint64) plugin.Limits {
	if concurrency == 0 {
		concurrency = DefaultConcurrency
	}
	return plugin.DefaultLimits(memory, concurrency+reserve(concurrency))
}

// reserve is how many plugins may run besides to confirm suspicions.
func reserve(concurrency int) int { return max(1, concurrency/4) }

// Part makes the prober a part of a process, as its environment says.
func Part(p *proc.Process) (proc.Part, error) {
	warnRoot(p.Log)
	limits := Limits(&p.Env, plugin.MachineMemory())
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
