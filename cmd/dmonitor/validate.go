package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/dmonitor/dmonitor/pkg/confdir"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

type validateCmd struct {
	Dir  string `arg:"" optional:"" help:"Folder to check (default: DMONITOR_CONFIG, or /etc/dmonitor)."`
	JSON bool   `name:"json" help:"Print as JSON."`
}

// validation is what --json prints.
type validation struct {
	Valid      bool              `json:"valid"`
	Checks     int               `json:"checks"`
	Hosts      int               `json:"hosts"`
	Recipients int               `json:"recipients"`
	Nodes      int               `json:"nodes"`
	Problems   []confdir.Problem `json:"problems"`
	Notes      []string          `json:"notes"` // what is worth a look, and valid
}

func (c validateCmd) Run(a *app) error {
	e, err := a.env()
	if err != nil {
		return err
	}
	dir := e.Config
	if c.Dir != "" {
		dir = c.Dir
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return hintError{
			fmt.Errorf("%w: %s: no such folder", proc.ErrUsage, dir),
			"make it (mkdir -p " + filepath.Join(dir, "hosts.d") + "), or name another: dmonitor validate DIR",
		}
	}
	e.Config = dir
	snapshot, problems := confdir.Read(os.DirFS(dir), e.Defaults())
	problem, note := checkKey(&e, len(snapshot.Nodes))
	if problem != nil {
		problems = append(problems, *problem)
	}
	v := summarise(snapshot, problems)
	if note != "" {
		v.Notes = append(v.Notes, note)
	}
	if v.Checks > 0 && v.Recipients == 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("nobody will be told: alert.d is empty (touch %s)", filepath.Join(dir, "alert.d", "you@example.com")))
	}
	if c.JSON {
		return printJSON(a.stdout, v, exitIf(!v.Valid))
	}
	for _, p := range problems {
		if p.File != e.KeyFile { // which is no part of the folder
			p.File = filepath.Join(dir, p.File)
		}
		fmt.Fprintln(a.stderr, p)
	}
	if !v.Valid {
		fmt.Fprintf(a.stderr, "%s: %s\n", dir, plural(len(problems), "problem"))
		return exitError(proc.ExitFailed)
	}
	fmt.Fprintf(a.stdout, "%s: valid: %s on %s, %s, %s\n", dir, plural(v.Checks, "check"), plural(v.Hosts, "host"),
		plural(v.Recipients, "recipient"), plural(v.Nodes, "node"))
	for _, note := range v.Notes {
		fmt.Fprintln(a.stdout, "note: "+note)
	}
	return nil
}

func summarise(s confdir.Snapshot, problems confdir.Problems) validation {
	hosts := map[string]bool{}
	for _, d := range s.Checks {
		hosts[d.Host] = true
	}
	return validation{
		Valid: len(problems) == 0, Checks: len(s.Checks), Hosts: len(hosts), Recipients: len(s.Recipients),
		Nodes: max(1, len(s.Nodes)), Problems: append([]confdir.Problem{}, problems...), Notes: []string{},
	}
}
