// Command dmonitor-arbiter judges results and declares outages. It is set up by its environment; --help lists it.
package main

import (
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/arbiter"
)

func main() {
	proc.Main("dmonitor-arbiter", "declares what is down when enough sites see it", arbiter.Part)
}
