package scheduler

import "github.com/dmonitor/dmonitor/pkg/proc"

// Part makes the scheduler a part of a process, as its environment says.
func Part(p *proc.Process) (proc.Part, error) {
	s, err := New(Options{Bus: p.Bus, Node: p.Env.Node, Dir: p.Env.Config, Defaults: p.Env.Defaults(), Log: p.Log})
	if err != nil {
		return proc.Part{}, err
	}
	return proc.Part{Name: "scheduler", AwaitsLog: true, Run: s.Run}, nil
}
