package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/dmonitor/dmonitor/pkg/events"
	"github.com/dmonitor/dmonitor/plugins"
)

// completeCmd prints what the last of some words may become: packaging/completion.bash calls it. It asks nobody and
// reads two levels of one folder, since somebody waits with a finger on a key.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"The words after \"dmonitor\"; the last one is to be completed."`
}

// Run prints one candidate a line.
func (c completeCmd) Run(a *app, k *kong.Context) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	e, _ := a.env() // What is wrong with the environment is for other commands to tell.
	for _, s := range complete(k.Model.Node, words, e.Config) {
		fmt.Fprintln(a.stdout, s)
	}
	return nil
}

// complete returns what the last of words may become, sorted: a command, a flag, a value, a host, a test or a check of the
// configuration folder. Nothing means that it may be anything, a file for example.
func complete(root *kong.Node, words []string, config string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	at := place{node: root}
	for _, w := range words[:len(words)-1] {
		at.step(w)
	}
	var all []string
	switch {
	case at.value != nil:
		all = at.value.EnumSlice()
	case strings.HasPrefix(last, "-") && !at.literal:
		all = at.flags()
	default:
		all = slices.Concat(at.commands(), at.positional(config))
	}
	// A value that is none of a list has an empty one.
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" || !strings.HasPrefix(s, last) })
	slices.Sort(all)
	return slices.Compact(all)
}

// place is where in the command line one is after some words.
type place struct {
	node    *kong.Node
	args    int         // positional arguments so far
	value   *kong.Value // of the flag that waits for its value
	literal bool        // after "--": no more flags
}

func (p *place) step(word string) {
	switch {
	case p.value != nil:
		p.value = nil
	case p.literal || !strings.HasPrefix(word, "-") || word == "-":
		for _, child := range p.node.Children {
			if child.Name == word && p.args == 0 {
				p.node = child
				return
			}
		}
		p.args++
	case word == "--":
		p.literal = true
	case !strings.Contains(word, "="):
		for _, f := range p.all() {
			if (word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short)) && !f.IsBool() && !f.IsCounter() {
				p.value = f.Value
			}
		}
	}
}

// all are the flags that may stand here: those of the command, of the ones above, and of the one that is meant if none is
// named.
func (p *place) all() (flags []*kong.Flag) {
	for _, group := range p.node.AllFlags(true) {
		flags = append(flags, group...)
	}
	if d := p.node.DefaultCmd; d != nil {
		flags = append(flags, d.Flags...)
	}
	return flags
}

func (p *place) flags() (names []string) {
	for _, f := range p.all() {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	}
	return names
}

func (p *place) commands() (names []string) {
	if p.args > 0 {
		return nil
	}
	for _, child := range p.node.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	return names
}

// positional are the values that the next positional argument may have, by the argument's name.
func (p *place) positional(config string) []string {
	node := p.node
	if node.DefaultCmd != nil {
		node = node.DefaultCmd
	}
	if p.args >= len(node.Positional) {
		return nil
	}
	arg := node.Positional[p.args]
	hosts := hostsIn(config)
	switch strings.ToLower(arg.Name) {
	case "host":
		return hosts
	case "test":
		var tests []string
		for _, name := range plugins.Names() {
			tests = append(tests, strings.TrimPrefix(name, "check_"))
		}
		for _, h := range hosts {
			tests = append(tests, testsOf(config, h)...)
		}
		return tests
	case "check", "host/test":
		var checks []string
		for _, h := range hosts {
			for _, t := range testsOf(config, h) {
				checks = append(checks, h+"/"+t)
			}
		}
		return checks
	default:
		return arg.EnumSlice()
	}
}

// hostsIn lists the folder's hosts. What can't be read, or is no host's name, is passed over.
func hostsIn(config string) []string {
	return names(filepath.Join(config, "hosts.d"), events.ValidateHost)
}

func testsOf(config, host string) []string {
	return names(filepath.Join(config, "hosts.d", host), events.ValidateTest)
}

func names(dir string, valid func(string) error) (out []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if valid(e.Name()) == nil {
			out = append(out, e.Name())
		}
	}
	return out
}
