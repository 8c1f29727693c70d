package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

// checkKey reads the cluster key as a process that starts does, which would refuse what is wrong with it. A key that this
// user may not read is no mistake in it, and several nodes without one may have their reasons: both are notes.
func checkKey(e *proc.Env, nodes int) (problem *confdir.Problem, note string) {
	path, named := e.KeyPath()
	ring, err := e.LoadKey()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, "not checked: " + err.Error()
	case err != nil:
		p := keyProblem(path, err)
		if p.File = proc.KeyFile; named {
			p.File = path
		}
		return p, ""
	case ring == nil && nodes > 1 && !e.Insecure:
		return nil, fmt.Sprintf("%d nodes and no cluster key at %s: copy it from a node that has one; if none has: dmonitor keygen -o %s", nodes, path, path)
	default:
		return nil, ""
	}
}

// keyProblem takes the path and the line out of an error about the key file: both have fields of their own.
func keyProblem(path string, err error) *confdir.Problem {
	text := err.Error()
	if _, rest, ok := strings.Cut(text, path); ok {
		text = strings.TrimPrefix(rest, ":")
	}
	number, rest, _ := strings.Cut(text, ":")
	line, err := strconv.Atoi(number)
	if err == nil {
		text = rest
	}
	return &confdir.Problem{Line: line, Message: strings.TrimSpace(text)}
}
