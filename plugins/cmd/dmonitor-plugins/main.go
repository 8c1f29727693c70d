// Command dmonitor-plugins is every plugin dmonitor ships in one binary. Called as check_ssh (by a symlink, see "link")
// it is that plugin; called by its own name it takes the plugin's name first.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dmonitor/dmonitor/plugins"
)

// exitUsage is the exit code of a call that is no plugin's. It is what Nagios plugins mean by "unknown".
const exitUsage = 3

func main() {
	os.Exit(run(os.Args, os.Getenv, os.Stdout, os.Stderr))
}

func run(argv []string, env func(string) string, stdout, stderr io.Writer) int {
	name, args := filepath.Base(argv[0]), argv[1:]
	if !plugins.Has(name) {
		if len(args) == 0 {
			fmt.Fprint(stderr, help())
			return exitUsage
		}
		name, args = args[0], args[1:]
	}
	switch name {
	case "-h", "--help", "help":
		fmt.Fprint(stdout, help())
		return 0
	case "link":
		return linkAll(args, stdout, stderr)
	}
	return plugins.Run(context.Background(), name, args, env, stdout)
}

func linkAll(args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		fmt.Fprintln(stderr, "usage: dmonitor-plugins link DIR")
		return exitUsage
	}
	self, err := os.Executable()
	if err == nil {
		err = plugins.Link(self, args[0])
	}
	if err != nil {
		fmt.Fprintln(stderr, "dmonitor-plugins:", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s: %s\n", args[0], strings.Join(plugins.Names(), " "))
	return 0
}

func help() string {
	return fmt.Sprintf(`dmonitor-plugins is these plugins in one binary: %s

  dmonitor-plugins PLUGIN HOST [options]   run one; PLUGIN is check_ssh, or just ssh
  dmonitor-plugins PLUGIN --help           its options
  dmonitor-plugins link DIR                make symlinks to this binary in DIR, one for each plugin
  check_ssh HOST [options]                 the same through such a symlink

Exit codes of a plugin: 0 ok, 1 warning, 2 fail, 3 unknown (it couldn't tell, or was called wrongly).
`, strings.Join(plugins.Names(), " "))
}
