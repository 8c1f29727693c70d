module github.com/dmonitor/dmonitor/pkg/bus

go 1.26

require (
	github.com/dmonitor/dmonitor/pkg/events v0.0.0
)

replace (
	github.com/dmonitor/dmonitor/pkg/events => ../../pkg/events
)
