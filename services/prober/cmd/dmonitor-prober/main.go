// Command dmonitor-prober is one node of dmonitor: it runs the plugins it is asked to run, and says what they found. It is set
// up by its environment; --help lists it.
package main

import (
	"os"

	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/prober"
)

const name = "dmonitor-prober"

func main() {
	if len(os.Args) == 1 {
		if err := takeName(); err != nil {
			os.Exit(proc.Fail(os.Stderr, name, err))
		}
	}
	proc.Main(name, "runs plugins and publishes what they found", prober.Part, proc.Plain)
}

// takeName gives this node the name that its credentials are for.
func takeName() error {
	node, err := prober.NameInCreds(os.Environ())
	if err == nil && node != "" {
		err = os.Setenv(proc.Prefix+"NODE", node)
	}
	return err
}
