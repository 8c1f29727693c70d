package bus

import (
	_ "github.com/cenkalti/backoff/v5"
	_ "github.com/gofrs/flock"
	_ "github.com/nats-io/nats-server/v2/server"
)
