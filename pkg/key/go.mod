module github.com/dmonitor/dmonitor/pkg/key

go 1.26.0

require (
	github.com/dmonitor/dmonitor/pkg/events v0.0.0
	github.com/nats-io/jwt/v2 v2.8.2
	github.com/nats-io/nkeys v0.4.16
)

require (
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/dmonitor/dmonitor/pkg/events => ../events
