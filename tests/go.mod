module github.com/dmonitor/dmonitor/tests

go 1.26.0

require (
	github.com/dmonitor/dmonitor/cmd/dmonitor v0.0.0
	github.com/dmonitor/dmonitor/demo v0.0.0
	github.com/dmonitor/dmonitor/pkg/bus v0.0.0
	github.com/dmonitor/dmonitor/pkg/confdir v0.0.0
	github.com/dmonitor/dmonitor/pkg/events v0.0.0
	github.com/dmonitor/dmonitor/pkg/proc v0.0.0
	github.com/dmonitor/dmonitor/plugins v0.0.0
	github.com/dmonitor/dmonitor/services/arbiter v0.0.0
	github.com/dmonitor/dmonitor/services/mailer v0.0.0
	github.com/dmonitor/dmonitor/services/prober v0.0.0
	github.com/dmonitor/dmonitor/services/scheduler v0.0.0
	github.com/goccy/go-yaml v1.19.2
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	golang.org/x/mod v0.42.0
)

require golang.org/x/text v0.43.0 // indirect

replace (
	github.com/dmonitor/dmonitor/cmd/dmonitor => ../cmd/dmonitor
	github.com/dmonitor/dmonitor/demo => ../demo
	github.com/dmonitor/dmonitor/pkg/bus => ../pkg/bus
	github.com/dmonitor/dmonitor/pkg/confdir => ../pkg/confdir
	github.com/dmonitor/dmonitor/pkg/events => ../pkg/events
	github.com/dmonitor/dmonitor/pkg/proc => ../pkg/proc
	github.com/dmonitor/dmonitor/plugins => ../plugins
	github.com/dmonitor/dmonitor/services/arbiter => ../services/arbiter
	github.com/dmonitor/dmonitor/services/mailer => ../services/mailer
	github.com/dmonitor/dmonitor/services/prober => ../services/prober
	github.com/dmonitor/dmonitor/services/scheduler => ../services/scheduler
)
