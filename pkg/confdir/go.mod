module github.com/dmonitor/dmonitor/pkg/confdir

go 1.26.0

require (
	github.com/dmonitor/dmonitor/pkg/events v0.0.0
	github.com/fsnotify/fsnotify v1.10.1
	github.com/goccy/go-yaml v1.19.2
	github.com/google/go-cmp v0.7.0
	go.uber.org/goleak v1.3.0
	pgregory.net/rapid v1.3.0
)

require golang.org/x/sys v0.13.0 // indirect

replace github.com/dmonitor/dmonitor/pkg/events => ../../pkg/events
