package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/dmonitor/dmonitor/pkg/bus"
	"github.com/dmonitor/dmonitor/pkg/proc"
)

// errBusGone ends a command with exit code 3.
var errBusGone = errors.New("can't reach the bus")

// connectTimeout is how long a command tries to reach the bus: past this, nobody is there.
const connectTimeout = 3 * time.Second

// connect opens a connection to the bus of this host, or to the one DMONITOR_BUS_URL names.
func (a *app) connect() (*bus.Bus, proc.Env, error) {
	e, err := a.env()
	if err != nil {
		return nil, e, err
	}
	url := e.BusURL
	if url == "" {
		url = "nats://" + dialable(e.ClientListen)
	}
	b, err := bus.Open(a.ctx, bus.Options{URL: url, Creds: e.BusCreds, Node: e.Node, Log: e.Logger(a.stderr)})
	if err == nil {
		err = waitConnected(a.ctx, b.Conn())
	}
	if err != nil {
		hint := "is dmonitor running here (dmonitor run)? else set DMONITOR_BUS_URL, such as nats://127.0.0.1:4222"
		if strings.Contains(err.Error(), "route port") {
			hint = "that is where the nodes talk among themselves; clients use another port, 4222 by default"
		}
		return nil, e, hintError{fmt.Errorf("%w at %s: %w", errBusGone, url, err), hint}
	}
	return b, e, nil
}

func waitConnected(ctx context.Context, nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for status := nc.StatusChanged(nats.CONNECTED); !nc.IsConnected(); {
		select {
		case <-status:
		case <-time.After(50 * time.Millisecond): // the change may have come before we listened
		case <-ctx.Done():
			nc.Close()
			if err := nc.LastError(); err != nil {
				return err
			}
			return errors.New("no answer")
		}
	}
	return nil
}

// dialable turns an address to listen on into one to connect to.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
