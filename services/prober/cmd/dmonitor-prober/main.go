// Dmonitor-prober is one node of dmonitor: it runs the plugins it is asked to run, and says what they found. It is set
// up by its environment; --help lists it.
package main

import (
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/prober"
)

func main() {
	proc.Main("dmonitor-prober", "runs plugins and publishes what they found", func(p *proc.Process) ([]proc.Part, error) {
		s, err := prober.New(prober.Options{
			Bus: p.Bus, Node: p.Env.Node, Site: p.Env.Site, Version: proc.Version(), Log: p.Log,
			PluginDirs: prober.PluginDirs(p.Env.Config, p.Env.Plugins...), Concurrency: p.Env.Concurrency,
		})
		if err != nil {
			return nil, err
		}
		return []proc.Part{{Name: "prober", Run: s.Run}}, nil
	})
}
