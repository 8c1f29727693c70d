package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/alecthomas/kong"
)

// completionFolder is a configuration folder with two hosts, and names that are none.
func completionFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"www.example.com/ssh", "www.example.com/queue", "2001:db8::5/http", "$(reboot)/ssh", "www.example.com/.ssh.swp", "www.example.com/a b"} {
		at := filepath.Join(dir, "hosts.d", file)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// completionModel is a command line with all that may have to be completed.
type completionModel struct {
	Config  string `help:"A value."`
	Outages struct {
		Follow bool   `short:"f" help:"A flag."`
		Since  string `short:"s" help:"A value."`
		Form   string `enum:"long,short" default:"long" help:"One of these."`
		Secret bool   `hidden:"" help:"Not shown."`
	} `cmd:"" help:"A command."`
	Nodes struct {
		List struct {
			JSON bool `name:"json" help:"A flag."`
		} `cmd:"" default:"withargs" help:"The one that is meant."`
		Forget struct {
			Node string `arg:"" help:"A name."`
		} `cmd:"" help:"Another one."`
	} `cmd:"" help:"A command with commands."`
	Plugin struct {
		Test string   `arg:"" help:"A test."`
		Host string   `arg:"" help:"A host."`
		Args []string `arg:"" optional:"" passthrough:"" help:"Others."`
	} `cmd:"" help:"A command with arguments."`
	Why struct {
		Check string `arg:"" help:"A check."`
	} `cmd:"" help:"A command with a check."`
	Hidden struct{} `cmd:"" hidden:"" help:"Not shown."`
}

func TestComplete(t *testing.T) {
	t.Parallel()
	dir := completionFolder(t)
	for _, tc := range []struct {
		rule  string
		words []string
		want  []string
	}{
		{"no word: every command that is shown", nil, []string{"nodes", "outages", "plugin", "why"}},
		{"a beginning", []string{"o"}, []string{"outages"}},
		{"no such beginning", []string{"x"}, nil},
		{"the flags of a command, and those above", []string{"outages", "--"}, []string{"--config", "--follow", "--form", "--help", "--since"}},
		{"a flag's beginning", []string{"outages", "--fol"}, []string{"--follow"}},
		{"after a flag without a value", []string{"outages", "--follow", "--si"}, []string{"--since"}},
		{"a flag's value may be anything", []string{"outages", "--since", ""}, nil},
		{"so may that of a short one", []string{"outages", "-s", "o"}, nil},
		{"a value that is one of a list", []string{"outages", "--form", ""}, []string{"long", "short"}},
		{"a value inside the flag is no word more", []string{"outages", "--since=1h", "--fol"}, []string{"--follow"}},
		{"a flag before the command", []string{"--config", "nodes", "w"}, []string{"why"}},
		{"commands of a command", []string{"nodes", ""}, []string{"forget", "list"}},
		{"the flags of the command that is meant", []string{"nodes", "--j"}, []string{"--json"}},
		{"tests: those that are shipped, and those there are", []string{"plugin", "qu"}, []string{"queue"}},
		{"a shipped one", []string{"plugin", "pin"}, []string{"ping"}},
		{"hosts, but nothing that can't be one", []string{"plugin", "ssh", ""}, []string{"2001:db8::5", "www.example.com"}},
		{"no more than there are arguments", []string{"why", "a/b", ""}, nil},
		{"checks", []string{"why", ""}, []string{"2001:db8::5/http", "www.example.com/queue", "www.example.com/ssh"}},
		{"a command's name as an argument is no command", []string{"plugin", "nodes", "w"}, []string{"www.example.com"}},
		{"after -- there are no flags", []string{"why", "--", "--"}, nil},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			parser, err := kong.New(&completionModel{}) // One each: reading a model writes to it.
			if err != nil {
				t.Fatal(err)
			}
			if got := complete(parser.Model.Node, tc.words, dir); !slices.Equal(got, tc.want) {
				t.Errorf("%q: got %q, want %q", tc.words, got, tc.want)
			}
		})
	}
}
