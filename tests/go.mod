module github.com/dmonitor/dmonitor/tests

go 1.26.0

require (
	github.com/CycloneDX/cyclonedx-go v0.12.0
	github.com/alecthomas/kong v1.17.0
	github.com/dmonitor/dmonitor/demo v0.0.0
	github.com/dmonitor/dmonitor/pkg/bus v0.0.0
	github.com/dmonitor/dmonitor/pkg/confdir v0.0.0
	github.com/dmonitor/dmonitor/pkg/events v0.0.0
	github.com/dmonitor/dmonitor/pkg/key v0.0.0
	github.com/dmonitor/dmonitor/pkg/proc v0.0.0
	github.com/dmonitor/dmonitor/services/arbiter v0.0.0
	github.com/dmonitor/dmonitor/services/mailer v0.0.0
	github.com/dmonitor/dmonitor/services/prober v0.0.0
	github.com/dmonitor/dmonitor/services/scheduler v0.0.0
	github.com/emersion/go-smtp v0.25.1
	github.com/goccy/go-yaml v1.19.2
	github.com/google/licensecheck v0.3.1
	github.com/nats-io/jwt/v2 v2.8.2
	github.com/nats-io/nats.go v1.55.0
	github.com/nats-io/nkeys v0.4.16
	github.com/rs/zerolog v1.35.1
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	golang.org/x/mod v0.42.0
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/antithesishq/antithesis-sdk-go v0.8.0-default-no-op // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/caarlos0/env/v11 v11.4.2 // indirect
	github.com/cenkalti/backoff/v5 v5.0.3 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/coreos/go-systemd/v22 v22.7.0 // indirect
	github.com/emersion/go-sasl v0.0.0-20241020182733-b788ff22d5a6 // indirect
	github.com/fsnotify/fsnotify v1.10.1 // indirect
	github.com/gofrs/flock v0.13.1 // indirect
	github.com/google/go-tpm v0.9.8 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/minio/highwayhash v1.0.4 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/nats-io/nats-server/v2 v2.15.2 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	github.com/prometheus/client_golang v1.25.0 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/wneessen/go-mail v0.8.1 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/time v0.16.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace (
	github.com/dmonitor/dmonitor/demo => ../demo
	github.com/dmonitor/dmonitor/pkg/bus => ../pkg/bus
	github.com/dmonitor/dmonitor/pkg/confdir => ../pkg/confdir
	github.com/dmonitor/dmonitor/pkg/events => ../pkg/events
	github.com/dmonitor/dmonitor/pkg/key => ../pkg/key
	github.com/dmonitor/dmonitor/pkg/proc => ../pkg/proc
	github.com/dmonitor/dmonitor/services/arbiter => ../services/arbiter
	github.com/dmonitor/dmonitor/services/mailer => ../services/mailer
	github.com/dmonitor/dmonitor/services/prober => ../services/prober
	github.com/dmonitor/dmonitor/services/scheduler => ../services/scheduler
)
