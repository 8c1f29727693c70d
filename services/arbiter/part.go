package arbiter

import "github.com/dmonitor/dmonitor/pkg/proc"

// Part makes the arbiter a part of a process, as its environment says.
func Part(p *proc.Process) (proc.Part, error) {
	a, err := New(Options{Bus: p.Bus, Node: p.Env.Node, Log: p.Log})
	if err != nil {
		return proc.Part{}, err
	}
	return proc.Part{Name: "arbiter", NeedsLog: true, Run: a.Run}, nil
}
