// Command dmonitor-mailer sends the notices about outages by mail. It is set up by its environment; --help lists it.
package main

import (
	"github.com/dmonitor/dmonitor/pkg/proc"
	"github.com/dmonitor/dmonitor/services/mailer"
)

func main() {
	proc.Main("dmonitor-mailer", "tells people about outages by mail", mailer.Part)
}
