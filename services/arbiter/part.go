package arbiter

import (
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

// Part makes the arbiter a part of a process, as its environment says.
func Part(p *proc.Process) (proc.Part, error) {
	a, err := New(Options{Bus: p.Bus, Node: p.Env.Node, Log: p.Log, Data: p.Env.Data, Metrics: p.Metrics, Rules: trouble.RulesFor(p.Env.Grace)})
	if err != nil {
		return proc.Part{}, err
	}
	return proc.Part{Name: "arbiter", AwaitsLog: true, Run: a.Run, Alive: a.Alive}, nil
}
