module github.com/dmonitor/dmonitor/pkg/events

go 1.26.0

