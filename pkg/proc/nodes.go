package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/confdir"
)

// How nodes.txt is looked at. It is a few lines, so it is read again each second; that works on every file system and
// however the file is put there. It must say the same for settleNodes before it counts, because an editor may be in the
// middle of writing it; a list that takes this node out of a cluster, and one that is gone, for longer.
const (
	lookNodes   = time.Second
	settleNodes = 2 * time.Second
	settleAlone = 10 * time.Second
	catchUpWait = 20 * time.Second // for this node's copies, before it is alone; a copy that stalls goes on after 5 s
	maxNodesTxt = 1 << 20          // bytes; 10,000 nodes take less
)

// nodesLook is what one look at nodes.txt saw.
type nodesLook struct {
	nodes   []string
	problem string // what is wrong with it; nodes mean nothing then
	away    bool   // the whole folder is not there: it may be on a disk that is not mounted
}

// readNodes looks at nodes.txt in the folder. No file is a list of nobody.
func readNodes(dir string) nodesLook {
	f, err := os.Open(filepath.Join(dir, confdir.NodesFile))
	if errors.Is(err, os.ErrNotExist) {
		_, err := os.Stat(dir)
		return nodesLook{away: err != nil}
	}
	if err != nil {
		return nodesLook{problem: err.Error()}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxNodesTxt))
	if err != nil {
		return nodesLook{problem: err.Error()}
	}
	nodes, problems := confdir.ParseNodes(confdir.NodesFile, data)
	if err := problems.Err(); err != nil {
		return nodesLook{problem: fmt.Sprintf("%s: %v", dir, err)}
	}
	return nodesLook{nodes: nodes}
}

// nodesWatch decides when what nodes.txt says counts.
type nodesWatch struct {
	inForce []string
	last    nodesLook
	since   time.Time // that last has been seen
	told    string    // the problem that was told last
}

// step takes a look. It returns the list that counts from now on, if it is another one than before, and a problem that was
// not told before.
func (w *nodesWatch) step(l nodesLook, now time.Time) (nodes []string, changed bool, problem string) {
	if !slices.Equal(l.nodes, w.last.nodes) || l.problem != w.last.problem || l.away != w.last.away || w.since.IsZero() {
		w.last, w.since = l, now
	}
	settle := settleNodes
	if l.problem == "" && len(l.nodes) < 2 && len(w.inForce) > 1 {
		settle = settleAlone
	}
	switch {
	case l.away || now.Sub(w.since) < settle:
		return nil, false, ""
	case l.problem != "":
		if l.problem == w.told {
			return nil, false, ""
		}
		w.told = l.problem
		return nil, false, l.problem
	}
	w.told = ""
	if slices.Equal(l.nodes, w.inForce) {
		return nil, false, ""
	}
	w.inForce = slices.Clone(l.nodes)
	return w.inForce, true, ""
}

// modeError stops the parts, so that they start again on a bus with another list of members.
type modeError struct {
	nodes []string
	same  bool // the list stays what it is
	why   string
}

func (e *modeError) Error() string { return e.why }

// onlyMode returns the modeError that an error is; nil if something else has failed as well.
func onlyMode(err error) *modeError {
	mode, ok := errors.AsType[*modeError](err)
	if !ok || err.Error() != mode.Error() {
		return nil
	}
	return mode
}

// watchNodes brings the bus in line with nodes.txt until ctx ends, or until that takes a new start: then it returns an
// modeError. A list given by DMONITOR_NODES stays what it is.
func (p *Process) watchNodes(ctx context.Context) error {
	if p.Env.BusURL != "" || len(p.Env.Nodes) > 0 {
		return nil
	}
	w := &nodesWatch{inForce: p.nodes}
	if p.refused != nil {
		w.inForce = p.refused
	}
	tick := time.NewTicker(lookNodes)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		nodes, changed, problem := w.step(readNodes(p.Env.Config), time.Now())
		if problem != "" {
			p.Log.Error().Msgf("%s; the list of nodes that was in force stays", problem)
		}
		if !changed {
			continue
		}
		if err := p.setNodes(ctx, nodes); err != nil {
			return err
		}
	}
}

// setNodes gives the bus another list of members, or returns an modeError if it has to start again for that.
func (p *Process) setNodes(ctx context.Context, nodes []string) error {
	before := p.nodes
	switch {
	case len(before) < 2 && len(nodes) < 2:
		p.nodes = nodes
		return nil
	case len(before) < 2:
		return &modeError{nodes: nodes, why: fmt.Sprintf("%s lists %d nodes now, and this one was alone", confdir.NodesFile, len(nodes))}
	case len(nodes) < 2:
		ctx, cancel := context.WithTimeout(ctx, catchUpWait)
		defer cancel()
		if err := p.Bus.CatchUp(ctx); err != nil {
			p.Log.Warn().Err(err).Msg("this node is alone from now on, and may lack the last of what the others have")
		}
		return &modeError{nodes: nodes, why: fmt.Sprintf("%s lists no other node any more: this one is alone now", confdir.NodesFile)}
	}
	err := p.Bus.SetNodes(nodes)
	switch {
	case errors.Is(err, bus.ErrNotFormed):
		return &modeError{nodes: nodes, why: fmt.Sprintf("%s has changed while the first start was waiting", confdir.NodesFile)}
	case err != nil:
		p.Log.Error().Err(err).Msgf("%s has changed, but the bus can't have it; what was in force stays", confdir.NodesFile)
	default:
		p.nodes = nodes
	}
	return nil
}

// again opens the bus with another list of members, after the one before was closed. If a node that was alone can't have
// company, it goes on alone: that is better than nobody looking.
func (p *Process) again(ctx context.Context, mode *modeError) (*Process, error) {
	nodes := mode.nodes
	if mode.same {
		nodes = p.nodes
	}
	next, err := p.open(ctx, nodes)
	if err == nil || ctx.Err() != nil || len(p.nodes) > 1 {
		return next, err
	}
	p.Log.Error().Err(err).Msgf("can't join the nodes in %s; going on alone until the file changes, or dmonitor starts again", confdir.NodesFile)
	next, err = p.open(ctx, p.nodes)
	if err == nil {
		next.refused = mode.nodes
	}
	return next, err
}
