package arbiter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus/folder"
	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/services/arbiter/trouble"
)

const (
	// membersEvery is how often the members of the bus are asked who is there.
	membersEvery = 5 * time.Second
	// nodesFile holds the nodes that were there, in Options.Data, so that one that doesn't come back after all were
	// restarted is missed.
	nodesFile = "nodes.json"
)

// watchMembers tells the state machine who carries a member of the bus.
func (a *Arbiter) watchMembers(ctx context.Context) {
	for pause(ctx, membersEvery) {
		members, err := a.bus.AskMembers(ctx)
		if err != nil {
			continue // Who can't ask isn't connected, and the bus says so.
		}
		in := trouble.Members{Here: map[string]string{}}
		for _, m := range members {
			in.Here[m.Name] = ""
			for _, l := range m.Listed {
				in.Listed = append(in.Listed, l.Addr)
			}
		}
		for _, m := range members {
			for _, l := range m.Listed {
				if _, here := in.Here[l.Name]; here {
					in.Here[l.Name] = l.Addr
				}
			}
		}
		a.putTrouble(ctx, in)
	}
}

// recallNodes reads which nodes there were before.
func (a *Arbiter) recallNodes(ctx context.Context) {
	nodes, err := readNodes(a.data)
	if err != nil {
		a.log.Warn().Err(err).Msg("a node that doesn't come back with this one won't be missed")
	}
	a.knownNodes = nodes
	if len(nodes) > 0 {
		a.now = a.began
		a.applyTrouble(ctx, trouble.Expected{Nodes: nodes})
	}
}

// rememberNodes has it written which nodes there are, if that has changed, by another goroutine: the disk may be slow.
func (a *Arbiter) rememberNodes() {
	known := trouble.Known(a.troubles)
	if a.data == "" || maps.Equal(known, a.knownNodes) {
		return
	}
	select {
	case a.noting <- known:
		a.knownNodes = known
	default: // The last one is still being written.
	}
}

// writeNodesAsNoted writes what rememberNodes hands out, until ctx ends.
func (a *Arbiter) writeNodesAsNoted(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case known := <-a.noting:
			if err := writeNodes(a.data, known); err != nil && !errors.Is(err, os.ErrNotExist) {
				a.log.Warn().Err(err).Msg("a node that doesn't come back after a restart won't be missed")
			}
		}
	}
}

// maxAddr is the longest address of a member: a host's name, a colon and a port.
const maxAddr = events.MaxHostLen + len(":65535")

// readNodes reads what writeNodes wrote; nothing if there is no such file.
func readNodes(data string) (map[string]string, error) {
	if data == "" {
		return nil, nil
	}
	text, err := os.ReadFile(filepath.Join(data, nodesFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which nodes there were: %w", err)
	}
	var nodes map[string]string
	if err := json.Unmarshal(text, &nodes); err != nil {
		return nil, fmt.Errorf("read which nodes there were: %s: %w", filepath.Join(data, nodesFile), err)
	}
	maps.DeleteFunc(nodes, func(name, addr string) bool {
		return events.ValidateNode(name) != nil || addr != events.CleanText(addr, maxAddr) || strings.ContainsAny(addr, "\n\t")
	})
	return nodes, nil
}

// writeNodes writes which nodes there are.
func writeNodes(data string, nodes map[string]string) error {
	text, err := json.Marshal(nodes)
	if err == nil {
		err = folder.Replace(filepath.Join(data, nodesFile), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write which nodes there are: %w", err)
	}
	return nil
}
