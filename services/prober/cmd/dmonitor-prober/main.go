// Command dmonitor-prober is one node of dmonitor: it runs the plugins it is asked to run, and says what they found. It is set
// up by its environment; --help lists it.
package main

import (
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/prober"
)

func main() {
	proc.Main("dmonitor-prober", "runs plugins and publishes what they found", prober.Part)
}
