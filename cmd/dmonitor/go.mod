module github.com/dmonitor/dmonitor/cmd/dmonitor

go 1.26.0

require (
	github.com/dmonitor/dmonitor/pkg/events v0.0.0
	github.com/dmonitor/dmonitor/pkg/bus v0.0.0
	github.com/dmonitor/dmonitor/pkg/confdir v0.0.0
	github.com/dmonitor/dmonitor/pkg/proc v0.0.0
	github.com/dmonitor/dmonitor/services/scheduler v0.0.0
	github.com/dmonitor/dmonitor/services/prober v0.0.0
	github.com/dmonitor/dmonitor/services/arbiter v0.0.0
	github.com/dmonitor/dmonitor/services/mailer v0.0.0
	github.com/dmonitor/dmonitor/plugins v0.0.0
	github.com/dmonitor/dmonitor/demo v0.0.0
)

replace (
	github.com/dmonitor/dmonitor/pkg/events => ../../pkg/events
	github.com/dmonitor/dmonitor/pkg/bus => ../../pkg/bus
	github.com/dmonitor/dmonitor/pkg/confdir => ../../pkg/confdir
	github.com/dmonitor/dmonitor/pkg/proc => ../../pkg/proc
	github.com/dmonitor/dmonitor/services/scheduler => ../../services/scheduler
	github.com/dmonitor/dmonitor/services/prober => ../../services/prober
	github.com/dmonitor/dmonitor/services/arbiter => ../../services/arbiter
	github.com/dmonitor/dmonitor/services/mailer => ../../services/mailer
	github.com/dmonitor/dmonitor/plugins => ../../plugins
	github.com/dmonitor/dmonitor/demo => ../../demo
)
