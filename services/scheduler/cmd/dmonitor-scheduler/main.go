// Command dmonitor-scheduler reads what to check and asks the nodes to look. It is set up by its environment; --help
// lists it.
package main

import (
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/scheduler"
)

func main() {
	proc.Main("dmonitor-scheduler", "reads what to check and asks the nodes to look", scheduler.Part)
}
