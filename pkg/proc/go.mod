module github.com/dmonitor/dmonitor/pkg/proc

go 1.26

require (
	github.com/dmonitor/dmonitor/pkg/events v0.0.0
	github.com/dmonitor/dmonitor/pkg/bus v0.0.0
)

replace (
	github.com/dmonitor/dmonitor/pkg/events => ../../pkg/events
	github.com/dmonitor/dmonitor/pkg/bus => ../../pkg/bus
)
