package arbiter

import "github.com/dmonitor/dmonitor/pkg/proc"

// Part makes the arbiter a part of a process, as its environment says. It needs no log to start: what is agreed while
// the log can't be written is written later.
func Part(p *proc.Process) (proc.Part, error) {
	a, err := New(Options{Bus: p.Bus, Node: p.Env.Node, Log: p.Log})
	if err != nil {
		return proc.Part{}, err
	}
	return proc.Part{Name: "arbiter", Run: a.Run}, nil
}
