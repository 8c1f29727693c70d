module github.com/dmonitor/dmonitor/services/arbiter

go 1.26.0

require github.com/dmonitor/dmonitor/pkg/events v0.0.0

require pgregory.net/rapid v1.3.0

replace (
	github.com/dmonitor/dmonitor/pkg/bus => ../../pkg/bus
	github.com/dmonitor/dmonitor/pkg/events => ../../pkg/events
	github.com/dmonitor/dmonitor/pkg/proc => ../../pkg/proc
)
